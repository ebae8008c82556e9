"""Text as CLIP's original tokenizer sees it: straight quotes, plain widths and ligatures, no control characters, lower case.

A1111's tokenizer runs texts through ftfy; these are its rules, except that text decoded wrongly ("cafÃ©") is left as it is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache

_SINGLE_QUOTES = re.compile("[\u02bc\u2018-\u201b]")
_DOUBLE_QUOTES = re.compile("[\u201c-\u201f]")
_TERMINAL_COLOURS = re.compile("\x1b\\[[\\d;]*[a-zA-Z]")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")
_BLANKS = re.compile(r"\s+")
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")          # one character in two surrogates
_LONE_HALF = re.compile("[\ud800-\udfff]")
_LIGATURES = {
    "Ĳ": "IJ", "ĳ": "ij", "ŉ": "ʼn", "Ǳ": "DZ", "ǲ": "Dz", "ǳ": "dz", "Ǆ": "DŽ", "ǅ": "Dž", "ǆ": "dž", "Ǉ": "LJ", "ǈ": "Lj",
    "ǉ": "lj", "Ǌ": "NJ", "ǋ": "Nj", "ǌ": "nj", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st",
}  # fmt: skip
_ROUNDS = 8         # one repair may make room for another, such as &amp;lt;
_CONTROLS = [*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD)]


def clean_text(text: str) -> str:
    """One stretch of prompt, ready to be split into tokens."""
    if not text.isascii() or "&" in text or not text.isprintable():
        text = unicodedata.normalize("NFC", _fixed(text))
    return _BLANKS.sub(" ", text).strip().lower()


def _fixed(text: str) -> str:
    """All repairs. From the first line with a ``<`` on, entities stay: it may be HTML on purpose."""
    plain_lines = text.rfind("\n", 0, text.find("<") + 1) + 1 if "<" in text else len(text)
    return _repaired(text[:plain_lines], entities=True) + _repaired(text[plain_lines:], entities=False)


def _repaired(text: str, *, entities: bool) -> str:
    for _ in range(_ROUNDS):
        before = text
        if entities:
            text = _ENTITY.sub(_entity, text)
        text = _SINGLE_QUOTES.sub("'", text.translate(_characters()))
        text = _DOUBLE_QUOTES.sub('"', text)
        text = _LONE_HALF.sub("\ufffd", _HALVES.sub(_whole, text))
        text = _TERMINAL_COLOURS.sub("", text).translate(dict.fromkeys(_CONTROLS))
        if text == before:
            break
    return text


@cache
def _characters() -> dict[int, str]:
    """Windows' characters in the place of C1 controls, ligatures, full and half width forms, line breaks."""
    table = {code: bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(0x80, 0xA0)}
    table |= {ord(ligature): letters for ligature, letters in _LIGATURES.items()}
    table |= {code: unicodedata.normalize("NFKC", chr(code)) for code in [0x3000, *range(0xFF01, 0xFFF0)]}
    return table | dict.fromkeys((0x2028, 0x2029), "\n")


def _entity(match: re.Match[str]) -> str:
    """``&amp;`` as its character; ``&EACUTE;`` as the capital of ``&eacute;``."""
    entity = match[0]
    found = html.unescape(entity)
    if found == entity and entity.isupper():
        return html.unescape(entity.lower()).upper() if html.unescape(entity.lower()) != entity.lower() else entity
    return entity if ";" in found and found != ";" else found


def _whole(match: re.Match[str]) -> str:
    return match[0].encode("utf-16", "surrogatepass").decode("utf-16")
