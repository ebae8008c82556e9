"""The house. A1111's module names live in ``facade/``; putting it on the package path lets ``modules.shared`` and friends import."""
from importlib import import_module
from pathlib import Path
from types import ModuleType

__path__.insert(0, str(Path(__file__).parent / "facade"))      # first: A1111's own files lie in modules/ where this program was unpacked over it


def __getattr__(name: str) -> ModuleType:
    """``modules.shared_items`` after ``import modules`` alone: in A1111 all of them are loaded by the time extensions are."""
    folder = Path(__path__[0])
    if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file():
        return import_module(f"modules.{name}")
    raise AttributeError(f"module 'modules' has no attribute {name!r}")
