"""Library files whose networks need nothing of the packages that they import: those are stood in for while the file is imported."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modules.a1111.control_units import ControlRefused

_ALIAS = "controlnet_aux_networks"                  # its package under a name of ours: its own start-up imports all that it can do, and torchvision with it
Names = Mapping[str, Mapping[str, Any]]             # module -> name -> what stands in for it


def network_class(module: str, name: str) -> Any:
    """A class of controlnet_aux's ``module``. Raises ControlRefused where the package is not installed."""
    package, _, last = module.rpartition(".")
    return getattr(importlib.import_module(f"{network_package(package)}.{last}"), name)


def network_package(dotted: str) -> str:
    """The name under which a package of controlnet_aux is imported without its start-up. Raises ControlRefused where controlnet_aux is not installed."""
    path, found = folder_of("controlnet_aux"), _ALIAS
    for part in ("", *(dotted.split(".") if dotted else ())):
        path, found = (path / part, f"{found}.{part}") if part else (path, found)
        if found not in sys.modules:
            package = types.ModuleType(found)
            package.__path__ = [str(path)]
            sys.modules[found] = package
    return found


def folder_of(package: str) -> Path:
    """Where a package lies; it is not imported. Raises ControlRefused where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ControlRefused(f"This preprocessor needs the package {package}, which is not installed.", "Start once with launch.py, which installs it.", field="module")
    return Path(spec.origin).parent


def file_as_module(path: Path, name: str) -> Any:
    """A file of a package, imported by itself under the name ``name``."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ControlRefused(f"This preprocessor needs the file {path.name} of an installed package, which is not there.", "Start once with launch.py.", field="module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@contextlib.contextmanager
def standing_in(names: Names) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in names}
    for name, values in names.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(values)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
