"""A server without a page does without Gradio (2 s, 100 MB): extensions' ``import gradio`` gives an empty module that is loaded when something is asked of it."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from modules.extension_host.then_loader import ThenLoader

NAME = "gradio"


def _teach(_: ModuleType) -> None:
    from modules.gradio_ui import gradio3_words

    gradio3_words.install()


class LateGradio(MetaPathFinder):
    """Finds gradio, and nothing else."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(ThenLoader(spec.loader, _teach))  # as soon as it is loaded, it knows Gradio 3's words
        return spec


def put_off() -> None:
    """From now on Gradio is loaded when it is used, not when it is imported. Where it is loaded already, its old words are taught at once."""
    if NAME in sys.modules:
        from modules.gradio_ui import foreign_breakage, gradio3_words

        gradio3_words.install()
        foreign_breakage.remember_originals()
    elif not any(isinstance(each, LateGradio) for each in sys.meta_path):
        sys.meta_path.insert(0, LateGradio())
