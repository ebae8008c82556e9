"""What stands in the page's <head>: theme choice, our stylesheet and scripts in order, and what the scripts start from.

Gradio would add ``head=`` by script, after its own start; extensions need classic scripts that are there from the first
byte. So the slot is in the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradio import routes
from jinja2 import ChoiceLoader, DictLoader

STATIC = Path(__file__).with_name("static")
STATIC_URL = "webui-static"
SCRIPTS = (
    "script.js",
    "options.js",
    "contract.js",
    "localization.js",
    "normalise.js",
    "tabs.js",
    "priming.js",
    "toasts.js",
    "elements.js",
    "progressbar.js",
    "gallery.js",
    "jobs.js",
    "canvas_icons.js",
    "canvas_upload.js",
    "canvas_memory.js",
    "canvas_view.js",
    "canvas_drawing.js",
    "canvas_tools.js",
    "canvas_keys.js",
    "queue_panel.js",
    "history.js",
    "history_view.js",
    "prompt_keys.js",
    "prompt_tools.js",
    "styles_editor.js",
    "context_menus.js",
    "lightbox.js",
    "gamepad.js",
    "notify.js",
    "canvas.js",
    "img2img.js",
    "send_to.js",
    "extras.js",
    "merger.js",
    "form_memory.js",
    "form_tools.js",
    "extra_networks.js",
    "network_cards.js",
    "network_dialogs.js",
    "hires.js",
    "keyboard.js",
    "token_counters.js",
    "page_layout.js",
    "settings_page.js",
    "extensions.js",
    "settings_extra.js",
    "notices.js",
    "theme.js",
)
STYLES = (
    "style.css",
    "generation.css",
    "canvas.css",
    "extras.css",
    "extra_networks.css",
    "settings.css",
    "extensions.css",
    "queue.css",
    "history.css",
    "comfort.css",
)
TREE = "faster_tree.js"
TEMPLATE = "frontend/index.html"
SLOT = "{{ page_head(request, config) | safe }}"
FIRST_MODULE = '<script type="module"'
FRONTEND = Path(routes.__file__).with_name("templates") / "frontend" / "assets"


def head_html(boot: Mapping[str, Any], *, theme: str | None, extensions: Sequence[str] = ()) -> str:
    """The <head> lines. boot: JSON for the scripts. theme: "dark" or "light" for pages that do not ask in their URL.

    extensions: their lines, after ours.
    """
    lines = [f"<script>{_CHOOSE_THEME.replace('FLAG', json.dumps(theme or ''))}window.webui_boot = {_script_json(boot)};</script>"]
    lines += [f'<link rel="stylesheet" href="{_versioned(name)}">' for name in STYLES]
    lines += [f'<script src="{_versioned(name)}"></script>' for name in SCRIPTS]
    lines += extensions
    return "\n".join(lines)


def open_head_slot() -> None:
    """Make Gradio's page template ask its Blocks for ``page_head``; also take out its link-preview tags, which name other hosts.

    Process-wide, as Gradio's templates are; doing it twice changes nothing. Blocks without ``page_head`` are untouched.
    """
    environment = routes.templates.env
    loader = environment.loader
    if loader is None or isinstance(loader, ChoiceLoader):
        return
    source = loader.get_source(environment, TEMPLATE)[0]
    source = re.sub(r'<meta\s+(property|name)="(og|twitter):[^>]*?/>', "", source)
    source = source.replace(FIRST_MODULE, _faster_tree() + FIRST_MODULE, 1)
    environment.loader = ChoiceLoader([DictLoader({TEMPLATE: source.replace("</head>", SLOT + "\n</head>", 1)}), loader])
    environment.globals["page_head"] = _page_head


def _page_head(request: Any, config: Mapping[str, Any]) -> str:
    if config.get("auth_required"):
        return ""  # the log-in page learns nothing
    make: Callable[[], str] | None = getattr(request.app.get_blocks(), "page_head", None)
    return make() if make else ""


def _faster_tree() -> str:
    """A script before Gradio's own that lets its page find components by number; "" for a Gradio that has none of what it changes.

    The names of Gradio's files change with their content.
    """
    for file in sorted(FRONTEND.glob("core-*.js")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if " as AppTree" in text and "find_attached_events(" in text:
            return (
                f'<script type="module">import {{AppTree}} from "./assets/{file.name}"; import {{findByNumber}} from "./{_versioned(TREE)}";'
                " findByNumber(AppTree);</script>\n"
            )
    return ""


def _versioned(name: str) -> str:
    """The URL of one of our files; it changes with the file, so that browsers may keep it."""
    return f"{STATIC_URL}/{name}?{int((STATIC / name).stat().st_mtime)}"


def _script_json(value: Any) -> str:
    """JSON that may stand inside a <script>: no text in it can end the element."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# Gradio reads __theme from the URL when it starts. The reader's own choice wins over the command line's.
_CHOOSE_THEME = """
(() => {
    const url = new URL(location.href);
    let theme = FLAG;
    try {
        theme = localStorage.getItem("webui_theme") || theme;
    } catch {}  // a browser that keeps nothing
    if (theme && !url.searchParams.has("__theme")) {
        url.searchParams.set("__theme", theme);
        history.replaceState(null, "", url);
    }
})();
"""
