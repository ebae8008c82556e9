"""What to say of a module that a stranger's file asks for and that is not found: whose it is, and where it could come from."""
from __future__ import annotations

import re
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
    if top == "repositories":
        return f"it asks for {name}, a folder of other people's code that A1111 once had and A1111 1.10.1 and this program have not; look for another version of it"
    if top == "extensions" and rest:
        return (f"it asks for files of the extension {rest.split('.')[0]!r} by their folder. That extension has to be there, switched on, and in the folder extensions"
                f" beside launch.py, under this very name")  # fmt: skip
    own = _own_file(top, Path(file)) if file else None
    if own is not None:
        return (f"it looks for its own file {own} where that does not lie. Extensions that look by a folder's name have to stand in the folder extensions"
                f" beside launch.py, under the name that their author gave them")  # fmt: skip
    if rest and top in sys.modules:
        version = getattr(sys.modules[top], "__version__", "")
        here = f"and of {top!r} only a part is here, in place of the package itself" if version == STAND_IN else f"which the installed {top}{f' {version}' if version else ''} does not have"
        return f"it needs the module {name!r}, {here}; by hand: pip install, in the web UI's own environment, a version of {top!r} that has it"
    line = _required(top, Path(file)) if file else ""
    if line:
        in_quotes = '"' + line.replace('"', "'") + '"'      # for Windows' shell "'a>=1'" is no quote, and what follows ">" a file to be written
        return (f"it needs the Python module {top!r}, which is not installed. Its requirements.txt asks for it, but it has no install.py, by which a start would bring"
                f" it; by hand: pip install {in_quotes}, in the web UI's own environment")  # fmt: skip
    return (f"it needs the Python module {top!r}, which is not installed. A start without --skip-install brings what its install.py asks for and what A1111 has;"
            f" by hand: pip install, in the web UI's own environment, the package that has {top!r}")  # fmt: skip


def _home(file: Path) -> Path | None:
    """The folder of the extension that ``file`` belongs to."""
    return next((each for each in file.parents if each.parent.name == "extensions"), None)


def _required(top: str, file: Path) -> str:
    """The line of that name in the requirements.txt of an extension that has no install.py; "" where there is none."""
    home = _home(file)
    if home is None or (home / "install.py").exists():
        return ""
    try:
        lines = (home / "requirements.txt").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    wanted = (line.partition("#")[0].strip() for line in lines)
    return next((line for line in wanted if re.split(r"[^\w.-]", line)[0].lower().replace("-", "_") == top.lower()), "")


def _own_file(top: str, file: Path) -> str | None:
    """The file or folder of that name in the extension that ``file`` belongs to, seen from the extension's folder."""
    home = _home(file)
    if home is None:
        return None
    for _, found in zip(range(LISTED), home.rglob("*"), strict=False):
        if (found.name == f"{top}.py" and found.is_file()) or (found.name == top and (found / "__init__.py").is_file()):
            return found.relative_to(home).as_posix()
    return None
