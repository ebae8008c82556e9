"""Several pictures on one sheet."""
from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image


def grid_rows(count: int, *, n_rows: int = -1, batch_size: int = 1, prevent_empty: bool = False) -> int:
    """How many rows ``count`` pictures take. n_rows: -1 near a square, 0 as many as a batch has pictures, else that many."""
    if count <= 0:
        return 0
    if n_rows > 0:
        rows = n_rows
    elif n_rows == 0:
        rows = batch_size
    elif prevent_empty:
        rows = math.isqrt(count)
        while count % rows:
            rows -= 1
    else:
        rows = round(math.sqrt(count))
    return max(1, min(rows, count))


def image_grid(pictures: Sequence[Image.Image], rows: int, background: str = "#ffffff") -> Image.Image:
    """A sheet of equal cells, filled row by row; a picture smaller than its cell stands in the middle."""
    columns = math.ceil(len(pictures) / rows)
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    sheet = Image.new("RGB", (columns * width, rows * height), background)
    for k, picture in enumerate(pictures):
        left, top = k % columns * width, k // columns * height
        sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
    return sheet
