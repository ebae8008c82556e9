"""An extension's ScriptPostprocessing on the Extras tab: its controls are there, and it works among our own operations."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import gradio as gr
import pytest
from PIL import Image

from modules.a1111.postprocessing_scripts import install_postprocessing
from modules.application.app import App
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.extras_tab import IMAGE, build_extras_tab
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.ui_config import UiConfig

EXTENSION = '''
import gradio as gr
from PIL import ImageOps
from modules import scripts_postprocessing

class Upside(scripts_postprocessing.ScriptPostprocessing):
    name = "Upside down"
    order = {order}

    def ui(self):
        on = gr.Checkbox(False, label="Turn upside down", elem_id="upside_on")
        share = gr.Slider(0, 1, 0.5, label="How much", elem_id="upside_share")
        return {{"enabled": on, "share": share}}

    def process(self, pp: scripts_postprocessing.PostprocessedImage, enabled, share):
        if not enabled:
            return
        if share > 0.9:
            raise RuntimeError("too much")
        pp.image = ImageOps.flip(pp.image)
        pp.info["Upside"] = share
        pp.info["Seen at"] = f"{{pp.image.width}}x{{pp.image.height}}"
        pp.extra_images = [pp.create_copy(ImageOps.mirror(pp.image), nametags=["mirrored"])]
        pp.caption = "upside down"

class Broken(scripts_postprocessing.ScriptPostprocessing):
    name = "Broken"

    def ui(self):
        raise ValueError("no controls")
'''


def extended(app: App, order: int) -> App:
    """``app`` with the extension's module loaded."""
    module = ModuleType("upside.py")
    exec(compile(EXTENSION.format(order=order), "upside.py", "exec"), vars(module))
    for each in vars(module).values():
        if isinstance(each, type):
            each.__module__ = module.__name__
    install_postprocessing(app).register(module, "upside.py")
    return app


@pytest.mark.parametrize(("order", "seen"), [(500, "20x12"), (1500, "80x48")])
def test_it_works_at_its_place_among_our_operations(
    make_app: Callable[..., App], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: int, seen: str,
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    source = tmp_path / "uploads" / "one.png"
    Image.linear_gradient("L").resize((20, 12)).convert("RGB").save(source)
    app = extended(make_app(), order)
    files = ShownFiles((app.paths.outputs_dir,))
    with gr.Blocks() as blocks:
        tab = build_extras_tab(app, ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), files)
    ids = [each.elem_id for each in blocks.blocks.values() if each.elem_id]
    assert "upside_on" in ids and "upside_share" in ids
    added = {field.name: field for field in tab.form.fields if field.name.startswith("postprocessing")}
    assert len(added) == 2

    def run(share: float) -> object:
        changed = {IMAGE: json.dumps({"picture": str(source)}), "upscaler_1": "Nearest", "postprocessing Upside down enabled": True,
                   "postprocessing Upside down share": share}
        values = [changed.get(each.name, getattr(each.component, "value", None)) for each in tab.form.fields]
        answer, _ = tab.submitter.submit(f"job {share}", *values)
        assert json.loads(answer)["error"] == ""
        job = app.jobs.find(f"job {share}")
        assert job is not None
        return app.jobs.wait(job, 30).result

    result = run(0.5)
    first, second = result.shown  # type: ignore[attr-defined]
    assert f"Upside: 0.5, Seen at: {seen}" in first.infotext
    assert first.path.name == "00000.png" and second.path.name == "00001-mirrored.png"
    assert first.path.with_suffix(".txt").read_text("utf-8") == "upside down"
    assert first.picture.getpixel((0, 0)) > first.picture.getpixel((0, 47))
    failed = run(1.0)
    assert len(failed.shown) == 1 and "too much" in failed.comments[0]  # type: ignore[attr-defined]

