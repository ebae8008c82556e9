"""Which picture a unit looks at, and its hint at the sizes of the passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from modules.api.api import decode_base64_to_image
from modules.processing import StableDiffusionProcessingImg2Img
from PIL import Image, ImageOps

from internal_controlnet.args import ControlNetUnit
from internal_controlnet.enums import ResizeMode, resize_mode_from_value
from internal_controlnet.hints import fitted_hint, opaque, pixel_perfect_resolution
from internal_controlnet.preprocessors import Preprocessor
from modules import images, masking
from modules.a1111.control_units import ControlRefused
from modules.imaging.formats import FORMATS
from modules.schema.errors import WebuiError

_CELL = 8
_NOTHING, _ALL = 5, 250                             # a mask with all values at or beyond one of these says nothing
_NUMPY_SEEDS = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Hints:
    """hint, hires_hint: for the engine. maps: what is shown after the pictures, the hires pass's first."""

    hint: np.ndarray
    hires_hint: np.ndarray | None
    maps: tuple[np.ndarray, ...]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the passes, in pixels, as the latents have them. hires: None without a hires pass."""

    width: int
    height: int
    hires: tuple[int, int] | None = None


def sizes_of(p: Any) -> Sizes:
    width, height = _whole_cells(p.width), _whole_cells(p.height)
    if not getattr(p, "enable_hr", False):
        return Sizes(width=width, height=height)
    across, down = int(getattr(p, "hr_resize_x", 0) or 0), int(getattr(p, "hr_resize_y", 0) or 0)
    if not across and not down:
        across, down = int(p.width * p.hr_scale), int(p.height * p.hr_scale)
    elif not down:                                  # one side is given: the other one in proportion
        down = across * p.height // p.width
    elif not across:
        across = down * p.width // p.height
    return Sizes(width=width, height=height, hires=(_whole_cells(across), _whole_cells(down)))


def _whole_cells(side: float) -> int:
    return int(side) // _CELL * _CELL


def seed_numpy(p: Any) -> None:
    """numpy's global stream as a function of the job's seeds: the shuffle preprocessor draws from it."""
    first = int(p.all_seeds[0])
    asked = getattr(p, "asked_subseed", p.subseed)
    asked = asked[0] if isinstance(asked, list | tuple) and asked else asked
    subseed = first if asked in (-1, None, "") else max(int(asked), 0)
    np.random.seed((max(first, 0) + subseed) & _NUMPY_SEEDS)


def hints_of(p: Any, unit: ControlNetUnit, preprocessor: Preprocessor, *, ignore_mask: bool = False) -> Hints:
    """The unit's picture through its preprocessor. Raises ControlRefused where there is none."""
    sizes = sizes_of(p)
    picture, mode = input_picture(p, unit, ignore_mask=ignore_mask)
    picture = np.ascontiguousarray(_cropped(p, unit, picture, mode))
    resolution = _resolution(unit, picture, mode, sizes)
    seed_numpy(p)
    if preprocessor.key == "inpaint_only+lama" and mode is ResizeMode.OUTER_FIT:       # the new rim is painted, too
        picture = fitted_hint(picture, mode, *reversed(sizes.hires or (sizes.width, sizes.height)), masked=True).clip(0, 255).astype(np.uint8)
    found = preprocessor.run(picture, resolution, unit.threshold_a, unit.threshold_b)
    hint = fitted_hint(found, mode, sizes.height, sizes.width, masked=unit.is_inpaint)
    if sizes.hires is None:
        return Hints(hint=hint, hires_hint=None, maps=(hint,))
    hires = fitted_hint(found, mode, sizes.hires[1], sizes.hires[0], masked=unit.is_inpaint)
    return Hints(hint=hint, hires_hint=hires, maps=(hires, hint))


def _resolution(unit: ControlNetUnit, picture: np.ndarray, mode: ResizeMode, sizes: Sizes) -> float:
    return pixel_perfect_resolution(picture, sizes.height, sizes.width, mode) if unit.pixel_perfect else unit.processor_res


