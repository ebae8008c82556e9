"""A1111's ``extensions``: what is installed, by its names."""
from __future__ import annotations

import configparser
import logging
import os
import subprocess
from collections import namedtuple
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.places import NAMES
from modules.a1111.stubs import UNKNOWN
from modules.extension_host.discover import Extension as Installed

log = logging.getLogger(__name__)
ScriptFile = namedtuple("ScriptFile", ["basedir", "filename", "path"])


class ExtensionMetadata:
    """What metadata.ini says."""

    filename = "metadata.ini"

    def __init__(self, path: str, canonical_name: str) -> None:
        self.config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            self.config.read(os.path.join(path, self.filename), encoding="utf-8-sig")
        except (configparser.Error, OSError, UnicodeDecodeError):
            log.warning("the metadata.ini of %s cannot be read", canonical_name)
        self.canonical_name = canonical_name
        self.requires: list[str] = []

    def get_script_requirements(self, field: str, section: str, extra_section: str | None = None) -> list[str]:
        texts = [self.config.get(each, field, fallback="") for each in (section, extra_section) if each]
        return self.parse_list(", ".join(texts))

    def parse_list(self, text: str | None) -> list[str]:
        return [word.lower() for word in (text or "").replace(",", " ").split()]


class Extension:
    """One installed extension."""

    def __init__(self, name: str, path: str, enabled: bool = True, is_builtin: bool = False, metadata: Any = None) -> None:
        self.name = name
        self.path = path
        self.enabled = enabled
        self.status = ""
        self.can_update = False
        self.is_builtin = is_builtin
        self.commit_hash = ""
        self.commit_date: Any = None
        self.version = ""
        self.branch: str | None = None
        self.remote: str | None = None
        self.have_info_from_repo = False
        self.metadata = metadata if metadata is not None else ExtensionMetadata(path, name.lower())
        self.canonical_name = self.metadata.canonical_name

    def read_info_from_repo(self) -> None:
        """Fill in branch, commit and remote, where it is a git repository."""
        if self.have_info_from_repo:
            return
        self.have_info_from_repo = True
        if not os.path.exists(os.path.join(self.path, ".git")):
            return
        self.remote = _git(self.path, "config", "--get", "remote.origin.url")
        self.branch = _git(self.path, "rev-parse", "--abbrev-ref", "HEAD")
        self.commit_hash = _git(self.path, "rev-parse", "HEAD") or ""
        stamp = _git(self.path, "log", "-1", "--format=%ct")
        self.commit_date = int(stamp) if stamp and stamp.isdigit() else None
        self.version = self.commit_hash[:8]

    do_read_info_from_repo = read_info_from_repo

    def list_files(self, subdir: str, extension: str) -> list[Any]:
        folder = os.path.join(self.path, subdir)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = [ScriptFile(self.path, name, os.path.join(folder, name)) for name in names]
        return [each for each in found if os.path.splitext(each.path)[1].lower() == extension and os.path.isfile(each.path)]

    def to_dict(self) -> dict[str, Any]:
        return {each: getattr(self, each) for each in ("remote", "commit_date", "branch", "commit_hash", "version", "is_builtin", "enabled")}


def _git(folder: str, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _known(each: Installed) -> Extension:
    return Extension(each.name, str(each.path), each.is_enabled, each.is_builtin, ExtensionMetadata(str(each.path), each.canonical_name))


def list_extensions() -> None:
    """The list is read when the server starts."""


def active() -> list[Extension]:
    """The extensions that are switched on."""
    return [_known(each) for each in current().extensions.enabled]


def find_extension(filename: str) -> Extension | None:
    found = current().extensions.owning(filename)
    return _known(found) if found else None


def extension_value(name: str) -> Any:
    """Values of ``modules.extensions`` that are asked for anew."""
    if name == "extensions":
        return [_known(each) for each in current().extensions.extensions]
    if name == "loaded_extensions":
        return {each.canonical_name: _known(each) for each in current().extensions.extensions}
    if name == "extension_paths":
        return {str(each.path): _known(each) for each in current().extensions.extensions}
    if name in ("extensions_dir", "extensions_builtin_dir"):
        return NAMES[name]()
    return UNKNOWN


def preload_extensions(extensions_dir: str, parser: Any, extension_list: Any = None) -> None:
    """preload.py files were run before the flags were read."""


def files_with_name(filename: str) -> list[str]:
    """``filename`` in the program's folder and in each extension that has it."""
    folders = [Path(NAMES["script_path"]()), *(each.path for each in current().extensions.enabled)]
    return [str(folder / filename) for folder in folders if (folder / filename).is_file()]
