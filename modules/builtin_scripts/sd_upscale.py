"""SD upscale: the picture is enlarged, cut into overlapping tiles of the size asked for, and each tile is drawn over."""

from __future__ import annotations

import math
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.process_images import fix_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import save_picture, setting, settings_of
from modules.a1111.state import state
from modules.imaging.resize import on_background
from modules.imaging.tiles import fitting_overlap, joined, tiling
from modules.schema.errors import InvalidValue

HINT = "<p>Will upscale the image by the selected scale factor; use width and height sliders to set tile size</p>"


class Script(ScriptBase):
    def title(self) -> str:
        return "SD upscale"

    def show(self, is_img2img: bool) -> bool:
        return is_img2img

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        info = gr.HTML(HINT, elem_id=self.elem_id("info"), padding=False)
        overlap = gr.Slider(minimum=0, maximum=256, step=16, label="Tile overlap", value=64, elem_id=self.elem_id("overlap"))
        names = upscaler_names()
        upscaler = gr.Radio(label="Upscaler", choices=names, value=names[0], elem_id=self.elem_id("upscaler_index"))
        scale = gr.Slider(minimum=1.0, maximum=4.0, step=0.05, label="Scale Factor", value=2.0, elem_id=self.elem_id("scale_factor"))
        return [info, overlap, upscaler, scale]

    def run(self, p: Any, _info: Any, overlap: int, upscaler: Any, scale: float) -> Processed:
        work = running_work()
        assert work is not None
        fix_seed(p)
        name, seed, size = _named(upscaler), p.seed, (int(p.width), int(p.height))
        asked, overlap = int(overlap), fitting_overlap(int(overlap), size)
        if asked > overlap:
            p.comment(f"Tiles of {size[0]}x{size[1]} cannot overlap by {asked} pixels: they overlap by {overlap}. Width and height are the tiles' size.")
        p.extra_generation_params |= {"SD upscale overlap": overlap, "SD upscale upscaler": name}
        picture = on_background(p.init_images[0], setting(p, "img2img_background_color"))
        if name != "None":
            picture = work.app.upscalers.enlarge(picture, name, float(scale), settings=settings_of(p), say=work.say, cancel=work.cancel)
            work.say("")
        layout = tiling(picture.size, size, overlap)
        boxes, batch, repeats = layout.boxes, p.batch_size, p.n_iter
        p.n_iter, p.do_not_save_grid, p.do_not_save_samples = 1, True, True
        state.job_count = math.ceil(len(boxes) / batch) * repeats
        results: list[Any] = []
        texts: list[str] = []
        for repeat in range(repeats):
            p.seed = seed + repeat
            tiles: list[Any] = []
            for start in range(0, len(boxes), batch):
                p.init_images = [picture.crop(box) for box in boxes[start : start + batch]]
                p.batch_size = len(p.init_images)
                p.width, p.height = layout.tile
                processed = process_images(p)
                texts = texts or [processed.info]
                tiles += processed.images
                p.seed = processed.seed + 1
                if work.stopped:
                    break
            if len(tiles) < len(boxes):         # what was not reached stays as it was enlarged
                tiles += [picture.crop(box) for box in boxes[len(tiles) :]]
            results.append(save_picture(p, joined(layout, tiles), texts[0] if texts else "", seed=seed + repeat))
            if work.stopped:
                break
        return Processed(p, results, seed, texts[0] if texts else "")


def upscaler_names() -> list[str]:
    """As on Extras: also those whose files are not here yet, which the message about them fetches."""
    app = current()
    return app.upscalers.offered(app.settings)


def _named(upscaler: Any) -> str:
    """By name, in any case of letters, or by its place in the list, as A1111's clients send it. Raises InvalidValue."""
    names = upscaler_names()
    if isinstance(upscaler, int | float) and 0 <= int(upscaler) < len(names):
        return names[int(upscaler)]
    found = next((name for name in names if name.lower() == str(upscaler).lower()), None)
    if found is None:
        raise InvalidValue(f"There is no upscaler {str(upscaler)[:60]!r}.", f"There are: {', '.join(names)}.", field="script_args")
    return found
