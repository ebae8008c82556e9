"""A1111's own script ``postprocessing_upscale``, which extensions import to enlarge a picture of theirs as the Extras tab does."""
from __future__ import annotations

from typing import Any

from PIL import Image

from modules.a1111 import postprocessing_scripts
from modules.a1111.postprocessing_scripts import PostprocessedImage, ScriptPostprocessing
from modules.a1111.shared_values import sd_upscalers
from modules.a1111.upscaling import UpscalerData
from modules.schema.errors import UnknownName

upscale_cache: dict[Any, Image.Image] = {}


def limit_size_by_one_dimention(w: float, h: float, limit: int) -> tuple[int, int]:
    """(w, h) with its longer side at most ``limit``. A1111's spelling."""
    if max(w, h) <= limit:
        return int(w), int(h)
    return (int(limit * w // h), limit) if h > w else (limit, int(limit * h // w))


class ScriptPostprocessingUpscale(ScriptPostprocessing):
    """Its name for callers: on the Extras tab the house's own operation does this."""

    name = "Upscale"
    order = 1000
    main_ui_only = True

    def upscale(
        self, image: Image.Image, info: dict[str, Any], upscaler: UpscalerData, upscale_mode: int, upscale_by: float, max_side_length: int = 0,
        upscale_to_width: int = 0, upscale_to_height: int = 0, upscale_crop: bool = False,
    ) -> Image.Image:  # fmt: skip
        """upscale_mode: 0 ``upscale_by`` times, the longer side at most ``max_side_length`` (0: as it comes); 1 to cover the size, cut to it if wished."""
        if upscale_mode == 0:
            info["Postprocess upscale by"] = upscale_by
            if max_side_length and max(image.size) * upscale_by > max_side_length:
                upscale_by, info["Max side length"] = max_side_length / max(image.size), max_side_length
            return upscaler.scaler.upscale(image, upscale_by, upscaler.data_path)
        info["Postprocess upscale to"] = f"{upscale_to_width}x{upscale_to_height}"
        large = upscaler.scaler.upscale(image, max(upscale_to_width / image.width, upscale_to_height / image.height), upscaler.data_path)
        if not upscale_crop:
            return large
        info["Postprocess crop to"] = f"{upscale_to_width}x{upscale_to_height}"
        left, top = large.width // 2 - upscale_to_width // 2, large.height // 2 - upscale_to_height // 2
        return large.crop((left, top, left + upscale_to_width, top + upscale_to_height))

    def process(
        self, pp: PostprocessedImage, upscale_enabled: bool = True, upscale_mode: int = 1, upscale_by: float = 2.0, max_side_length: int = 0,
        upscale_to_width: int | None = None, upscale_to_height: int | None = None, upscale_crop: bool = False, upscaler_1_name: str | None = None,
        upscaler_2_name: str | None = None, upscaler_2_visibility: float = 0.0,
    ) -> None:  # fmt: skip
        """Raises UnknownName for an upscaler that is not there."""
        first, second = _named(upscaler_1_name), _named(upscaler_2_name)
        if not upscale_enabled or first is None:
            return
        size = (upscale_mode, upscale_by, max_side_length, upscale_to_width or 0, upscale_to_height or 0, upscale_crop)
        result = self.upscale(pp.image, pp.info, first, *size)
        pp.info["Postprocess upscaler"] = first.name
        if second is not None and upscaler_2_visibility > 0:
            other = self.upscale(pp.image, pp.info, second, *size)
            result = Image.blend(result, other.convert(result.mode), upscaler_2_visibility)
            pp.info["Postprocess upscaler 2"] = second.name
        pp.image = result

    def image_changed(self) -> None:
        upscale_cache.clear()


class ScriptPostprocessingUpscaleSimple(ScriptPostprocessingUpscale):
    """So many times, by one upscaler."""

    name = "Simple Upscale"
    order = 900

    def process(self, pp: PostprocessedImage, upscale_by: float = 2.0, upscaler_name: str | None = None) -> None:
        super().process(pp, upscale_mode=0, upscale_by=upscale_by, upscaler_1_name=upscaler_name)


def _named(name: str | None) -> UpscalerData | None:
    if name in (None, "", "None"):
        return None
    found = next((each for each in sd_upscalers if each.name == name), None)
    if found is None:
        raise UnknownName("upscaler", str(name), [each.name for each in sd_upscalers])
    return found


NAMES = {
    "scripts_postprocessing": postprocessing_scripts, "upscale_cache": upscale_cache, "limit_size_by_one_dimention": limit_size_by_one_dimention,
    "ScriptPostprocessingUpscale": ScriptPostprocessingUpscale, "ScriptPostprocessingUpscaleSimple": ScriptPostprocessingUpscaleSimple,
}  # fmt: skip
