"""A1111's ``api.api``: pictures in base64, and small checks."""
from __future__ import annotations

from typing import Any

from PIL import Image

from modules.a1111.app_slot import current
from modules.a1111.sampler_list import find_sampler_config
from modules.a1111.script_controls import title_of
from modules.imaging.base64_codec import decode_image, encode_image
from modules.imaging.metadata import read_infotext_from
from modules.schema.errors import InvalidValue


def decode_base64_to_image(encoding: str) -> Image.Image:
    """Base64 or a data URL. Raises InvalidValue."""
    return decode_image(encoding)


def encode_pil_to_base64(image: Image.Image) -> bytes:
    """Base64, in the setting's format, with its parameters inside."""
    settings = current().settings
    text = image.info.get("parameters") or read_infotext_from(image)[0] or ""
    return encode_image(image, str(text), settings.get("samples_format"), quality=settings.get("jpeg_quality"), lossless=settings.get("webp_lossless")).encode("ascii")


def verify_url(url: str) -> bool:
    """Pictures are not fetched for extensions from here."""
    return False


def script_name_to_index(name: str, scripts: Any) -> int:
    titles = [title_of(script).lower() for script in scripts]
    if name.lower() not in titles:
        raise InvalidValue(f"Script {name!r} not found", field="script_name")
    return titles.index(name.lower())


def validate_sampler_name(name: str) -> str:
    if find_sampler_config(name) is None:
        raise InvalidValue(f"Sampler {name!r} not found", field="sampler_name")
    return name


def setUpscalers(req: Any) -> dict[str, Any]:
    """A request's fields with the upscalers under A1111's inner names."""
    values = vars(req).copy()
    values["extras_upscaler_1"] = values.pop("upscaler_1", None)
    values["extras_upscaler_2"] = values.pop("upscaler_2", None)
    return values
