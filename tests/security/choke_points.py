"""What our own code may do in few places only: change the disk, open routes, run texts as code. Found on syntax trees, each with file and line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WRITING_NAMES = frozenset(
    """os.replace os.rename os.renames os.remove os.unlink os.rmdir os.removedirs os.mkdir os.makedirs os.link os.symlink os.open os.truncate os.chmod shutil.move shutil.copy shutil.copy2 shutil.copyfile
    shutil.copytree shutil.copyfileobj shutil.rmtree shutil.make_archive sqlite3.connect torch.save numpy.save np.save np.savez json.dump pickle.dump tempfile.NamedTemporaryFile tempfile.mkstemp tempfile.mkdtemp
    tempfile.TemporaryDirectory TemporaryDirectory NamedTemporaryFile zipfile.ZipFile ZipFile tarfile.open save_file""".split()  # noqa: SIM905
)
WRITING_METHODS = frozenset("write_text write_bytes mkdir touch unlink rename rmdir symlink_to hardlink_to extractall extract chmod".split())  # noqa: SIM905
ROUTE_METHODS = frozenset("add_api_route add_websocket_route add_api_websocket_route include_router mount mount_gradio_app add_middleware websocket_route".split())  # noqa: SIM905
ROUTE_DECORATORS = frozenset("get post put patch delete head options websocket route api_route middleware".split())  # noqa: SIM905
CODE_NAMES = frozenset("eval exec compile pickle.load pickle.loads pickle.Unpickler marshal.load marshal.loads yaml.load yaml.unsafe_load yaml.full_load os.system os.popen os.execv os.execve dill.load joblib.load shelve.open".split())  # noqa: SIM905
RISKY_JS = re.compile(r"\.(?:inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|\beval\(|new Function\(|srcdoc|setTimeout\(\s*[\"'`]|createContextualFragment|DOMParser")


@dataclass(frozen=True, order=True)
class Place:
    """kind: "writes", "routes", "code" or "html"."""

    kind: str
    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what} ({self.kind})"


def places_in(files: Mapping[str, str]) -> list[Place]:
    """Every such place in Python sources (path -> text), beside modules/files/, which is there for writing."""
    found: list[Place] = []
    for path, source in files.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                found += [Place(kind, path, node.lineno, what) for kind, what in _of_call(node) if not (kind == "writes" and path.startswith("modules/files/"))]
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found += [Place("routes", path, each.lineno, f"@{ast.unparse(each)[:60]}") for each in node.decorator_list if _is_route(each)]
    return sorted(set(found))


def html_places_in(folder: Path) -> list[Place]:
    """Where our scripts of the page make HTML, or code, of a text."""
    return sorted(
        Place("html", path.name, number, line.strip()[:100]) for path in folder.glob("*.js") for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if RISKY_JS.search(line) and not line.strip().startswith(("//", "*", "/*"))
    )  # fmt: skip


def _of_call(node: ast.Call) -> Iterator[tuple[str, str]]:
    name = ast.unparse(node.func)
    last = name.rpartition(".")[2]
    given = {each.arg: each.value for each in node.keywords}
    if name in ("open", "io.open") or (last == "open" and name not in ("Image.open", "webbrowser.open", "os.open", "zipfile.open") and _mode(node, 0)):
        mode = _mode(node, 1 if name in ("open", "io.open") else 0)
        if set(mode) & set("wax+"):
            yield "writes", f"{name}(..., {mode!r})"
    elif name in WRITING_NAMES or (last in WRITING_METHODS and isinstance(node.func, ast.Attribute) and not (last == "extract" and not node.args)):
        is_reading = last == "ZipFile" and not set(_mode(node, 1)) & set("wax")
        if not is_reading:
            yield "writes", f"{name}(...)"
    if last in ROUTE_METHODS and isinstance(node.func, ast.Attribute):
        yield "routes", f"{name}(...)"
    if name in CODE_NAMES or (name == "torch.load" and ast.unparse(given.get("weights_only", ast.Constant(False))) != "True"):
        yield "code", f"{name}(...)"
    if "shell" in given and ast.unparse(given["shell"]) != "False":
        yield "code", f"{name}(shell=...)"


def _mode(node: ast.Call, place: int) -> str:
    value = next((each.value for each in node.keywords if each.arg == "mode"), node.args[place] if len(node.args) > place else None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) < 4 else ""


def _is_route(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute) or decorator.func.attr not in ROUTE_DECORATORS:
        return False
    return bool(decorator.args) and isinstance(decorator.args[0], ast.Constant) and str(decorator.args[0].value).startswith(("/", "http"))
