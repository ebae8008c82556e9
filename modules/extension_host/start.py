"""The first look at the extensions of a start, before anything of theirs runs."""
from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from modules.extension_host.crashes import StartDiary
from modules.extension_host.discover import (
    LOOSE,
    LOOSE_PAGE,
    SHIPPED,
    Extension,
    Switches,
    find_extensions,
    loose_folders,
    namesakes,
    read_switches,
)
from modules.extension_host.host import ExtensionHost
from modules.files.atomic import write_json
from modules.files.json_object import Damaged, read_object
from modules.files.storage import StorageError
from modules.schema.flag_table import SCRIPT_PATH
from modules.schema.flags import Flags

log = logging.getLogger(__name__)


def host_for(flags: Flags) -> ExtensionHost:
    """The extensions below these flags' data folder. One that ended two starts in a row is switched off here, and said in ``notices``."""
    host = ExtensionHost()
    settings = Path(flags.ui_settings_file)
    diary = StartDiary(Path(flags.data_dir) / "cache" / "extension_start.json")
    for name in diary.to_switch_off():
        _switch_off(settings, name)
        what = f"folder {name} was" if name in (LOOSE, LOOSE_PAGE) else f"extension {name} was"
        host.notices.append(f"The {what} switched off: the program ended twice in a row while it was loading. "
                            "Look for an update of it; switch it on again on the Extensions tab.")
    switches = _switches(flags)
    folder = Path(flags.data_dir) / "extensions"
    users = find_extensions(folder, switches)
    shipped = [each for each in find_extensions(SHIPPED, switches) if each.is_builtin]
    names = {each.name for each in users}
    places = [Path(SCRIPT_PATH), Path(flags.data_dir)]
    host.find_loose = lambda: tuple(one for name in (LOOSE, LOOSE_PAGE) for one in loose_folders(places, switches, name))
    host.find_newcomers = lambda: _newcomers(host, folder, flags)
    loose = host.find_loose()
    host.take([*(each for each in shipped if each.name not in names), *users], loose)
    _tell_of_doubles(host, folder)
    _tell_of_installs(host, [*host.enabled, *{each.name: each for each in loose}.values()], Path(flags.data_dir))
    host.watched_by(diary)
    return host


def _tell_of_doubles(host: ExtensionHost, folder: Path) -> None:
    for path, name in namesakes(folder).items():
        host.facts_of(name).notes.append(f"{path} is left out: the program has an extension of this name, which does its work.")
    for each in host.extensions:
        if each.twin:
            log.warning("The extension %s is left out: %s has the same name, %s. Remove one of the two.", each.name, each.twin, each.canonical_name)
    for each in host.enabled:
        if each.problem:
            host.troubles.note(each.canonical_name, "metadata.ini", each.problem)


def _tell_of_installs(host: ExtensionHost, running: Sequence[Extension], data_dir: Path) -> None:
    notes = _install_notes(data_dir)
    for each in running:
        for kind, _, sentence in (text.partition(" ") for text in notes.get(each.name, ())):
            if kind == "problem":
                host.troubles.note(each.canonical_name, "packages", sentence)
            else:
                host.facts_of(each.canonical_name).notes.append(sentence)


def _switches(flags: Flags) -> Switches:
    return read_switches(Path(flags.ui_settings_file), disable_all=flags.disable_all_extensions, disable_extra=flags.disable_extra_extensions)


def _newcomers(host: ExtensionHost, folder: Path, flags: Flags) -> tuple[Extension, ...]:
    """Extensions that came since the start and can join a running server: what has an installer, or flags of its own, waits for the next start."""
    paths, names = {each.path for each in host.extensions}, {each.canonical_name for each in host.enabled}
    found = (each for each in find_extensions(folder, _switches(flags)) if each.is_enabled and each.path not in paths and each.canonical_name not in names)
    return tuple(each for each in found if not any((each.path / name).exists() for name in ("install.py", "requirements.txt", "preload.py")))


def _install_notes(data_dir: Path) -> dict[str, list[str]]:
    """What launch.py wrote about extensions' installers, by folder name: packages that could not be had, or would have changed the program's own."""
    try:
        found = json.loads((data_dir / "cache" / "launch" / "install_notes.json").read_text(encoding="utf-8"))
        return {str(name): [str(each) for each in sentences] for name, sentences in found.items() if isinstance(sentences, list)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _switch_off(settings: Path, name: str) -> None:
    try:
        found = read_object(settings)
        names = found.get("disabled_extensions")
        found["disabled_extensions"] = sorted({*(names if isinstance(names, list) else ()), name})
        write_json(settings, found, backup=True)
    except (Damaged, StorageError):
        return  # the settings store says what is wrong with the file
