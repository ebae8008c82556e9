"""What the browser shows while there is no page: JavaScript is off, or Gradio's scripts did not arrive. In the template itself, for nothing else may have come."""

from __future__ import annotations

SECONDS = 15  # a slow machine's page is there by then, at least in parts

NO_PAGE_YET = (
    '<noscript><p style="font: 1rem sans-serif; margin: 2rem">JavaScript is switched off for this address, and this page is made by it.'
    " Switch it on in the browser's settings (or in what blocks it), then reload.</p></noscript>\n"
    '<div id="webui-not-up" role="alert" hidden style="font: 1rem sans-serif; margin: 2rem; max-width: 44rem; background: #fff; color: #000"></div>\n'
    "<script>(() => {\n"
    "const lost = new Set();\n"
    'addEventListener("error", (event) => event.target.matches?.("script, link") && lost.add(event.target.src || event.target.href), true);\n'
    'addEventListener("unhandledrejection", (event) => /https?:\\S+/.exec(event.reason?.message || "")?.forEach((each) => lost.add(each)));\n'
    'const up = () => document.querySelector("gradio-app :is(button, input, textarea)");\n'
    "const look = () => {\n"
    '    const words = document.getElementById("webui-not-up");\n'
    "    words.hidden = Boolean(up());\n"
    "    if (words.hidden) { return; }\n"
    '    words.textContent = "The page has not come up. Look whether the program still runs, and what its console says; then reload with Ctrl+Shift+R.'
    " Something between browser and program (a proxy, an ad blocker) may hold files back."
    ' If it stays so, start with --disable-extra-extensions."\n'
    '        + (lost.size ? " What did not arrive: " + [...lost].filter(Boolean).slice(0, 3).join(", ") : "");\n'
    "    setTimeout(look, 1000);\n"
    "};\n"
    f"setTimeout(look, {SECONDS}000);\n"
    "})();</script>\n"
)
