"""What there is of scripts, for /sdapi/v1/scripts and script-info."""
from __future__ import annotations

from typing import Any

from modules.a1111.script_controls import described, title_of
from modules.a1111.script_host import ScriptHost
from modules.application.app import App


def script_names(app: App) -> dict[str, list[str]]:
    """Titles in small letters, by tab: those that are chosen first, then those that are always on."""
    host = app.scripts.host
    runners = {"txt2img": host.txt2img, "img2img": host.img2img} if isinstance(host, ScriptHost) else {}
    return {
        tab: [title_of(script).lower() for script in (*runners[tab].selectable_scripts, *runners[tab].alwayson_scripts)] if tab in runners else []
        for tab in ("txt2img", "img2img")
    }


def script_infos(app: App) -> list[dict[str, Any]]:
    """The scripts of both tabs that make a part of the page, with their arguments; as in A1111 one whose ``ui`` gives None is in no such list.

    The first call makes the controls where no page has.
    """
    host = app.scripts.host
    if not isinstance(host, ScriptHost):
        return []
    return [
        {
            "name": title_of(script).lower(), "is_alwayson": script.alwayson, "is_img2img": script.is_img2img,
            "args": [described(control) for control in script.controls or ()],
        }
        for runner in (host.with_ui(host.txt2img), host.with_ui(host.img2img))
        for script in (*runner.selectable_scripts, *runner.alwayson_scripts)
        if script.has_ui
    ]
