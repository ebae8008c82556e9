"""Scripts' arguments: from the API's form to the flat list and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules.a1111.argument_kinds import fitting
from modules.a1111.script import Script
from modules.a1111.script_controls import title_of
from modules.a1111.script_files import is_built_in
from modules.a1111.script_runner import ScriptRunner
from modules.application.script_door import WITHOUT_ARGUMENTS
from modules.schema.errors import InvalidValue
from modules.schema.params_sampling import Scripting


def check_scripts(runner: ScriptRunner, asked: Scripting) -> None:
    """Raises InvalidValue for a script that is not there, or not of the kind it is asked for as."""
    if asked.script_name and selectable(runner, asked.script_name) is None:
        raise InvalidValue(f"Script {asked.script_name[:80]!r} not found.", f"There are: {', '.join(map(repr, runner.titles))}.", field="script_name")
    for name, given in asked.alwayson_scripts.items():
        script = runner.script(name)
        if script is None and name.lower() in WITHOUT_ARGUMENTS:
            continue
        if script is None:
            raise InvalidValue(f"Script {name[:80]!r} not found", field="alwayson_scripts")
        if not script.alwayson:
            raise InvalidValue("Cannot have a selectable script in the always on scripts params", field="alwayson_scripts")
        _args_in(name, given)


def flat_arguments(runner: ScriptRunner, asked: Scripting) -> list[Any]:
    """The flat list of ``runner`` for what was asked; what was not sent has the page's default. Raises InvalidValue."""
    check_scripts(runner, asked)
    args = runner.default_args()
    if asked.script_name:
        script = selectable(runner, asked.script_name)
        assert script is not None
        args[0] = runner.selectable_scripts.index(script) + 1
        _fill(args, script, asked.script_args)
    for name, given in asked.alwayson_scripts.items():
        script = runner.script(name)
        if script is not None:
            _fill(args, script, _args_in(name, given))
    return args


def scripting_of(runner: ScriptRunner, args: Sequence[Any], *, with_page: bool = False) -> dict[str, Any]:
    """The other way: a page's flat list in the API's form. Only always-on scripts with controls are named.

    with_page: those too whose controls are fields of the page and whose work the engine does.
    """
    chosen = runner.selected(args)
    always = {
        _key(runner, script): {"args": list(args[script.args_from : script.args_to])}
        for script in runner.alwayson_scripts if script.controls and (not script.page_has_it or (with_page and script.in_request))
    }  # fmt: skip
    return {
        "script_name": title_of(chosen) if chosen else None,
        "script_args": list(args[chosen.args_from : chosen.args_to]) if chosen else [],
        "alwayson_scripts": always,
    }


def page_values(runner: ScriptRunner, args: Sequence[Any]) -> dict[str, Any]:
    """Values by API name from the arguments of scripts whose controls are the page's own fields: sampler, seed, refiner."""
    found: dict[str, Any] = {}
    for script in runner.alwayson_scripts:
        names = getattr(script, "fields", ())
        if script.page_has_it and names and script.args_from is not None:
            given = dict(zip(names, args[script.args_from : script.args_to]))
            if given.get("Refiner", True):      # its switch
                found |= {name: value for name, value in given.items() if name not in ("Refiner", "Extra")}
    return found


def request_part(runner: ScriptRunner | None, args: Sequence[Any]) -> dict[str, Any]:
    """Arguments of scripts whose work the engine itself does, under the names by which requests hold them."""
    always = () if runner is None else runner.alwayson_scripts
    return {
        script.in_request: {"args": list(args[script.args_from : script.args_to])}
        for script in always if script.in_request and script.args_from is not None
    }  # fmt: skip


def _key(runner: ScriptRunner, script: Script) -> str:
    return next((title for title, other in runner.title_map.items() if other is script), title_of(script).lower())


def selectable(runner: ScriptRunner, name: str) -> Script | None:
    return next((script for script in runner.selectable_scripts if title_of(script).lower() == name.lower()), None)


def _args_in(name: str, given: Any) -> Sequence[Any]:
    if given is None or given == []:    # PHP writes an empty object so
        return ()
    args = given.get("args", ()) if isinstance(given, Mapping) else None
    if not isinstance(args, list | tuple):
        raise InvalidValue(f"The arguments of the script {name[:80]!r} are not a list.", 'Send {"args": [...]}.', field="alwayson_scripts")
    return args


def _fill(args: list[Any], script: Script, values: Sequence[Any]) -> None:
    first, end = script.args_from or 0, script.args_to or 0
    ours = is_built_in(script.filename) and not script.alwayson
    for place, value, control in zip(range(first, end), values, script.controls or ()):
        args[place] = fitting(control, value) if ours else value
