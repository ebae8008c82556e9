"""The parameters text inside a picture file: PNG text, EXIF comment of JPEG, WebP, AVIF and TIFF, GIF comment. A BMP holds none."""
from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from modules.imaging.formats import FORMATS, unreadable_kind
from modules.schema.errors import InvalidValue
from modules.schema.infotext_foreign import infotext_of_texts
from modules.schema.infotext_samplers import schedule_label

PNG_KEY = "parameters"
WITHOUT_TEXT = frozenset({"bmp"})     # formats whose files hold no text: it goes beside them
MOST_TEXTS = 200                    # that are read of one picture; programs write a handful
_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"})     # what a PNG holds; a printer's JPEG is CMYK, say
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"
_NOT_FOR_USERS = frozenset({
    "background", "chromaticity", "comment", "compression", "dpi", "duration", "exif", "gamma", "icc_profile", "interlace", "jfif", "jfif_density", "jfif_unit",
    "jfif_version", "loop", "photoshop", "progression", "progressive", "resolution", "srgb", "timestamp", "transparency", "version", "adobe", "adobe_transform",
})
_NOVEL_AI_SAMPLERS = {
    "k_euler_ancestral": "Euler a", "k_euler": "Euler", "k_lms": "LMS", "plms": "PLMS", "ddim": "DDIM", "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE", "k_dpmpp_3m_sde": "DPM++ 3M SDE", "k_dpm_fast": "DPM fast", "k_dpm_adaptive": "DPM adaptive", "ddim_v3": "DDIM",
    "k_dpmpp_2s_ancestral": "DPM++ 2S a", "k_dpmpp_sde": "DPM++ SDE", "k_heun": "Heun", "k_dpm_2": "DPM2", "k_dpm_2_ancestral": "DPM2 a",
}


def encode(
    image: Image.Image, infotext: str = "", file_format: str = "png", *, quality: int = 80, lossless: bool = False, texts: Mapping[str, str] | None = None,
) -> bytes:
    """``image`` as the bytes of a file that carries ``infotext`` (empty: none). quality: 1..100, for JPEG, WebP and AVIF.

    texts: what a PNG carries instead, by key, for it can hold many. A text too long for EXIF (64 kB) is left out of a JPEG. Raises InvalidValue for a format that is not known here.
    """
    file_format = file_format.lower().lstrip(".") or "png"
    if file_format == "png":
        return png_bytes(image, infotext if texts is None else "", texts)
    if file_format == "gif":
        image = image.convert("RGB") if image.mode in ("CMYK", "I;16") else image
        return _saved(image, "GIF", **({"comment": printable(infotext).encode("utf-8")} if infotext else {}))
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "jfif": "JPEG", "webp": "WEBP", "avif": "AVIF", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF"}.get(file_format)
    if kind is None:
        raise InvalidValue(f"Pictures cannot be saved as {file_format[:20]!r}.", "Choose png, jpg, webp, avif, gif, bmp or tiff.", field="samples_format")
    if kind == "BMP":
        return _saved(image if image.mode in ("1", "L", "P", "RGB", "RGBA") else image.convert("RGB"), kind)
    if kind == "TIFF":
        return _saved(image, kind, **({"exif": exif_bytes(infotext)} if infotext else {}))      # not compressed: libtiff, which compresses, loses the EXIF block
    options: dict[str, Any] = {"quality": max(1, min(100, int(quality)))}
    if kind == "WEBP" and lossless:
        options["lossless"] = True
    if kind == "JPEG" and image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    exif = exif_bytes(infotext) if infotext else b""
    if exif and not (kind == "JPEG" and len(exif) > 65_000):
        options["exif"] = exif
    return _saved(image, kind, **options)


def png_bytes(image: Image.Image, infotext: str = "", extra: Mapping[str, str] | None = None, *, compress_level: int = 4) -> bytes:
    """A PNG file with ``infotext`` under "parameters", and ``extra`` texts by their keys.

    compress_level: zlib's 0..9; 4 takes half the time of Pillow's 6 and gives files 2 % larger.
    """
    if image.mode not in _PNG_MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    chunks = PngImagePlugin.PngInfo()
    for key, text in {**(extra or {}), **({PNG_KEY: infotext} if infotext else {})}.items():
        chunks.add_text(key, printable(text))
    return _saved(image, "PNG", pnginfo=chunks, compress_level=compress_level)


