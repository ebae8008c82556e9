"""Gradio's own files for the browser: kept by it for good, named in the page's <head> before its scripts ask for them, and its tree made faster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from gradio import routes
from starlette.types import Scope

from modules.gradio_ui.mended_gradio import NOT_NEEDED, mended
from modules.gradio_ui.static_files import TREE, KeptFiles, versioned

FRONTEND = Path(routes.__file__).with_name("templates") / "frontend" / "assets"
FRONTEND_URL = "assets"
_DEPENDENCIES = re.compile(r"m\.f=(\[[^\]]*\])")  # files that a script may ask for, by the numbers that stand beside its imports
_IMPORT = re.compile(r"import\(`\./([^`]+)`\)(?:\.then\([^)]*\))?,__vite__mapDeps\(\[([\d,]*)\]\)")


class GradioFiles(KeptFiles):
    """What stands below FRONTEND_URL: Gradio's files, its scripts with less work in them. Those have Gradio's addresses but are ours: browsers ask again."""

    def __init__(self) -> None:
        super().__init__(directory=FRONTEND)

    def is_versioned(self, path: str, scope: Scope) -> bool:
        return not path.endswith(".js") or _mended(path) is None

    def _text(self, path: str) -> bytes | None:
        found = super()._text(path)
        return (_mended(path) or found) if found is not None and path.endswith(".js") else found


@lru_cache(maxsize=1024)
def _mended(path: str) -> bytes | None:
    """A script with less work in it; None for one that stays as it is. path: of a file that lies below FRONTEND."""
    text = _text(FRONTEND / path)
    made = mended(text)
    return None if made == text else made.encode("utf-8")


def faster_tree() -> str:
    """A script before Gradio's own that lets its page find components by number; "" for a Gradio that has none of what it changes."""
    core = _core()
    if core is None:
        return ""
    return (
        f'<script type="module">import {{AppTree}} from "./{FRONTEND_URL}/{core.name}"; import {{findByNumber}} from "./{versioned(TREE)}";'
        " findByNumber(AppTree);</script>\n"
    )


def preloads(kinds: Iterable[str]) -> list[str]:
    """<link>s to what a page with these kinds of components will ask for, file after file, once Gradio runs. None for a Gradio that is built otherwise.

    kinds: names of components ("textbox").
    """
    return list(_preloads(frozenset(kinds)))


@lru_cache(maxsize=8)
def _preloads(kinds: frozenset[str]) -> tuple[str, ...]:
    core = _core()
    if core is None:
        return ()
    files = dict.fromkeys([core.name, *_of_the_page(), *_of_components(core, kinds)])
    return tuple(_link(name) for name in files if (FRONTEND / name).is_file() and not name.startswith(NOT_NEEDED))


def _link(name: str) -> str:
    if name.endswith(".css"):
        return f'<link rel="preload" as="style" crossorigin href="./{FRONTEND_URL}/{name}">'
    return f'<link rel="modulepreload" crossorigin href="./{FRONTEND_URL}/{name}">'


@lru_cache(maxsize=1)
def _core() -> Path | None:
    """The script with the tree of components. The names of Gradio's files change with their content."""
    for file in sorted(FRONTEND.glob("core-*.js")):
        text = _text(file)
        if " as AppTree" in text and "find_attached_events(" in text:
            return file
    return None


def _of_the_page() -> Iterator[str]:
    """Files of the page whatever it shows: what its first script imports, and what that imports to show components."""
    for first in FRONTEND.glob("index-*.js"):
        text = _text(first)
        if 'gradio-app' in text:
            yield first.name
            found = list(_imported(text, text))
            yield from found
            for name in found:
                if name.startswith("Index-") and name.endswith(".js"):
                    inner = _text(FRONTEND / name)
                    yield from _imported(inner, inner)


def _of_components(core: Path, kinds: frozenset[str]) -> Iterator[str]:
    text = _text(core)
    for kind in sorted(kinds):
        entry = re.search(rf"\b{re.escape(kind)}:\{{((?:base|component|example):[^{{}}]*)\}}", text)
        if entry:
            yield from _imported(re.sub(r",?\bexample:.*?(?=,(?:base|component):|$)", "", entry[1]), text)


def _imported(part: str, whole: str) -> Iterator[str]:
    """The files that the dynamic imports in ``part`` ask for; their list stands in ``whole``."""
    listed = _DEPENDENCIES.search(whole)
    names: list[str] = json.loads(listed[1]) if listed else []
    for name, numbers in _IMPORT.findall(part):
        yield name
        yield from (names[int(number)].removeprefix("./") for number in numbers.split(",") if number and int(number) < len(names))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
