"""Poor man's outpainting: the picture is set into a larger frame, and every tile that touches the new part is inpainted."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image, ImageDraw

from modules.a1111.process_images import fix_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import check_growth, save_picture, setting
from modules.a1111.state import state
from modules.imaging.masks import Box
from modules.imaging.resize import on_background
from modules.imaging.tiles import fitting_overlap, joined, tiling
from modules.schema.params_img2img import MASKED_CONTENT

DIRECTIONS = ("left", "right", "up", "down")
STEP = 64                       # pixels: the enlarged sides are multiples of it, as in A1111


class Script(ScriptBase):
    def title(self) -> str:
        return "Poor man's outpainting"

    def show(self, is_img2img: bool) -> bool:
        return is_img2img

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        pixels = gr.Slider(label="Pixels to expand", minimum=8, maximum=256, step=8, value=128, elem_id=self.elem_id("pixels"))
        blur = gr.Slider(label="Mask blur", minimum=0, maximum=64, step=1, value=4, elem_id=self.elem_id("mask_blur"))
        content = gr.Radio(label="Masked content", choices=list(MASKED_CONTENT), value="fill", type="index", elem_id=self.elem_id("inpainting_fill"))
        direction = gr.CheckboxGroup(label="Outpainting direction", choices=list(DIRECTIONS), value=list(DIRECTIONS), elem_id=self.elem_id("direction"))
        return [pixels, blur, content, direction]

    def run(self, p: Any, pixels: int, blur: int, content: Any, direction: list[str]) -> Processed:
        work = running_work()
        assert work is not None
        fix_seed(p)
        seed, blur = p.seed, int(blur)
        picture = on_background(p.init_images[0], setting(p, "img2img_background_color"))
        check_growth(picture.size, int(pixels), blur)
        size, kept = frame(picture.size, int(pixels), direction)
        whole = Image.new("RGB", size)
        whole.paste(picture, kept[:2])
        mask = outside(size, inner(kept, size, blur * 2))
        latent_mask = outside(size, inner(kept, size, blur // 2))
        p.mask_blur, p.inpaint_full_res = blur * 2, False
        p.inpainting_fill = MASKED_CONTENT.index(content) if content in MASKED_CONTENT else int(content or 0)
        p.n_iter = p.batch_size = 1
        p.do_not_save_grid = p.do_not_save_samples = True
        tile = (int(p.width), int(p.height))
        overlap = fitting_overlap(int(pixels), tile)
        if overlap != int(pixels):
            p.comment(f"Tiles of {tile[0]}x{tile[1]} cannot share {int(pixels)} pixels: they share {overlap}. A larger width and height makes fewer seams.")
        layout = tiling(size, tile, overlap)
        p.width, p.height = layout.tile
        tiles = [whole.crop(box) for box in layout.boxes]
        todo = [n for n, box in enumerate(layout.boxes) if not _is_within(box, kept)]       # as A1111 counts them: the mask's soft edge alone makes no tile
        state.job_count = len(todo)
        text = ""
        for n in todo:
            p.init_images, p.image_mask, p.latent_mask = [tiles[n]], mask.crop(layout.boxes[n]), latent_mask.crop(layout.boxes[n])
            processed = process_images(p)
            text = text or processed.info
            p.seed = processed.seed + 1
            if processed.images:
                tiles[n] = processed.images[0]
            if work.stopped:
                break
        result = save_picture(p, joined(layout, tiles), text, seed=seed)
        return Processed(p, [result], seed, text)


def frame(size: tuple[int, int], pixels: int, direction: list[str]) -> tuple[tuple[int, int], Box]:
    """(the enlarged size, where the old picture lies in it): sides grow to multiples of 64, each direction takes its share."""
    left, right, up, down = (pixels if each in direction else 0 for each in DIRECTIONS)
    wide, across = _grown(size[0], left, right)
    high, above = _grown(size[1], up, down)
    return (wide, high), (across, above, across + size[0], above + size[1])


def _grown(length: int, before: int, after: int) -> tuple[int, int]:
    """(new length, where the old part begins)."""
    if not before and not after:
        return length, 0
    whole = math.ceil((length + before + after) / STEP) * STEP
    return whole, (whole - length) * before // (before + after)


def _is_within(box: Box, kept: Box) -> bool:
    return box[0] >= kept[0] and box[1] >= kept[1] and box[2] <= kept[2] and box[3] <= kept[3]


def inner(kept: Box, size: tuple[int, int], margin: int) -> Box:
    """``kept`` made smaller by ``margin`` on the sides where something new is drawn."""
    left, top, right, bottom = kept
    return (
        left + (margin if left > 0 else 0), top + (margin if top > 0 else 0),
        right - (margin if right < size[0] else 0), bottom - (margin if bottom < size[1] else 0),
    )  # fmt: skip


def outside(size: tuple[int, int], kept: Box) -> Image.Image:
    """A mask: white but for ``kept`` and, as in A1111's pictures, one pixel more at its right and its bottom."""
    mask = Image.new("L", size, "white")
    if kept[2] > kept[0] and kept[3] > kept[1]:
        ImageDraw.Draw(mask).rectangle(kept, fill="black")
    return mask
