"""Loopback and Prompt matrix make A1111's own pictures."""
from __future__ import annotations

from pathlib import Path

import gradio
import pytest
import torch

from modules.a1111.script_host import install_scripts
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.schema.flags import parse_flags
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.golden.cases import case, data_dir
from tests.golden.stages import psnr

EACH = 50.0                     # dB


@pytest.mark.golden
@pytest.mark.parametrize(("name", "kind"), [("script-loopback", Img2ImgRequest), ("script-prompt-matrix", Txt2ImgRequest)])
def test_a_script_makes_a1111s_pictures(name: str, kind: type[Txt2ImgRequest] | type[Img2ImgRequest], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    stored = case(name)
    app = build_app(parse_flags(["--data-dir", str(tmp_path), "--models-dir", str(data_dir() / "models")], {}).flags)
    try:
        install_scripts(app, gradio.Blocks)
        outcome = generate_blocking(app, kind.from_flat(dict(stored.request)))
    finally:
        app.close()
    ours, theirs = [image.picture for image in outcome.shown], [image.convert("RGB") for image in stored.images()]
    assert [len(ours), *(each.size[0] for each in ours)] == [len(theirs), *(each.size[0] for each in theirs)]
    if name == "script-prompt-matrix":
        # A1111 writes the words in Roboto, which it ships; ours come in the font that comes with Pillow: they stand left of and above
        # the pictures, whose own place, counted from the lower right corner, is the same
        width, height = 2 * theirs[1].width, 2 * theirs[1].height
        ours[0], theirs[0] = (each.crop((each.width - width, each.height - height, each.width, each.height)) for each in (ours[0], theirs[0]))
    assert min(psnr(one, other) for one, other in zip(ours, theirs)) >= EACH
