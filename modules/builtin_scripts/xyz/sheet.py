"""The cells of an X/Y/Z plot and the sheets they are put on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from modules.a1111.processed import Processed
from modules.a1111.script_pictures import grid_style, sheet_of
from modules.imaging.annotated_grid import Words, annotated

Place = tuple[int, int, int]        # along x, y, z


@dataclass
class Cells:
    """What each cell gave, by place; a cell that failed, or was not reached, is missing. size: how many along x, y, z."""

    size: Place
    made: dict[Place, Processed] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        """All, row by row, sheet by sheet."""
        across, down, deep = self.size
        return [(x, y, z) for z in range(deep) for y in range(down) for x in range(across)]

    def first(self) -> Processed | None:
        return next((self.made[place] for place in self.places if place in self.made), None)


@dataclass(frozen=True, kw_only=True)
class Labels:
    x: list[str]
    y: list[str]
    z: list[str]


def sheets(p: Any, cells: Cells, labels: Labels, *, legend: bool, margin: int) -> tuple[Image.Image, list[Image.Image]] | None:
    """(all on one, one for each value of z); None when no cell was made."""
    known = [each.images[0] for each in cells.made.values()]
    if not known:
        return None
    blank = Image.new("RGB", known[0].size, grid_style(p).background)
    style = grid_style(p, margin)
    between = grid_style(p)         # A1111's margin lies between pictures, not between the sheets of z
    subs: list[Image.Image] = []
    for z in range(cells.size[2]):
        pictures = [cells.made[place].images[0] if place in cells.made else blank for place in cells.places if place[2] == z]
        sheet = sheet_of(p, pictures, cells.size[1])
        if legend:
            width, height = max(each.width for each in pictures), max(each.height for each in pictures)
            sheet = annotated(sheet, width, height, [[Words(text)] for text in labels.x], [[Words(text)] for text in labels.y], style=style)
        subs.append(sheet)
    whole = sheet_of(p, subs, 1)
    if legend:
        width, height = max(each.width for each in subs), max(each.height for each in subs)
        whole = annotated(whole, width, height, [[Words(text)] for text in labels.z], [[Words("")]], style=between)
    return whole, subs
