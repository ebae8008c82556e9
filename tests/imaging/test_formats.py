"""Pictures of the less common kinds are read, and what cannot be read is called by its name."""
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.imaging.base64_codec import open_image
from modules.imaging.formats import FORMATS, unreadable_kind
from modules.imaging.metadata import read_infotext_from
from modules.schema.errors import InvalidValue

GREEN = Image.new("RGB", (32, 32), (0, 128, 0))


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "JPEG2000", "QOI", "PCX", "SGI", "DDS", "DIB"])
def test_less_common_kinds_are_read(kind: str) -> None:
    file = io.BytesIO()
    GREEN.save(file, kind)
    found = open_image(file.getvalue())
    assert found.size == (32, 32) and found.convert("RGB").getpixel((9, 9)) == (0, 128, 0)
    assert read_infotext_from(file.getvalue())[0] is None


def test_a_grey_picture_of_16_bits_keeps_its_greys() -> None:
    levels = np.linspace(0, 65535, 256).astype(">u2").reshape(1, 256)
    found = open_image(b"P5\n256 1\n65535\n" + levels.tobytes())
    assert found.mode == "L" and abs(np.asarray(found).astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize(("beginning", "name"), [
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"), (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"), (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file"), (b"8BPS\0\1", "Photoshop"), (b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='a'>", "SVG"), (b"\xef\xbb\xbf<svg>", "SVG"),
    (b"<!DOCTYPE html><html>", "web page"), (b"\x1a\x45\xdf\xa3webm", "a video"), (b"RIFF\0\0\0\0AVI LIST", "a video"), (b"%PDF-1.7", "PDF"), (b"\xff\x0a\0\0", "JPEG XL"),
    (b"%!PS-Adobe", "PostScript"),
])
def test_what_cannot_be_read_is_called_by_its_name(beginning: bytes, name: str, tmp_path: Path) -> None:
    data = beginning + b"\0" * 300
    path = tmp_path / "x"
    path.write_bytes(data)
    for read in (lambda: open_image(data, "mask"), lambda: read_infotext_from(data), lambda: read_infotext_from(path)):
        with pytest.raises(InvalidValue, match=name) as refused:
            read()
        assert refused.value.remedy


def test_an_avif_is_none_of_them() -> None:
    file = io.BytesIO()
    GREEN.save(file, "AVIF")
    assert unreadable_kind(file.getvalue()) is None and open_image(file.getvalue()).size == (32, 32)


def test_formats_that_call_programs_or_hold_them_stay_closed() -> None:
    assert not {"EPS", "WMF", "FITS", "PSD", "ICNS", "IPTC", "HDF5", "GRIB", "BUFR", "MPEG"} & set(FORMATS)
