"""Textual inversion embeddings inside pictures: as text beside the pixels, or in the low bits of two strips at the sides.

The formats are those that A1111 writes when it trains; a picture without either is a preview, not an embedding.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_SUFFIXES = (".png", ".webp", ".jxl", ".avif")
_TEXT_KEY = "sd-ti-embedding"
_TENSOR_KEY = "TORCHTENSOR"
_MAX_BYTES = 256 * 2**20        # of unpacked JSON: 75 vectors of SDXL take 5 MB
_LOW_BITS = 0x0F
_SHADE = 0x50                   # of the strips, so that none of their columns is black


def read_picture(path: Path) -> dict[str, Any] | None:
    """The embedding's values by name, its tensors as torch tensors; None for a picture that holds none. Raises CannotLoad."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            text = getattr(image, "text", {}).get(_TEXT_KEY)
            return values_of_text(text) if text else hidden_values(image)
    except (OSError, ValueError, binascii.Error, zlib.error, RecursionError, Image.DecompressionBombError) as error:
        raise CannotLoad(path, f"the embedding in this picture is damaged ({str(error)[:120]})", "Download the picture again.") from error


def values_of_text(text: str | bytes) -> Any:
    """What ``text_of_values`` was given. Raises ValueError."""
    return json.loads(base64.b64decode(text), object_hook=_as_tensor)


def text_of_values(values: Any) -> bytes:
    """Of plain values and tensors: base64 of JSON."""
    return base64.b64encode(_json(values))


def hidden_values(picture: Image) -> Any:
    """What the strips at the picture's sides hold; None where there are none. Raises ValueError."""
    packed = _hidden_bytes(picture)
    return None if packed is None else json.loads(packed, object_hook=_as_tensor)


def _json(values: Any) -> bytes:
    return json.dumps(values, default=lambda tensor: {_TENSOR_KEY: tensor.detach().cpu().tolist()}).encode()


def _as_tensor(value: dict[str, Any]) -> Any:
    return torch.from_numpy(np.array(value[_TENSOR_KEY])) if _TENSOR_KEY in value else value


def _hidden_bytes(image: Image) -> bytes | None:
    """The bytes in the strips: left of the first black column the low four bits, right of the last one the high four."""
    pixels = _without_black_border(np.asarray(image.convert("RGB"))) & _LOW_BITS
    black = np.flatnonzero(pixels.sum(axis=(0, 2)) == 0)
    if len(black) < 2:
        return None
    low, high = _unmasked(pixels[:, : black[0]]), _unmasked(pixels[:, black[-1] + 1 :])
    if low.shape != high.shape or not low.size:
        return None
    unpacker = zlib.decompressobj()
    try:
        packed = unpacker.decompress(((high << 4) | low).tobytes(), _MAX_BYTES)
    except zlib.error:
        return None             # an ordinary picture with two black columns
    if unpacker.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES // 2**20} MB")
    return packed


def _without_black_border(pixels: np.ndarray) -> np.ndarray:
    coloured = np.asarray((pixels > 0).all(axis=2))
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    if not len(rows):
        return pixels[:0, :0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _unmasked(block: np.ndarray) -> np.ndarray:
    """Undo the mask that makes the strips look like noise: a linear congruential generator (Numerical Recipes' constants), modulo 255."""
    state, mask = 0, np.empty(block.size, dtype=np.uint8)
    for index in range(block.size):
        state = (1664525 * state + 1013904223) % 2**32
        mask[index] = state % 255
    return block.astype(np.uint8) ^ (mask.reshape(block.shape) & _LOW_BITS)


def with_embedding(picture: Image, values: Mapping[str, Any]) -> bytes:
    """A PNG of ``picture`` that carries ``values`` in both ways. picture: RGB; the strips make it wider."""
    from PIL import PngImagePlugin

    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text(_TEXT_KEY, text_of_values(dict(values)).decode())
    between_strips(picture, dict(values)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def between_strips(picture: Image, values: Any) -> Image:
    """``picture`` with ``values`` in strips at its sides, parted from it by a black column each."""
    from PIL import Image

    low, high = _strips(zlib.compress(_json(values), 9), picture.height)
    made = Image.new("RGB", (picture.width + 2 * low.shape[1] + 2, picture.height))
    made.paste(Image.fromarray(low), (0, 0))
    made.paste(picture, (low.shape[1] + 1, 0))
    made.paste(Image.fromarray(high), (low.shape[1] + picture.width + 2, 0))
    return made


def _strips(data: bytes, height: int) -> tuple[np.ndarray, np.ndarray]:
    """(height, w, 3) each: the low and the high halves of all bytes, again from the beginning where some room is left."""
    given = np.frombuffer(data, np.uint8)
    width = -(-len(given) // (height * 3))
    whole = np.resize(given, (height, width, 3))
    low, high = (_unmasked(half) | _SHADE for half in (whole & _LOW_BITS, whole >> 4))
    return low, high
