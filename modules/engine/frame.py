"""What a finished picture is put into: its colours, the whole that it is a part of, and what is laid over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from PIL import Image

from modules.imaging.colour import Levels, corrected
from modules.imaging.masks import Box, put_back, under_overlay


@dataclass(frozen=True, kw_only=True)
class Frame:
    """over: the untouched part, RGBA. box: where in ``over`` the picture stands, None for all of it. colours: what its own are brought to.

    mask: what ``over`` was cut with, white where it is painted.
    """

    over: Image.Image | None = None
    box: Box | None = None
    colours: Levels | None = None
    mask: Image.Image | None = None

    def around(self, picture: Image.Image) -> Image.Image:
        """The picture as it is shown."""
        picture = self.coloured(picture)
        return picture if self.over is None else under_overlay(picture, self.over, self.box)

    def alone(self, picture: Image.Image) -> Image.Image:
        """The same without what is laid over it."""
        picture = self.coloured(picture)
        return picture if self.over is None or self.box is None else put_back(picture, self.box, self.over.size)

    def coloured(self, picture: Image.Image) -> Image.Image:
        return picture if self.colours is None else corrected(picture, self.colours)

    @property
    def with_own_colours(self) -> Self:
        return replace(self, colours=None)
