"""Names that Pillow 9 and NumPy 1 have, which extensions were written for, and that their successors lack. The only place where the two are given names."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_IMAGE = {
    "ANTIALIAS": Image.Resampling.LANCZOS, "LINEAR": Image.Resampling.BILINEAR, "CUBIC": Image.Resampling.BICUBIC, "NORMAL": 0, "SEQUENCE": 1, "CONTAINER": 2,
    "isImageType": lambda t: isinstance(t, Image.Image),
}  # fmt: skip
_FONT = {"LAYOUT_BASIC": ImageFont.Layout.BASIC, "LAYOUT_RAQM": ImageFont.Layout.RAQM}
_NUMPY: dict[str, Any] = {
    "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "string_": np.bytes_, "bool8": np.bool_, "int0": np.intp, "uint0": np.uintp,
    "object0": np.object_, "str0": np.str_, "bytes0": np.bytes_, "void0": np.void, "singlecomplex": np.complex64, "cfloat": np.complex128,
    "longfloat": np.longdouble, "longcomplex": np.clongdouble, "clongfloat": np.clongdouble,
    "Inf": np.inf, "Infinity": np.inf, "infty": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan, "PZERO": 0.0, "NZERO": -0.0,
    "product": np.prod, "cumproduct": np.cumprod, "sometrue": np.any, "alltrue": np.all, "round_": np.round, "mat": np.asmatrix, "trapz": np.trapezoid,
    "in1d": lambda ar1, ar2, *rest, **keywords: np.isin(np.ravel(ar1), ar2, *rest, **keywords), "msort": lambda a: np.sort(a, axis=0),
    "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype=dtype if np.issubdtype(dtype, np.inexact) else np.float64),
    "issubclass_": lambda arg1, arg2: isinstance(arg1, type) and issubclass(arg1, arg2), "find_common_type": lambda arrays, scalars: np.result_type(*arrays, *scalars),
    "float": float, "int": int, "object": object, "str": str, "complex": complex,      # gone since 1.24 already
}  # fmt: skip


def install() -> None:
    """Process-wide; what the packages still have stays as it is. Doing it twice changes nothing."""
    for place, names in ((Image, _IMAGE), (ImageFont, _FONT), (ImageDraw.ImageDraw, _DRAW), *((kind, _MEASURES) for kind in _FONTS)):
        for name, value in names.items():
            if not hasattr(place, name):
                setattr(place, name, value)
    if np.__getattr__ is not _numpy_name:  # asked for what is not there: dir() shows none of it
        _numpys_own.append(np.__getattr__)      # type: ignore[attr-defined]
        np.__getattr__ = _numpy_name


_numpys_own: list[Callable[[str], Any]] = []


def _numpy_name(name: str) -> Any:
    return _NUMPY[name] if name in _NUMPY else _numpys_own[0](name)


# -- how large a text is: Pillow 9 measures from the origin down, Pillow 10 a box --------------------------------------------


def _size(font: Any, text: Any, *rest: Any, **keywords: Any) -> tuple[int, int]:
    """``font.getsize(text, direction, features, language, stroke_width)``."""
    names = dict(zip(("direction", "features", "language", "stroke_width"), rest, strict=False)) | keywords
    left, _, right, bottom = font.getbbox(text, **names)
    return int(right - left), int(bottom + names.get("stroke_width", 0))


def _size_of_lines(font: Any, text: Any, direction: Any = None, spacing: float = 4, *rest: Any, **keywords: Any) -> tuple[int, float]:
    names = {"direction": direction, **dict(zip(("features", "language", "stroke_width"), rest, strict=False)), **keywords}
    lines = _lines(text)
    height = _size(font, "A", **names)[1] + spacing
    return max(_size(font, each, **names)[0] for each in lines), len(lines) * height - spacing


def _lines(text: Any) -> list[Any]:
    return list(text.split("\n" if isinstance(text, str) else b"\n"))


def _offset(font: Any, text: Any) -> tuple[int, int]:
    left, top, *_ = font.getbbox(text)
    return int(left), int(top)


def _text_size(draw: Any, text: Any, font: Any = None, spacing: float = 4, *rest: Any, **keywords: Any) -> tuple[int, float]:
    """``draw.textsize(text, font, spacing, direction, features, language, stroke_width)``."""
    names = dict(zip(("direction", "features", "language", "stroke_width"), rest, strict=False)) | keywords
    font = font or draw.getfont()
    known = names if isinstance(font, ImageFont.FreeTypeFont) else {}       # others have one way to write
    if len(_lines(text)) > 1:
        return _size_of_lines(font, text, spacing=spacing, **known)
    return _size(font, text, **known)


_DRAW = {"textsize": _text_size, "multiline_textsize": _text_size}
_MEASURES = {"getsize": _size, "getsize_multiline": _size_of_lines, "getoffset": _offset}
_FONTS = (ImageFont.FreeTypeFont, ImageFont.ImageFont, ImageFont.TransposedFont)
