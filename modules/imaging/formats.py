"""Which kinds of picture files are opened, and what a file is that is none of them. Pillow's other readers, some of which start programs, see no file of a stranger."""
from __future__ import annotations

import re
from typing import NamedTuple

# JPEG covers MPO, of phones and 3D cameras. TGA is last: it has no mark of its own, and would try every file.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "AVIF", "TIFF", "JPEG2000", "ICO", "PPM", "QOI", "PCX", "SGI", "DDS", "TGA")
SHOWN_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
"""Of pictures that are handed to browsers and listed as the user's own: those that programs like this one save."""
SUFFIXES = (*SHOWN_SUFFIXES, ".jp2", ".j2k", ".jpx", ".jpf", ".ico", ".ppm", ".pgm", ".pbm", ".pnm", ".qoi", ".pcx", ".dds", ".tga")
SLOW_FORMATS = {"JPEG2000": 16_000_000}     # most pixels: a kilobyte unpacks to seconds and gigabytes
_PLAIN_PIXELS = 4_000_000                   # of a PPM whose numbers are written out, which Pillow reads in Python
_INNER_PNG = re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR(.{4})(.{4})", re.DOTALL)


class Unreadable(NamedTuple):
    """A kind of file that people take for a picture. name: with its article. remedy: what to do with it."""

    name: str
    remedy: str


_EXPORT = "Save it as PNG or JPEG first."
_HEIC = Unreadable("a HEIC picture", "Save it as JPEG or PNG first; an iPhone takes JPEG with Settings > Camera > Formats > Most Compatible.")
_RAW = Unreadable("a camera's raw file", "Develop it to JPEG, PNG or TIFF first.")
_VIDEO = Unreadable("a video", "Save a frame of it as PNG or JPEG first.")
_PAGE = Unreadable("a web page", "Save the picture itself, not the page that shows it.")
_BEGINNINGS = (
    (b"8BPS", Unreadable("a Photoshop file (PSD)", "Export it as PNG or JPEG first.")), (b"gimp xcf", Unreadable("a GIMP file (XCF)", "Export it as PNG or JPEG first.")),
    (b"\xff\x0a", Unreadable("a JPEG XL picture", _EXPORT)), (b"\0\0\0\x0cJXL ", Unreadable("a JPEG XL picture", _EXPORT)),
    (b"\x76\x2f\x31\x01", Unreadable("an OpenEXR picture", _EXPORT)), (b"#?RADIANCE", Unreadable("a Radiance HDR picture", _EXPORT)),
    (b"II*\0\x10\0\0\0CR", _RAW), (b"FUJIFILMCCD-RAW", _RAW), (b"IIRO", _RAW), (b"IIRS", _RAW), (b"MMOR", _RAW), (b"IIU\0", _RAW), (b"FOVb", _RAW),
    (b"%PDF", Unreadable("a PDF document", "Save the page as PNG or JPEG first.")), (b"%!PS", Unreadable("a PostScript file (EPS)", "Export it as PNG or JPEG first.")),
    (b"\x1a\x45\xdf\xa3", _VIDEO), (b"\0\0\x01\xba", _VIDEO), (b"\0\0\x01\xb3", _VIDEO), (b"PK\x03\x04", Unreadable("a ZIP archive", "Unpack it, and take the pictures in it.")),
)  # fmt: skip
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = (b"avif", b"avis")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).){0,2000}-->\s*)*(?:<!doctype\s+)?<?(svg|html)\b", re.IGNORECASE | re.DOTALL)


def unreadable_kind(data: bytes) -> Unreadable | None:
    """What a file is that is never opened, by its first bytes; None for what may be a picture that can be read."""
    found = next((kind for beginning, kind in _BEGINNINGS if data.startswith(beginning)), None)
    if found is not None:
        return found
    if data[4:8] == b"ftyp":
        return _of_boxes(data)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO
    markup = _MARKUP.match(data[:4000].lstrip())
    if markup is None:
        return None
    return _PAGE if markup[1].lower() == b"html" else Unreadable("an SVG drawing", "Export it as PNG first.")


def _of_boxes(data: bytes) -> Unreadable | None:
    """Of the files that begin with a box "ftyp": AVIF, which is read, HEIC, Canon's raw files and videos."""
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 200)]
    if any(brand in brands for brand in _AVIF_BRANDS):
        return None
    if brands[:4] == b"crx ":
        return _RAW
    return _HEIC if brands[:4] in _HEIC_BRANDS else _VIDEO


def most_pixels(kind: str | None, data: bytes, usual: int) -> int:
    """How many pixels a picture of Pillow's format ``kind`` may have: fewer than ``usual`` where unpacking it is slow."""
    if kind == "PPM" and data[:2] in (b"P1", b"P2", b"P3"):
        return _PLAIN_PIXELS
    return SLOW_FORMATS.get(kind or "", usual)


def pixels_inside(data: bytes) -> int:
    """The most pixels of a PNG inside an icon's file, whose own header tells another size."""
    return max((int.from_bytes(found[1], "big") * int.from_bytes(found[2], "big") for found in _INNER_PNG.finditer(data)), default=0)
