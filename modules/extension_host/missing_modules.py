"""What to say of a module that a stranger's file asks for and that is not found: whose it is, and where it could come from."""
from __future__ import annotations

import sys
import traceback
from pathlib import Path

STAND_IN = "0.0.0"  # the version that a1111/torchvision_names.py bears
LISTED = 2000  # files of an extension looked through for a module of its own


def importing_file(error: BaseException) -> str:
    """The file whose import failed; empty where that is not known."""
    files = (frame.filename for frame in reversed(traceback.extract_tb(error.__traceback__)))
    return next((each for each in files if not each.startswith("<frozen")), "")


def missing_module(name: str, file: str = "") -> str:
    """name: as it was asked for. file: which asked for it."""
    top, _, rest = name.partition(".")
    if top == "modules":
        return f"it asks for {name}, which neither A1111 1.10.1 nor this program has; look for another version of it"
    if top == "scripts" and rest:
        return f"it needs the script {rest.split('.')[0]!r} of another extension, which is not installed, is switched off or failed itself; its own manual says which"
    own = _own_file(top, Path(file)) if file else None
    if own is not None:
        return (f"it looks for its own file {own} where that does not lie. Extensions that look by a folder's name have to stand in the folder extensions"
                f" beside launch.py, under the name that their author gave them")  # fmt: skip
    if rest and top in sys.modules:
        version = getattr(sys.modules[top], "__version__", "")
        here = f"and of {top!r} only a part is here, in place of the package itself" if version == STAND_IN else f"which the installed {top}{f' {version}' if version else ''} does not have"
        return f"it needs the module {name!r}, {here}; by hand: pip install, in the web UI's own environment, a version of {top!r} that has it"
    return (f"it needs the Python module {top!r}, which is not installed. A start without --skip-install brings what its install.py asks for and what A1111 has;"
            f" by hand: pip install, in the web UI's own environment, the package that has {top!r}")  # fmt: skip


def _own_file(top: str, file: Path) -> str | None:
    """The file or folder of that name in the extension that ``file`` belongs to, seen from the extension's folder."""
    home = next((each for each in file.parents if each.parent.name == "extensions"), None)
    if home is None:
        return None
    for _, found in zip(range(LISTED), home.rglob("*"), strict=False):
        if (found.name == f"{top}.py" and found.is_file()) or (found.name == top and (found / "__init__.py").is_file()):
            return found.relative_to(home).as_posix()
    return None
