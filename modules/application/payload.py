"""A request as JSON, so that its job can wait on disk; pictures become base64 text."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from modules.imaging.base64_codec import encode_image
from modules.schema.errors import InvalidValue
from modules.schema.request import Request

_MOST_LEVELS = 100          # scripts' values have three or four; at a thousand Python gives up, wherever it is then


def request_as_json(request: Request) -> tuple[dict[str, Any], list[str]]:
    """The request by API name, and the fields in which something cannot be written down: a job with such does not outlive its server. Raises InvalidValue."""
    values, lost = {}, []
    for name, value in request.to_flat().items():
        unwritable: list[object] = []
        if _deeper_than(_MOST_LEVELS, value):
            raise InvalidValue(f"{name} is nested more than {_MOST_LEVELS} levels deep.", "Send lists and objects a few levels deep.", field=name)
        values[name] = _plain(value, unwritable)
        if unwritable:
            lost.append(name)
    return values, lost


def _deeper_than(levels: int, value: Any) -> bool:
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return levels < 0 or any(_deeper_than(levels - 1, each) for each in inside)


def _plain(value: Any, unwritable: list[object]) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Image.Image():
            return encode_image(value)
        case np.ndarray() if value.dtype == np.uint8 and value.ndim in (2, 3):
            return encode_image(Image.fromarray(value))
        case np.generic():
            return _plain(value.item(), unwritable)
        case list() | tuple():
            return [_plain(each, unwritable) for each in value]
        case Mapping():
            return {str(key): _plain(each, unwritable) for key, each in value.items()}
    unwritable.append(value)
    return None
