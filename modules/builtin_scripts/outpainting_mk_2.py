"""Outpainting mk2: one side after the other grows; the new part starts from noise that has the picture's own texture and colours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.a1111.process_images import fix_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import check_growth, save_grid, save_picture, setting, sheet_of
from modules.a1111.state import state
from modules.imaging.grids import grid_rows
from modules.imaging.resize import on_background

DIRECTIONS = ("left", "right", "up", "down")
STEP = 64                       # pixels, as in A1111
ORIGINAL = 1
HINT = "<p>Recommended settings: Sampling Steps: 80-100, Sampler: Euler a, Denoising strength: 0.8</p>"


class Script(ScriptBase):
    def title(self) -> str:
        return "Outpainting mk2"

    def show(self, is_img2img: bool) -> bool:
        return is_img2img

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        info = gr.HTML(HINT, elem_id=self.elem_id("info"), padding=False)
        pixels = gr.Slider(label="Pixels to expand", minimum=8, maximum=256, step=8, value=128, elem_id=self.elem_id("pixels"))
        blur = gr.Slider(label="Mask blur", minimum=0, maximum=64, step=1, value=8, elem_id=self.elem_id("mask_blur"))
        direction = gr.CheckboxGroup(label="Outpainting direction", choices=list(DIRECTIONS), value=list(DIRECTIONS), elem_id=self.elem_id("direction"))
        falloff = gr.Slider(label="Fall-off exponent (lower=higher detail)", minimum=0.0, maximum=4.0, step=0.01, value=1.0, elem_id=self.elem_id("noise_q"))
        colour = gr.Slider(label="Color variation", minimum=0.0, maximum=1.0, step=0.01, value=0.05, elem_id=self.elem_id("color_variation"))
        return [info, pixels, blur, direction, falloff, colour]

    def run(self, p: Any, _info: Any, pixels: int, blur: int, direction: list[str], falloff: float, colour: float) -> Processed:
        work = running_work()
        assert work is not None
        fix_seed(p)
        first_seed, repeats, blur = p.seed, p.n_iter * p.batch_size, int(blur)
        p.inpaint_full_res, p.inpainting_fill = False, ORIGINAL
        p.do_not_save_samples = p.do_not_save_grid = True
        p.n_iter = p.batch_size = 1
        window = int(p.width), int(p.height)
        picture = on_background(p.init_images[0], setting(p, "img2img_background_color"))
        check_growth(picture.size, int(pixels), blur)
        sides = growth(picture.size, int(pixels), direction)
        state.job_count = repeats * len(sides)
        found: list[Image.Image] = []
        text = ""
        for repeat in range(repeats):
            p.seed, grown = first_seed + repeat, picture
            for side, amount in sides:
                grown, said = self._grow(p, grown, side, amount, blur, window, float(falloff), float(colour))
                text = text or said
                if work.stopped:
                    break
            found.append(save_picture(p, grown, text, seed=first_seed + repeat))
            if work.stopped:
                break
        shown = list(found)
        if len(found) > 1 and setting(p, "return_grid"):
            rows = grid_rows(len(found), n_rows=setting(p, "n_rows"))
            shown.insert(0, save_grid(p, sheet_of(p, found, rows), text, seed=first_seed))
        return Processed(p, shown, first_seed, text, index_of_first_image=len(shown) - len(found))

    def _grow(
        self, p: Any, picture: Image.Image, side: str, amount: int, blur: int, window: tuple[int, int], falloff: float, colour: float,
    ) -> tuple[Image.Image, str]:
        """``picture`` with ``amount`` pixels more on one side, and the text of the run."""
        turned = _turned(picture, side)         # the new part is always on the left
        size = turned.width + amount, turned.height
        whole = Image.new("RGB", size)
        whole.paste(turned, (amount, 0))
        fresh = np.zeros((size[1], size[0]), bool)
        fresh[:, : amount + blur] = True
        noisy = Image.fromarray(matched_noise(np.asarray(whole), fresh, falloff, colour, seed=int(p.seed)))
        across = min(window[0] if side in ("left", "right") else window[1], size[0])
        mask = Image.new("L", (across, size[1]), "black")
        mask.paste("white", (0, 0, amount + blur, size[1]))
        latent_mask = Image.new("L", mask.size, "black")
        latent_mask.paste("white", (0, 0, amount + blur * 2, size[1]))
        back = lambda each: _turned_back(each, side)
        p.init_images, p.image_mask, p.latent_mask = [back(noisy.crop((0, 0, across, size[1])))], back(mask), back(latent_mask)
        p.mask_blur_x, p.mask_blur_y = (blur * 4, 0) if side in ("left", "right") else (0, blur * 4)
        p.width, p.height = p.init_images[0].size
        processed = process_images(p)
        if not processed.images:
            return picture, processed.info
        drawn = _turned(processed.images[0].convert("RGB"), side)
        whole.paste(drawn.resize((across, size[1])) if drawn.size != (across, size[1]) else drawn, (0, 0))
        return back(whole), processed.info


def growth(size: tuple[int, int], pixels: int, direction: list[str]) -> list[tuple[str, int]]:
    """(side, pixels) in the order of drawing; opposite sides share what makes the whole a multiple of 64."""
    found: list[tuple[str, int]] = []
    for first, second, length in (("left", "right", size[0]), ("up", "down", size[1])):
        asked = [side for side in (first, second) if side in direction]
        extra = math.ceil((length + pixels * len(asked)) / STEP) * STEP - length if asked else 0
        shares = [extra // len(asked)] * len(asked) if asked else []
        if shares:
            shares[-1] += extra - sum(shares)
        found += [(side, share) for side, share in zip(asked, shares) if share > 0]
    return found


_TURNS = {"left": None, "right": Image.Transpose.FLIP_LEFT_RIGHT, "up": Image.Transpose.TRANSPOSE, "down": Image.Transpose.TRANSVERSE}


def _turned(picture: Image.Image, side: str) -> Image.Image:
    turn = _TURNS[side]
    return picture if turn is None else picture.transpose(turn)


_turned_back = _turned          # each of the turns is its own reverse


def matched_noise(image: NDArray[np.uint8], fresh: NDArray[np.bool_], falloff: float, colour: float, *, seed: int) -> NDArray[np.uint8]:
    """``image`` (H, W, 3) with its ``fresh`` part filled by noise that has the spectrum and the colours of the rest.

    falloff: exponent on the rest's spectrum; lower ones give finer detail. colour: 0 grey noise, 1 each channel its own.
    """
    rest = image[~fresh].astype(np.float64)
    if not len(rest):
        return image
    shown = image.astype(np.float64)
    shown[fresh] = rest.mean(axis=0)            # no edge between the two parts
    drawn = np.random.default_rng(seed % 2**63)
    grey = drawn.standard_normal(image.shape[:2])[..., None]
    noise = colour * drawn.standard_normal(image.shape) + (1 - colour) * grey
    strength = np.abs(np.fft.fft2(shown - rest.mean(axis=0), axes=(0, 1))) ** falloff
    shaped = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * strength, axes=(0, 1)).real
    shaped = (shaped - shaped.mean(axis=(0, 1))) / np.maximum(shaped.std(axis=(0, 1)), 1e-9)
    shaped = shaped * rest.std(axis=0) + rest.mean(axis=0)
    return np.where(fresh[..., None], np.clip(shaped, 0, 255), image).astype(np.uint8)
