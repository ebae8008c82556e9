"""A sheet of pictures with words beside its rows and above its columns."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_LEFT_SHARE = 3 / 4         # of a picture's width: the room for the rows' words, as in A1111
_STRUCK_LINE = 4            # pixels


@dataclass(frozen=True)
class Words:
    """One line of words. An inactive one is struck through: this picture was made without it."""

    text: str
    is_active: bool = True


@dataclass(frozen=True, kw_only=True)
class GridStyle:
    """Colours as Pillow takes them. font_file: "" for the one that comes with Pillow. margin: pixels between the pictures."""

    active: str = "#000000"
    inactive: str = "#999999"
    background: str = "#ffffff"
    font_file: str = ""
    margin: int = 0


@dataclass(frozen=True)
class _Line:
    words: Words
    font: Any
    width: float
    height: float


@dataclass
class _Block:
    lines: list[_Line] = field(default_factory=list)
    spacing: int = 0

    @property
    def height(self) -> float:
        return sum(line.height + self.spacing for line in self.lines) - self.spacing if self.lines else 0


def annotated(
    sheet: Image.Image, width: int, height: int, columns: Sequence[Sequence[Words]], rows: Sequence[Sequence[Words]], *,
    title: Sequence[Words] = (), style: GridStyle = GridStyle(),
) -> Image.Image:
    """``sheet`` of cells (width, height) in pixels, its cells moved apart by the margin, with the words of each column and row, and a title."""
    size = max((width + height) // 25, 1)
    spacing = size // 2
    has_rows = any(words.text for block in rows for words in block)
    left = int(width * _LEFT_SHARE) if has_rows else 0
    across, down = sheet.width // width, sheet.height // height
    total = left + sheet.width + style.margin * (across - 1)
    above = [_block(block, size, width, spacing, style) for block in columns]
    beside = [_block(block, size, left, spacing, style) for block in rows]
    heading = _block(title, size, total, spacing, style)
    head = int(heading.height + 2 * spacing) if heading.height else 0
    top = int(max((block.height for block in above), default=0))
    top = top + 2 * spacing if top else 0
    result = Image.new("RGB", (total, head + top + sheet.height + style.margin * (down - 1)), style.background)
    for row in range(down):
        for column in range(across):
            cell = sheet.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
            result.paste(cell, (left + (width + style.margin) * column, head + top + (height + style.margin) * row))
    draw = ImageDraw.Draw(result)
    for column, block in enumerate(above[:across]):
        _write(draw, left + (width + style.margin) * column + width / 2, head + (top - block.height) / 2, block, style)
    for row, block in enumerate(beside[:down]):
        _write(draw, left / 2, head + top + (height + style.margin) * row + (height - block.height) / 2, block, style)
    _write(draw, total / 2, (head - heading.height) / 2, heading, style)
    return result


def prompt_matrix_words(parts: Sequence[str]) -> tuple[list[list[Words]], list[list[Words]]]:
    """(columns, rows) for all combinations of ``parts``: the first half counts along the columns, the second along the rows."""
    middle = (len(parts) + 1) // 2

    def combinations(some: Sequence[str]) -> list[list[Words]]:
        return [[Words(text, bool(place & 1 << n)) for n, text in enumerate(some)] for place in range(1 << len(some))]

    return combinations(parts[:middle]), combinations(parts[middle:])


def _block(words: Sequence[Words], size: int, room: int, spacing: int, style: GridStyle) -> _Block:
    block = _Block(spacing=spacing)
    font = _font(style.font_file, size)
    for each in words:
        for text in _wrapped(each.text, font, room):
            line = font
            for smaller in range(size, 0, -1):          # one long word: it is written smaller
                line = _font(style.font_file, smaller)
                if line.getlength(text) <= room:
                    break
            box = line.getbbox(text)
            block.lines.append(_Line(Words(text, each.is_active), line, line.getlength(text), box[3] - box[1]))
    return block


def _wrapped(text: str, font: Any, room: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def _font(file: str, size: int) -> Any:
    if file:
        try:
            return ImageFont.truetype(file, size)
        except OSError:
            pass                    # a font that is gone costs no picture
    return ImageFont.load_default(size)


def _write(draw: ImageDraw.ImageDraw, x: float, y: float, block: _Block, style: GridStyle) -> None:
    for line in block.lines:
        middle = y + line.height / 2
        draw.text((x, middle), line.words.text, font=line.font, fill=style.active if line.words.is_active else style.inactive, anchor="mm")
        if not line.words.is_active:
            draw.line((x - line.width // 2, middle, x + line.width // 2, middle), fill=style.inactive, width=_STRUCK_LINE)
        y += line.height + block.spacing
