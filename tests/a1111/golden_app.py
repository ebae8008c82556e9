"""A server over the golden models, and one script of an extension in it."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio
import torch

from modules.a1111 import app_slot
from modules.a1111.script_files import load_module
from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.build import build_app
from modules.schema.flags import parse_flags
from tests.golden.cases import data_dir


@contextmanager
def golden_app(data: Path, *flags: str) -> Iterator[App]:
    """A server in the slot, without scripts. flags: in the place of the golden folder of models."""
    torch.set_num_threads(1)
    models = flags or ("--models-dir", str(data_dir() / "models"))
    app = build_app(parse_flags(["--data-dir", str(data), *models, "--no-half"], {}).flags)
    with app_slot.occupied(app):
        yield app
    app.close()


def take_script(app: App, script: Path) -> None:
    """From here on there are scripts: ours and ``script``, which lies in the ``scripts`` folder of its extension."""
    host = install_scripts(app, gradio.Blocks)
    host.register(load_module(script), str(script), str(script.parents[1]))
    host.initialize()
