"""The page as Gradio 3 showed it to extensions, with the Generate buttons' clicks as A1111's page has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradio.blocks import Blocks
from gradio.components import Component
from gradio.context import Context, get_render_context, set_render_context

from modules.a1111 import tab_functions
from modules.a1111.queued_calls import wrap_gradio_gpu_call
from modules.a1111.script_host import ScriptHost
from modules.application.app import App
from modules.gradio_ui import img2img_pictures as pictures
from modules.gradio_ui.generation_tab import GenerationTab
from modules.gradio_ui.img2img_batch import SOURCE
from modules.gradio_ui.loadsave_view import LoadsaveView
from modules.gradio_ui.submit import JS_FUNCTIONS

FUNCTIONS = {
    "txt2img": (tab_functions.txt2img, tab_functions.txt2img_create_processing),
    "img2img": (tab_functions.img2img, tab_functions.img2img_create_processing),
}
_FIELDS: dict[str, str] = {  # argument of A1111's function -> field of our form, where the names differ
    "prompt_styles": "styles", "mode": pictures.MODE, "init_img": "img2img_image", "sketch": "img2img_sketch", "init_img_with_mask": "img2maskimg",
    "inpaint_color_sketch": "inpaint_sketch", "inpaint_color_sketch_orig": "inpaint_sketch_original", "init_img_inpaint": "img_inpaint_base",
    "init_mask_inpaint": "img_inpaint_mask", "mask_alpha": pictures.MASK_ALPHA, "selected_scale_tab": pictures.RESIZE_TAB, "scale_by": pictures.SCALE,
    "img2img_batch_source_type": SOURCE,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class GenerateClick:
    """A click on Generate in A1111's shape: fields by position, then scripts' controls; gallery, facts, text and log.

    Ours takes another way. Extensions listen with these ``inputs`` themselves, or call ``fn``, which makes a job.
    """

    button: Component
    inputs: list[Component]
    outputs: list[Component]
    fn: Callable[..., Any]
    js: str
    name: str

    def dependency(self) -> dict[str, Any]:
        return {
            "id": -1 - self.button._id, "targets": [self.button._id], "trigger": "click", "inputs": [each._id for each in self.inputs],
            "outputs": [each._id for each in self.outputs], "js": self.js, "backend_fn": True, "queue": True, "api_name": self.name,
        }  # fmt: skip


def generate_click(app: App, tab: GenerationTab) -> GenerateClick | None:
    """That of ``tab``; None in a server without scripts."""
    host = app.scripts.host
    if not isinstance(host, ScriptHost):
        return None
    function, described = FUNCTIONS[tab.name]
    fields = {**tab.switches, **{each.name: each.component for each in tab.form.fields}, "id_task": tab.toprow.task_id, "override_settings_texts": tab.pasted[0]}
    names = described.__code__.co_varnames[: described.__code__.co_argcount]
    own = [fields[_FIELDS.get(name) or name] for name in names if name != "request"]
    runner = host.img2img if tab.name == "img2img" else host.txt2img
    output = tab.output
    return GenerateClick(
        button=tab.toprow.generate, inputs=[*own, *runner.inputs], outputs=[output.gallery, output.generation_info, output.info, output.log],
        fn=wrap_gradio_gpu_call(function, extra_outputs=[None, "", ""]), js=JS_FUNCTIONS[tab.name][0], name=tab.name)  # fmt: skip


class DemoView:
    """``dependencies`` a list of dicts, ``fns`` a list; both in one order. ui_loadsave: made from ``ui_config_file`` and the page."""

    def __init__(self, demo: Blocks, clicks: Sequence[GenerateClick] = (), ui_config_file: Path = Path("ui-config.json")) -> None:
        self._demo, self._clicks = demo, tuple(clicks)
        self.ui_loadsave = LoadsaveView(demo, ui_config_file)
        self._entered: list[tuple[Any, Any]] = []

    @property
    def _own(self) -> list[Any]:
        """Ours, but for the clicks that are shown in A1111's shape."""
        buttons = {each.button._id for each in self._clicks}
        return [each for each in self._demo.fns.values() if not any(target in buttons and event == "click" for target, event in each.targets)]

    @property
    def dependencies(self) -> list[dict[str, Any]]:
        found = []
        for each in self._own:
            config = each.get_config()
            targets = config.get("targets") or [(None, None)]
            found.append({**config, "targets": [target for target, _ in targets], "trigger": targets[0][1]})
        return [*found, *(each.dependency() for each in self._clicks)]

    @property
    def fns(self) -> list[Any]:
        return [*self._own, *self._clicks]

    @property
    def __class__(self) -> type:
        """isinstance takes it for the page that it shows."""
        return type(self._demo)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._demo, name)

    def __enter__(self) -> Any:
        """More is added to a page that is complete. Gradio's own way would make its whole server anew each time."""
        self._entered.append((Context.root_block, get_render_context()))
        Context.root_block = self._demo
        set_render_context(self._demo)
        return self

    def __exit__(self, *_: Any) -> None:
        Context.root_block, before = self._entered.pop()
        set_render_context(before)
        self._demo.fill_expected_parents()

    def finish(self) -> None:
        """All extensions have seen the page: it is described to browsers with what they added."""
        self._demo.config = self._demo.get_config_file()