def looked_at(p: Any, unit: ControlNetUnit) -> tuple[tuple[np.ndarray, ...], float]:
    """The pictures of a unit that looks through CLIP or for a face, with the mask of what is left out as a fourth channel, and the preprocessor's resolution.

    Raises ControlRefused where there is none.
    """
    own = own_pictures(unit)
    if own is not None and len(own) > 1 and unit.accepts_multiple_inputs:
        return tuple(own), _resolution(unit, own[0], unit.resize_mode, sizes_of(p))
    picture, mode = input_picture(p, unit)
    picture = np.ascontiguousarray(_cropped(p, unit, picture, mode))
    return (picture,), _resolution(unit, picture, mode, sizes_of(p))


def input_picture(p: Any, unit: ControlNetUnit, *, ignore_mask: bool = False) -> tuple[np.ndarray, ResizeMode]:
    """The unit's own picture, or the one that img2img starts from; with a fourth channel, the mask, for inpainting modules."""
    own = own_pictures(unit)
    if own is not None:
        if len(own) > 1 and not unit.accepts_multiple_inputs:
            raise ControlRefused(f"ControlNet: {len(own)} pictures are given for one unit.", "Send one, or set input_mode to \"merge\".", field="image")
        return (own[0] if unit.is_inpaint or unit.uses_clip else seen(own[0], ignore_mask=ignore_mask)), unit.resize_mode
    start = next(iter(getattr(p, "init_images", None) or []), None)
    if start is None:
        raise ControlRefused("ControlNet is enabled but no input image is given.", "Put a picture into the unit, or switch the unit off.", field="image")
    picture = opaque(np.asarray(start.convert("RGBA") if start.mode not in ("RGB", "L", "RGBA") else start))
    mode = resize_mode_from_value(getattr(p, "resize_mode", None) or 0)
    if not unit.is_inpaint:
        return picture, mode
    given = getattr(p, "image_mask", None)
    mask = np.zeros(picture.shape[:2], dtype=np.uint8) if given is None else np.asarray(prepared_mask(given, p))
    return _with_mask(picture, mask), mode


def seen(picture: np.ndarray, *, ignore_mask: bool) -> np.ndarray:
    """What other modules see of a picture with a mask: a mask that says something is the drawing itself ("canvas scribble")."""
    mask = picture[:, :, 3]
    if ignore_mask or bool((mask <= _NOTHING).all()) or bool((mask >= _ALL).all()):
        return picture[:, :, :3]
    return opaque(mask)


def own_pictures(unit: ControlNetUnit) -> list[np.ndarray] | None:
    """The unit's pictures as (H, W, 4), the fourth channel being the mask; None without any."""
    given, mask = unit.image, unit.mask
    if given is None or (isinstance(given, Mapping) and given.get("image") is None and not given.get("mask")):
        if mask is not None:
            raise ControlRefused("ControlNet: a mask is given and no picture.", "Send the picture, too.", field="image")
        return None
    if isinstance(given, Mapping):
        pairs = [given]
    elif isinstance(given, list | tuple):
        if not given:
            raise ControlRefused("ControlNet: the list of pictures is empty.", "Send a picture in base64.", field="image")
        pairs = list(given) if isinstance(given[0], Mapping) else [dict(zip(("image", "mask"), given))]
    else:
        pairs = [{"image": given, "mask": mask}]
    found = []
    for pair in pairs:
        if not isinstance(pair, Mapping) or pair.get("image") is None:
            raise ControlRefused("ControlNet: a picture of the list cannot be read.", 'Send {"image": base64, "mask": base64}.', field="image")
        picture, over = as_array(pair["image"], "image"), pair.get("mask")
        is_masked = over is not None and not (isinstance(over, str) and not over.strip())
        found.append(_with_mask(picture, as_array(over, "mask")[:, :, 0] if is_masked else np.zeros(picture.shape[:2], np.uint8)))
    return found


