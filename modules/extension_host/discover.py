"""Which extension folders there are, which are switched on, and in what order they load. Nothing of theirs is run."""
from __future__ import annotations

import configparser
import json
from dataclasses import dataclass
from pathlib import Path

BUILTIN = frozenset({"sd-webui-controlnet", "tag-autocomplete"})
"""Extensions that ship with the program; ``--disable-extra-extensions`` leaves these on."""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """``canonical_name``: how metadata.ini calls it, else the folder's name, in lower case. ``requires``: canonical names."""

    name: str
    path: Path
    is_builtin: bool
    is_enabled: bool
    canonical_name: str
    requires: frozenset[str]


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
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = {}
    settings = settings if isinstance(settings, dict) else {}
    names = settings.get("disabled_extensions")
    asked = settings.get("disable_all_extensions")
    return Switches(
        disabled_names=frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset(),
        all_of="all" if disable_all or asked == "all" else "extra" if disable_extra or asked == "extra" else "none",
    )


def find_extensions(folder: Path, switches: Switches) -> tuple[Extension, ...]:
    """All extensions below ``folder``, those that ship first, then by name. Hidden folders and files are none."""
    try:
        candidates = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    except OSError:
        return ()
    candidates.sort(key=lambda path: (path.name not in BUILTIN, path.name.casefold()))
    return tuple(_described(path, switches) for path in candidates)


def enabled_folders(folder: Path, switches: Switches) -> tuple[Path, ...]:
    """The folders of the extensions that are switched on, in load order."""
    return tuple(extension.path for extension in find_extensions(folder, switches) if extension.is_enabled)


def _described(path: Path, switches: Switches) -> Extension:
    name, requires = _read_metadata(path / "metadata.ini")
    return Extension(
        name=path.name,
        path=path,
        is_builtin=path.name in BUILTIN,
        is_enabled=switches.allows(path.name),
        canonical_name=(name or path.name).strip().lower(),
        requires=requires,
    )


def _read_metadata(path: Path) -> tuple[str, frozenset[str]]:
    """Name and requirements of the section [Extension]; a file that cannot be read counts as none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
        section = parser["Extension"] if parser.has_section("Extension") else {}
        required = str(section.get("requires", ""))
        return str(section.get("name", "")), frozenset(word.lower() for word in required.replace(",", " ").split())
    except (configparser.Error, OSError, UnicodeDecodeError):
        return "", frozenset()
