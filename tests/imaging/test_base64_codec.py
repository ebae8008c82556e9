"""What comes in over JSON is measured before it is unpacked."""
from __future__ import annotations

import base64
import io
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from modules.imaging.base64_codec import decode_image, encode_image
from modules.schema.errors import InvalidValue

IMAGE = Image.new("RGB", (20, 10), "green")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, body: bytes = b"") -> str:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", body or zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("file_format", ["png", "jpg", "webp"])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:image/png;charset=utf-8;base64,"])
def test_round_trip(file_format: str, prefix: str) -> None:
    text = encode_image(IMAGE, "Steps: 1", file_format, quality=95)
    assert decode_image(prefix + text).size == (20, 10)
    assert decode_image(prefix + "\n".join(text[k : k + 76] for k in range(0, len(text), 76))).size == (20, 10)


BOMBS = {
    "empty": "", "text": "abc", "not base64": "!" * 100, "address": "http://127.0.0.1:1/x.png", "address2": "HTTPS://x/y", "prefix only": "data:image/png;base64,",
    "60 kpx square": png(60_000, 60_000), "9 kpx square": png(9000, 9000), "zero": png(0, 0), "truncated": encode_image(IMAGE)[:80],
    "zTXt of a gigabyte": png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 100_000_000))),
    "iCCP of a gigabyte": png(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 100_000_000))),
    "svg": base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(), "html": base64.b64encode(b"<html>").decode(),
    "eps": base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode(), "surrogate": "\ud800" * 10, "huge": "A" * 200_000_001,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.group("S16")
def test_bombs_are_refused_quickly_and_cheaply(name: str) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        image = decode_image(BOMBS[name])
    except InvalidValue as error:
        assert error.field == "image" and len(str(error)) < 400
    else:
        assert image.size == (8, 8)     # an ancillary chunk may be skipped, not unpacked
    assert time.process_time() - start < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000    # kilobytes


@pytest.mark.group("S16")
def test_a_gif_of_many_frames_is_its_first() -> None:
    out = io.BytesIO()
    IMAGE.save(out, "GIF", save_all=True, append_images=[Image.new("RGB", (20, 10), (k % 255, 0, 0)) for k in range(300)])
    start = time.process_time()
    assert decode_image(base64.b64encode(out.getvalue()).decode()).size == (20, 10)
    assert time.process_time() - start < 0.2


def test_a_turned_photograph_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    IMAGE.save(out, "JPEG", exif=exif.tobytes())
    assert decode_image(base64.b64encode(out.getvalue()).decode()).size == (10, 20)


@pytest.mark.parametrize(("file_format", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_a_grey_picture_of_16_bits_keeps_its_greys(file_format: str, order: str) -> None:
    """Depth maps and masks of other programs: they came out white all over."""
    out = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 0x4000, 0x80FF, 0xFFFF]], dtype=order)).save(out, file_format)
    image = decode_image(base64.b64encode(out.getvalue()).decode())
    assert np.asarray(image.convert("L")).tolist() == [[0, 0, 64, 128, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "LAB", "I", "F", "I;16"])
def test_a_picture_of_any_kind_can_be_seen_in_colours_and_in_grey(mode: str) -> None:
    """As first picture and as mask."""
    out = io.BytesIO()
    (Image.new("I;16", (20, 10)) if mode == "I;16" else IMAGE.convert(mode)).save(out, "TIFF")
    image = decode_image(base64.b64encode(out.getvalue()).decode())
    assert image.convert("RGB").size == image.convert("L").size == image.convert("RGBA").size == (20, 10)
