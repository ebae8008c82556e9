"""Scripts' files read again while the server runs: what their methods do is new, their controls on the page are the old ones."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from modules.a1111.script import Script
from modules.a1111.script_host import ScriptHost
from modules.a1111.script_runner import ScriptRunner
from modules.application.app import App
from modules.extension_host.load_scripts import ScriptFile, load_scripts

# what a script object has from the page, and from where it was found
_KEPT = ("filename", "args_from", "args_to", "alwayson", "is_txt2img", "is_img2img", "tabname", "group", "controls", "has_ui", "name", "infotext_fields", "paste_field_names", "api_info")


def reload_script_bodies(app: App) -> tuple[int, list[str]]:
    """(how many files were read again, sentences about those that could not be). A script whose file fails stays as it was."""
    host = app.scripts.host
    if not isinstance(host, ScriptHost):
        return 0, []
    modules: dict[str, ModuleType] = {}
    told: list[str] = []
    for path in dict.fromkeys(each.path for each in host.scripts_data):
        owner = app.extensions.owner_of(path)
        before = len(app.extensions.troubles.found)
        file = ScriptFile(basedir=_base(host, path), filename=Path(path).name, path=Path(path), owner=owner, name=f"{owner}/{Path(path).name}")
        known = _callbacks_of(app, path)
        with host.speaking():
            load_scripts(app.extensions, [file], lambda each, module, path=path: modules.update({path: module}))
        if path in modules:
            for each in known:                      # the file has registered its functions anew
                app.extensions.registry.remove_function(each)
        else:
            told += [f"{each.owner}, {each.place}: {each.sentence}" for each in app.extensions.troubles.found[before:]] or [f"{Path(path).name} could not be read again."]
    for runner in (host.txt2img, host.img2img):
        _renewed(runner, modules)
    host.renew(modules)
    return len(modules), told


def _base(host: ScriptHost, path: str) -> Path:
    return Path(next(each.basedir for each in host.scripts_data if each.path == path))


def _callbacks_of(app: App, path: str) -> list[Any]:
    return [each.callback for listed in app.extensions.registry.categories.values() for each in listed if each.file == path]


def _renewed(runner: ScriptRunner, modules: dict[str, ModuleType]) -> None:
    for old in list(runner.scripts):
        module = modules.get(old.filename or "")
        kind = getattr(module, type(old).__name__, None)
        if not (inspect.isclass(kind) and issubclass(kind, Script)):
            continue
        new = kind()
        for name in _KEPT:
            if name in vars(old) or getattr(old, name, None) is not getattr(new, name, None):
                setattr(new, name, getattr(old, name))
        for listed in (runner.scripts, runner.selectable_scripts, runner.alwayson_scripts):
            listed[:] = [new if each is old else each for each in listed]
        runner.title_map = {title: new if each is old else each for title, each in runner.title_map.items()}
    runner.callback_map.clear()
