"""What stands in the page's <head>: theme choice, our stylesheet and scripts in order, and what the scripts start from.

Gradio would add ``head=`` by script, after its own start; extensions need classic scripts that are there from the first
byte. So the slot is in the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradio import routes
from jinja2 import ChoiceLoader, DictLoader
from markupsafe import Markup

from modules.gradio_ui.gradio_files import faster_tree
from modules.gradio_ui.page_not_up import NO_PAGE_YET
from modules.gradio_ui.static_files import versioned

TEMPLATE = "frontend/index.html"
SLOT = "{{ page_head(request, config) | safe }}"
BODY = "<gradio-app"
FIRST_MODULE = '<script type="module"'
API_INFO = "{{ gradio_api_info | toorjson }}"  # of named endpoints; a page calls its functions by number
HEAD_MARK = "<!-- the head of our page -->"  # stands for the head's lines where the request's scope has it as a key
NO_API_INFO: Mapping[str, Any] = {"named_endpoints": {}, "unnamed_endpoints": {}}


def head_html(
    boot: Mapping[str, Any], *, theme: str | None, extensions: Sequence[str] = (), ahead: Sequence[str] = (), pieces: Mapping[str, str] | None = None
) -> str:
    """The <head> lines. boot: JSON for the scripts. theme: "dark" or "light" for pages that do not ask in their URL.

    extensions: their lines, after ours. ahead: lines before all others. pieces: HTML by the elem_id of the gr.HTML that shows it.
    """
    lines = [*ahead, f"<script>{_CHOOSE_THEME.replace('FLAG', json.dumps(theme or ''))}window.webui_boot = {_script_json(boot)};</script>"]
    lines += [f'<link rel="stylesheet" href="{versioned("page.css")}">', f'<script src="{versioned("page.js")}"></script>']
    lines += [f'<template data-place="{elem_id}">{piece}</template>' for elem_id, piece in (pieces or {}).items()]
    lines += extensions
    return "\n".join(lines)


def open_head_slot() -> None:
    """Make Gradio's page template ask its Blocks for ``page_head``; also take out its link-preview tags, which name other hosts, and say something where no page comes.

    Process-wide, as Gradio's templates are; doing it twice changes nothing. Blocks without ``page_head`` are untouched.
    """
    environment = routes.templates.env
    loader = environment.loader
    if loader is None or isinstance(loader, ChoiceLoader):
        return
    source = loader.get_source(environment, TEMPLATE)[0]
    source = re.sub(r'<meta\s+(property|name)="(og|twitter):[^>]*?/>', "", source)
    source = source.replace(FIRST_MODULE, faster_tree() + FIRST_MODULE, 1)
    source = source.replace(API_INFO, "{{ page_api_info(request, gradio_api_info) }}", 1)
    source = source.replace(BODY, NO_PAGE_YET + BODY, 1)
    environment.loader = ChoiceLoader([DictLoader({TEMPLATE: source.replace("</head>", SLOT + "\n</head>", 1)}), loader])
    environment.globals["page_head"] = _page_head
    environment.globals["page_api_info"] = _page_api_info


def _page_head(request: Any, config: Mapping[str, Any]) -> str:
    if config.get("auth_required"):
        return ""  # the log-in page learns nothing
    make = _maker(request)
    if make is None:
        return ""
    return HEAD_MARK if HEAD_MARK in request.scope else make()


def _page_api_info(request: Any, info: Any) -> str:
    return Markup(json.dumps(NO_API_INFO)) if _maker(request) else routes.toorjson(info)


def _maker(request: Any) -> Callable[[], str] | None:
    """What makes the <head> of the page that is asked for; None for a page that is not ours."""
    return getattr(request.app.get_blocks(), "page_head", None)


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
