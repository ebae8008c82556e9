"""Pictures in JSON: base64 or data URL, in and out. What comes in is measured before it is unpacked."""
from __future__ import annotations

import base64
import binascii
import io
import re
import struct
import zlib
from collections.abc import Mapping
from itertools import islice

import numpy as np
from PIL import Image, ImageOps

from modules.imaging.formats import FORMATS, most_pixels, pixels_inside, unreadable_kind
from modules.imaging.metadata import MOST_TEXTS, encode
from modules.schema.errors import InvalidValue

MAX_PIXELS = 64_000_000             # 8000 x 8000; three bytes each
MAX_ENCODED = 200_000_000           # characters of base64
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]+", re.ASCII)
_BEGINNINGS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP  ")
_DATA_URL = re.compile(r"^data:[\w.+/-]{0,100}(?:;[\w=.+-]{0,100})*,", re.ASCII)


def decode_image(text: str, field: str = "image") -> Image.Image:
    """The picture in a base64 text or data URL, upright, fully read. Raises InvalidValue naming ``field``; never fetches a URL."""
    data = decode_bytes(text, field)
    return open_image(data, field)


def decode_bytes(text: str, field: str = "image") -> bytes:
    """The bytes behind a base64 text or data URL. Raises InvalidValue."""
    if len(text) > MAX_ENCODED:
        raise InvalidValue(f"{field}: {len(text)} characters of base64; at most {MAX_ENCODED} are accepted.", "Send a smaller picture.", field=field)
    if text[:8].lower().startswith(("http://", "https:/")):
        raise InvalidValue(f"{field}: pictures are not fetched from addresses.", "Send the picture itself, in base64.", field=field)
    found = _DATA_URL.match(text[:400])
    body = "".join((text[found.end() :] if found else text).split())
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        data = _decoded_leniently(body)
        if data is None:
            raise InvalidValue(f"{field}: Invalid encoded image: this is not base64.", "Send a PNG, JPEG or WebP file in base64.", field=field) from error
    if not data:
        raise InvalidValue(f"{field}: Invalid encoded image: it is empty.", "Send a PNG, JPEG or WebP file in base64.", field=field)
    return data


def _decoded_leniently(body: str) -> bytes | None:
    """A picture's bytes from base64 for addresses, without the signs at its end, or with quotes and commas around it, as Python's own decoder skips them. None: it is no picture."""
    letters = _NO_BASE64.sub("", body.replace("-", "+").replace("_", "/"))
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(_BEGINNINGS) or data[4:8] == b"ftyp" else None


def open_image(data: bytes, field: str = "image") -> Image.Image:
    """The first picture in a file's bytes, upright, fully read; at most 64 megapixels. Raises InvalidValue."""
    unreadable = unreadable_kind(data)
    if unreadable is not None:
        raise InvalidValue(f"{field}: this is {unreadable.name}, which cannot be read here.", unreadable.remedy, field=field)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, data, field)
            image.load()
            upright = ImageOps.exif_transpose(image)
        if upright.mode == "LAB":       # of a TIFF: Pillow has a way from it to RGB, and to nothing else
            upright = upright.convert("RGB")
        of_16_bits = upright.mode.startswith("I;16") or (image.format == "PPM" and upright.mode == "I")
        if of_16_bits:                      # a depth map, say: Pillow's own way to 8 bits makes all above 255 white
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    except Image.DecompressionBombError as error:
        raise InvalidValue(f"{field}: this picture unpacks to far too many pixels.", "Send a smaller picture.", field=field) from error
    except (OSError, SyntaxError, ValueError, zlib.error, MemoryError, EOFError, KeyError, IndexError, struct.error) as error:
        raise InvalidValue(f"{field}: Invalid encoded image: it is damaged, or not a picture.", "Send a PNG, JPEG or WebP file.",
                           field=field) from error
    upright.info = {key: value for key, value in islice(image.info.items(), MOST_TEXTS) if key != "exif" and not (of_16_bits and key == "transparency")}
    return upright


def _check_size(image: Image.Image, data: bytes, field: str) -> None:
    width, height = image.size
    most = most_pixels(image.format, data, MAX_PIXELS)
    if width * height > most:
        raise InvalidValue(f"{field}: {width}x{height} is {width * height / 1e6:.0f} megapixels; at most {most / 1e6:.0f} are accepted of this kind of file.",
                           "Send a smaller picture.", field=field)
    if image.format == "ICO" and pixels_inside(data) > MAX_PIXELS:
        raise InvalidValue(f"{field}: this icon unpacks to far too many pixels.", "Send a smaller picture.", field=field)


def encode_image(
    image: Image.Image, infotext: str = "", file_format: str = "png", *, quality: int = 80, lossless: bool = False, texts: Mapping[str, str] | None = None,
) -> str:
    """``image`` as base64 of a file that carries ``infotext`` (a PNG ``texts``); no data URL in front, as A1111 sends it."""
    return base64.b64encode(encode(image, infotext, file_format, quality=quality, lossless=lossless, texts=texts)).decode("ascii")