def exif_bytes(infotext: str) -> bytes:
    """An EXIF block whose user comment is ``infotext``, in UTF-16 as A1111 writes it."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _UNICODE + printable(infotext).encode("utf-16-be")
    return exif.tobytes()


def printable(text: str) -> str:
    """``text`` without what a metadata field cannot hold: lone surrogates become ``?``, NUL disappears."""
    return text.encode("utf-8", errors="replace").decode("utf-8").replace("\0", "")


def read_infotext_from(source: Image.Image | Path | bytes) -> tuple[str | None, dict[str, Any]]:
    """The parameters text of a picture, or None, and its other texts. Reads A1111's forms, NovelAI's, and those of the programs in ``infotext_foreign``.

    Raises InvalidValue for something that is not a picture.
    """
    if isinstance(source, Image.Image):
        return _read(source)
    try:
        kind = unreadable_kind(source if isinstance(source, bytes) else _beginning(source))
        if kind is not None:
            raise InvalidValue(f"This file is {kind.name}, which cannot be read here.", kind.remedy)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            return _read(image)
    except InvalidValue:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, struct.error, EOFError, KeyError, IndexError) as error:
        raise InvalidValue("This file is not a picture that can be read.", "Choose a PNG, JPEG, WebP, AVIF or GIF file.") from error


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _read(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    items = {str(key): _as_text(value) for key, value in islice(image.info.items(), MOST_TEXTS)}
    items.pop(PNG_KEY, None)
    infotext = _as_text(image.info.get(PNG_KEY)) or _exif_comment(image)
    if infotext is None and items.get("comment") and image.format != "JPEG2000":       # of a GIF, and of a JPEG without EXIF; there it names a program
        infotext = str(items["comment"]).strip("\0") or None
    if infotext is None and items.get("Software") == "NovelAI":
        infotext = _from_novel_ai(items, image.size)
    if infotext is None:
        infotext = infotext_of_texts({**items, **_texts_of_comfy(image)}, image.size)
    return infotext, {key: value for key, value in items.items() if key not in _NOT_FOR_USERS}


def _exif_comment(image: Image.Image) -> str | None:
    try:
        exif = image.getexif()
        tag = ExifTags.Base.UserComment
        comment = exif.get_ifd(ExifTags.IFD.Exif).get(tag) or exif.get(tag) if exif else None      # Fooocus has it outside of its own block
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        return None                     # a damaged EXIF block hides nothing else
    if isinstance(comment, str):
        return comment.strip("\0") or None
    if not isinstance(comment, bytes):
        return None
    if comment.startswith(_UNICODE):
        body = comment[len(_UNICODE) :]
        text = body.decode(_utf16_order(body), errors="replace")
    else:
        text = comment.removeprefix(_ASCII).decode("utf-8", errors="replace")
    return text.strip("\0\ufeff") or None


def _texts_of_comfy(image: Image.Image) -> dict[str, str]:
    """ComfyUI's graph in a WebP or JPEG: a tag of the EXIF block, whichever, says "prompt:{...}"."""
    try:
        texts = [value for value in image.getexif().values() if isinstance(value, str)]
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        return {}
    graph = next((text for text in texts if text[:7].lower() == "prompt:"), None)
    return {"prompt": graph[len("prompt:"):].strip("\0")} if graph else {}


def _utf16_order(body: bytes) -> str:
    """Big-endian as the standard and A1111 have it, unless the zero bytes of plain letters say otherwise."""
    return "utf-16-le" if body[1::2].count(0) > body[0::2].count(0) else "utf-16-be"


def _from_novel_ai(items: dict[str, Any], size: tuple[int, int]) -> str | None:
    try:
        facts = json.loads(items["Comment"])
        sampler = _NOVEL_AI_SAMPLERS.get(facts["sampler"], "Euler a")
        label = schedule_label(str(facts.get("noise_schedule")))
        schedule = f"Schedule type: {label}, " if label else ""
        return (f"{items['Description']}\nNegative prompt: {facts['uc']}\nSteps: {facts['steps']}, Sampler: {sampler}, {schedule}"
                f"CFG scale: {facts['scale']}, Seed: {facts['seed']}, Size: {size[0]}x{size[1]}, Clip skip: 2, ENSD: 31337")
    except (KeyError, TypeError, ValueError):
        return None


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.copy().save(buffer, kind, **options)      # Pillow keeps options on the picture while it saves: two threads would mix theirs
    return buffer.getvalue()
