"""Which extension folders there are, which are switched on, and in what order they load. Nothing of theirs is run."""
from __future__ import annotations

import configparser
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modules.extension_host.registry import OrderWish
from modules.files.json_object import Damaged, read_object
from modules.files.names import is_text, shown
from modules.schema.flag_table import SCRIPT_PATH

log = logging.getLogger(__name__)
LOOSE, LOOSE_PAGE = "scripts", "javascript"
"""The folders for single files that belong to no extension, in Python and for the page; by these names the files are spoken of and switched off."""
BUILTIN = frozenset({"sd-webui-controlnet", "tag-autocomplete", "wildcards"})
"""Extensions that ship with the program; ``--disable-extra-extensions`` leaves these on."""
SHIPPED = Path(SCRIPT_PATH) / "extensions"
_ARCHIVE = re.compile(r"(-(main|master|v?\d+(\.\d+)*|[0-9a-f]{7,40}))?")


@dataclass(frozen=True, kw_only=True)
class FileOrder:
    """What metadata.ini asks for files of a folder: extensions that must be there, scripts or extensions to come before or after."""

    requires: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extension:
    """``canonical_name``: how metadata.ini calls it, else the folder's name, in lower case. ``requires``: canonical names.

    file_order: by path inside the folder ("scripts/a.py"); "scripts" stands for all in that one. problem: what is wrong with its metadata.ini.
    twin: the folder of another that has its canonical name and is loaded in its place.
    """

    name: str
    path: Path
    is_builtin: bool
    is_enabled: bool
    canonical_name: str
    requires: frozenset[str]
    callback_order: tuple[OrderWish, ...] = ()
    file_order: Mapping[str, FileOrder] = field(default_factory=dict)
    problem: str = ""
    twin: str = ""


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What the settings and flags switch off. ``all_of``: "none", "extra" (all that did not ship with the program) or "all"."""

    disabled_names: frozenset[str] = frozenset()
    all_of: str = "none"

    def allows(self, name: str) -> bool:
        if self.all_of == "all" or name in self.disabled_names:
            return False
        return self.all_of != "extra" or name in BUILTIN


def read_switches(settings_file: Path, *, disable_all: bool = False, disable_extra: bool = False) -> Switches:
    """The switches of config.json, and of --disable-all-extensions and --disable-extra-extensions; flags win.

    A settings file that is missing or broken switches nothing off: the settings store says what is wrong with it.
    """
    try:
        settings = read_object(settings_file)
    except Damaged:
        settings = {}
    names = settings.get("disabled_extensions")
    asked = settings.get("disable_all_extensions")
    return Switches(
        disabled_names=frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset(),
        all_of="all" if disable_all or asked == "all" else "extra" if disable_extra or asked == "extra" else "none",
    )


def find_extensions(folder: Path, switches: Switches) -> tuple[Extension, ...]:
    """All extensions below ``folder``, those that ship first, then by name. None are files, folders that are hidden, closed to us or without a name in text, and namesakes."""
    theirs = namesakes(folder)
    try:
        candidates = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")) and path not in theirs and _is_usable(path)]
    except OSError:
        return ()
    candidates.sort(key=lambda path: (path.name not in BUILTIN, path.name.casefold()))
    return _without_twins([_described(path, switches) for path in candidates])


def _without_twins(found: Sequence[Extension]) -> tuple[Extension, ...]:
    """Of those that have one canonical name, a copy that was installed twice mostly, the first that is switched on is loaded."""
    first: dict[str, Extension] = {}
    for each in found:
        if each.is_enabled:
            first.setdefault(each.canonical_name, each)
    return tuple(replace(each, is_enabled=False, twin=other.name) if each.is_enabled and (other := first[each.canonical_name]) is not each else each for each in found)


def namesakes(folder: Path) -> dict[Path, str]:
    """Folders of a data folder that are called as what ships, or as GitHub calls an archive of it, with that name: A1111's ControlNet, say, which reaches into code
    that is not here. What ships does their work."""
    if os.path.realpath(folder) == os.path.realpath(SHIPPED):
        return {}
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return {}
    shipped = [name for name in sorted(BUILTIN) if (SHIPPED / name).is_dir()]
    return {path: name for path in paths for name in shipped if is_called(path.name, name) and path.is_dir()}


def is_called(found: str, name: str) -> bool:
    """``found`` is ``name``, or has the branch, version or commit of an archive behind it ("-main", "-1.1.455")."""
    return found.startswith(name) and _ARCHIVE.fullmatch(found.removeprefix(name)) is not None


def loose_folders(folders: Iterable[Path], switches: Switches, name: str = LOOSE) -> tuple[Extension, ...]:
    """The folder ``name`` of each of these, if there is one: single files that belong to no extension. A1111's switches for extensions leave them on."""
    homes = [home for each in dict.fromkeys(map(Path.absolute, folders)) if (home := each / name).is_dir() and _is_usable(home)]
    is_enabled = name not in switches.disabled_names
    return tuple(Extension(name=name, path=home, is_builtin=False, is_enabled=is_enabled, canonical_name=name, requires=frozenset()) for home in homes)


def _is_usable(path: Path) -> bool:
    if not is_text(path.name):
        log.warning("The extension %s is left out: its name is not UTF-8, so that no page can show it. Rename it.", shown(str(path)))
        return False
    if not os.access(path, os.R_OK | os.X_OK):
        log.warning("The extension %s is left out: its folder may not be read. Give this user the right to, or take it away.", path)
        return False
    return True


def enabled_folders(folder: Path, switches: Switches) -> tuple[Path, ...]:
    """The folders of the extensions that are switched on, in load order."""
    return tuple(extension.path for extension in find_extensions(folder, switches) if extension.is_enabled)


def _described(path: Path, switches: Switches) -> Extension:
    parser, problem = _read_metadata(path / "metadata.ini")
    section = parser["Extension"] if parser.has_section("Extension") else {}
    canonical = (str(section.get("Name", "")) or path.name).strip().lower()
    order = {
        name.lower(): FileOrder(**{each: _names(parser.get(name, each, fallback="")) for each in ("requires", "before", "after")})
        for name in parser.sections()
        if name.lower() != "extension" and not name.lower().startswith("callbacks/")
    }
    wishes = tuple(
        OrderWish(name=name[len("callbacks/") :], before=_names(parser.get(name, "before", fallback="")), after=_names(parser.get(name, "after", fallback="")))
        for name in parser.sections()
        if name.startswith("callbacks/") and name[len("callbacks/") :].lower().startswith(canonical)
    )  # fmt: skip
    return Extension(
        name=path.name,
        path=path,
        is_builtin=path.name in BUILTIN,
        is_enabled=switches.allows(path.name),
        canonical_name=canonical,
        requires=frozenset(_names(str(section.get("Requires", "")))),
        callback_order=wishes,
        file_order=order,
        problem=problem,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in text.replace(",", " ").split())


def _read_metadata(path: Path) -> tuple[configparser.ConfigParser, str]:
    """The file, empty when it is not there or cannot be read, and what is wrong with it."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8-sig")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        return configparser.ConfigParser(interpolation=None), f"metadata.ini cannot be read: {str(error).splitlines()[0]}"
    return parser, ""
