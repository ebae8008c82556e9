"""Loads script files the way A1111 does: each by its path, as a module that bears the file's name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BUILT_IN = Path(__file__).resolve().parents[1] / "builtin_scripts"
LAST = ("soft_inpainting", "parts_of_page")     # as A1111 lists them


def load_module(path: Path) -> ModuleType:
    """Execute the file. Its ``__name__`` is "xyz_grid.py": extensions look for modules by that. Raises what the file raises."""
    spec = importlib.util.spec_from_file_location(path.name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.name, module)       # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def built_in_module(fullname: str) -> ModuleType | None:
    """The built-in script that an extension calls "scripts.xyz_grid", as in a program whose scripts lie in the folder ``scripts``."""
    package, _, stem = fullname.partition(".")
    path = BUILT_IN / f"{stem}.py"
    if package != "scripts" or not stem.isidentifier() or stem.startswith("_") or not path.is_file():
        return None
    return sys.modules.get(path.name) or load_module(path)


def is_built_in(filename: str | None) -> bool:
    """Whether a script's file came with the program."""
    return filename is not None and Path(filename).resolve().parent == BUILT_IN


def built_in_files() -> list[Path]:
    """Our own scripts, in the order of the Script list."""
    files = [each for each in BUILT_IN.glob("*.py") if not each.name.startswith("_")]
    return sorted(files, key=lambda each: (LAST.index(each.stem) + 1 if each.stem in LAST else 0, each.name))
