"""Operations of the Extras tab on txt2img and img2img: every finished picture goes through those that the setting names."""

from __future__ import annotations

from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.running import running_work
from modules.a1111.script import AlwaysVisible
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import settings_of
from modules.application.extras_operations import ExtrasTools, operations
from modules.engine.hooks import is_over
from modules.engine.postprocess import PostPicture, run_operations
from modules.schema.params_extras import ExtrasRequest

SETTING = "postprocessing_enable_in_main_ui"


class Operation(ScriptBase):
    """name: of the operation. asked: what the Extras tab would be told for these arguments, by API name."""

    operation = ""
    by_setting = True

    def title(self) -> str:
        return self.operation or type(self).__name__

    def show(self, is_img2img: bool) -> Any:
        wanted = current().settings.get(SETTING) if is_occupied() else ()
        return AlwaysVisible if self.operation and self.operation in wanted else False

    def asked(self, *args: Any) -> dict[str, Any]:
        return {}

    def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
        work = running_work()
        asked = self.asked(*args)
        if work is None or not asked:
            return
        app, settings = work.app, settings_of(p)
        tools = ExtrasTools(
            upscalers=app.upscalers.for_job(settings, work.say, work.cancel), faces=app.faces.for_job(settings, say=work.say, cancel=work.cancel), from_page=True)
        todo = operations(ExtrasRequest.page_defaults().changed({"upscaler_1": "None", **asked}), tools)
        made = run_operations(PostPicture(picture=pp.image), todo, stopped=lambda: is_over(work.cancel))
        if made:
            pp.image = made[0].picture
            p.extra_generation_params.update(made[0].facts)


class UpscaleHere(Operation):
    operation = "Upscale"

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        names = current().upscalers.names()
        with gr.Row():
            on = gr.Checkbox(False, label="Upscale", elem_id=self.elem_id("upscale_enabled"))
            factor = gr.Slider(minimum=1.0, maximum=8.0, step=0.05, label="Resize", value=4, elem_id=self.elem_id("upscaling_resize"))
        with gr.Row():
            first = gr.Dropdown(names, value=names[0], label="Upscaler 1", elem_id=self.elem_id("upscaler_1"))
            second = gr.Dropdown(names, value=names[0], label="Upscaler 2", elem_id=self.elem_id("upscaler_2"))
            share = gr.Slider(minimum=0.0, maximum=1.0, step=0.001, label="Upscaler 2 visibility", value=0.0, elem_id=self.elem_id("upscaler_2_visibility"))
        return [on, factor, first, second, share]

    def asked(self, on: bool = False, factor: float = 4, first: str = "None", second: str = "None", share: float = 0.0) -> dict[str, Any]:
        if not on or first == "None":
            return {}
        return {"resize_mode": 0, "upscaling_resize": factor, "upscaler_1": first, "upscaler_2": second, "extras_upscaler_2_visibility": share}


class FacesByGfpgan(Operation):
    operation = "GFPGAN"

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        on = gr.Checkbox(False, label="GFPGAN", elem_id=self.elem_id("gfpgan_enabled"))
        return [on, gr.Slider(minimum=0.0, maximum=1.0, step=0.001, label="Visibility", value=1.0, elem_id=self.elem_id("gfpgan_visibility"))]

    def asked(self, on: bool = False, share: float = 1.0) -> dict[str, Any]:
        return {"gfpgan_enabled": True, "gfpgan_visibility": share} if on and share > 0 else {}


class FacesByCodeFormer(Operation):
    operation = "CodeFormer"

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        on = gr.Checkbox(False, label="CodeFormer", elem_id=self.elem_id("codeformer_enabled"))
        with gr.Row():
            share = gr.Slider(minimum=0.0, maximum=1.0, step=0.001, label="Visibility", value=1.0, elem_id=self.elem_id("codeformer_visibility"))
            weight = gr.Slider(minimum=0.0, maximum=1.0, step=0.001, label="Weight (0 = maximum effect)", value=0, elem_id=self.elem_id("codeformer_weight"))
        return [on, share, weight]

    def asked(self, on: bool = False, share: float = 1.0, weight: float = 0.0) -> dict[str, Any]:
        return {"codeformer_enabled": True, "codeformer_visibility": share, "codeformer_weight": weight} if on and share > 0 else {}