def _with_mask(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if picture.shape[:2] != mask.shape[:2]:
        raise ControlRefused(f"ControlNet: the picture is {picture.shape[1]}x{picture.shape[0]}, its mask {mask.shape[1]}x{mask.shape[0]}.",
                             "Make them equally large.", field="mask")
    return np.concatenate([picture[:, :, :3], mask[:, :, None]], axis=2)


def as_array(picture: Any, field: str) -> np.ndarray:
    """RGB, uint8, (H, W, 3), from base64, a data URL, PIL or numpy. Paths and addresses are not read. Raises ControlRefused."""
    if isinstance(picture, str):
        try:
            picture = decode_base64_to_image(picture)
        except WebuiError as error:
            raise ControlRefused(f"ControlNet: the {field} cannot be read: {error.message}", "Send a PNG, JPEG or WebP file in base64.", field=field) from error
        except Exception as error:  # what A1111's own name raises for it is FastAPI's
            raise ControlRefused(f"ControlNet: the {field} is no picture: {getattr(error, 'detail', error)}", "Send a PNG, JPEG or WebP file in base64.", field=field) from error
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture if picture.mode in ("RGB", "RGBA", "L") else picture.convert("RGBA"))
    if not isinstance(picture, np.ndarray) or picture.ndim not in (2, 3) or not picture.size:
        raise ControlRefused(f"ControlNet: the {field} is no picture: {str(picture)[:60]}.", "Send a PNG, JPEG or WebP file in base64.", field=field)
    return opaque(picture.astype(np.uint8))


def opened(path: Path) -> Image.Image:
    """A picture file of a folder that may be read. Raises ControlRefused."""
    try:
        with Image.open(path, formats=FORMATS) as found:
            return found.convert("RGBA" if "A" in found.getbands() else "RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ControlRefused(f"ControlNet: {path.name} cannot be read as a picture ({error}).", "Take it out of the pictures.", field="image") from error


def region_of(unit: ControlNetUnit) -> np.ndarray | None:
    """(H, W), 0 .. 255: where the unit acts; its brightest channel's first, as the original takes it."""
    return None if unit.effective_region_mask is None else as_array(unit.effective_region_mask, "effective_region_mask")[:, :, 0]


def prepared_mask(mask: Image.Image, p: Any) -> Image.Image:
    """img2img's mask as inpainting uses it: grey, inverted if asked, blurred."""
    mask = mask.convert("L")
    if getattr(p, "inpainting_mask_invert", False):
        mask = ImageOps.invert(mask)
    for across, radius in ((True, getattr(p, "mask_blur_x", 0) or 0), (False, getattr(p, "mask_blur_y", 0) or 0)):
        if radius > 0:
            size = 2 * int(2.5 * radius + 0.5) + 1
            mask = Image.fromarray(cv2.GaussianBlur(np.asarray(mask), (size, 1) if across else (1, size), radius))
    return mask


def _cropped(p: Any, unit: ControlNetUnit, picture: np.ndarray, mode: ResizeMode) -> np.ndarray:
    """With "Only masked", the part of the picture that is being painted; scripts that upscale tile by tile always mean that part."""
    mask = getattr(p, "image_mask", None)
    if not isinstance(p, StableDiffusionProcessingImg2Img) or not p.inpaint_full_res or mask is None or unit.is_reference:
        return picture
    upscales = any("upscale" in key.lower() and "Hires" not in key for key in p.extra_generation_params)
    if not (upscales or unit.inpaint_crop_input_image):
        return picture
    mask = prepared_mask(mask, p)
    box = masking.expand_crop_region(masking.get_crop_region(np.array(mask), p.inpaint_full_res_padding), p.width, p.height, mask.width, mask.height)
    planes = []
    for number in range(picture.shape[2]):
        plane = images.resize_image(mode.int_value(), Image.fromarray(np.ascontiguousarray(picture[:, :, number])), mask.width, mask.height).crop(box)
        plane = np.asarray(images.resize_image(ResizeMode.OUTER_FIT.int_value(), plane, p.width, p.height))
        planes.append(plane if plane.ndim == 2 else plane[:, :, 0])
    return np.stack(planes, axis=2)
