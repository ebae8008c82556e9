"""The line at the bottom of the page: links, versions, the device."""

from __future__ import annotations

import platform
from html import escape
from importlib.metadata import PackageNotFoundError, version

from modules.application.app import App
from modules.application.version import INFOTEXT_VERSION
from modules.library.model_file import ModelFile


def footer_html(app: App, model: ModelFile | None) -> str:
    """Links, then what runs here. ``model``: the chosen checkpoint; extensions read its hash from the link's title."""
    api = '<a href="./docs" target="_blank">API</a>' if app.flags.api else ""
    profile = '<button type="button" id="webui_startup_profile">Startup profile</button>'
    links = f'{api}{profile}<button type="button" id="webui_reload">Reload UI</button><button type="button" id="webui_theme_toggle">Dark or light</button>'
    facts = [f"python: {platform.python_version()}", *(_version(name) for name in ("torch", "diffusers", "gradio"))]
    shown = [escape(each) for each in [*facts, f"device: {app.policy.device}"] if each]
    shown.insert(0, f'version: <a style="color: inherit; text-decoration: none">{escape(INFOTEXT_VERSION)}</a>')     # extensions read the first link here
    if model is not None:
        title = escape(model.sha256 or "", quote=True)
        shown.append(f'checkpoint: <a id="sd_checkpoint_hash" title="{title}">{escape(model.short_hash or model.name)}</a>')
    return f'<div class="links">{links}</div><div class="versions">{"".join(f"<span>{each}</span>" for each in shown)}</div>'


def _version(name: str) -> str:
    try:
        return f"{name}: {version(name)}"
    except PackageNotFoundError:
        return ""
