"""A server over the golden models with one script of an extension, nothing else put into it."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio

from modules.a1111 import app_slot
from modules.a1111.script_files import load_module
from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.build import build_app
from modules.schema.flags import parse_flags


@contextmanager
def app_with_script(flags: Sequence[str], script: Path) -> Iterator[App]:
    """``script`` lies in the ``scripts`` folder of its extension."""
    app = build_app(parse_flags([*flags, "--no-half"], {}).flags)
    with app_slot.occupied(app):
        host = install_scripts(app, gradio.Blocks)
        host.register(load_module(script), str(script), str(script.parents[1]))
        host.initialize()
        yield app
    app.close()
