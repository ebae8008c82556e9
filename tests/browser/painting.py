"""Painting on a canvas of the page, with the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def stroke(page: Page, canvas: str, points: Sequence[tuple[float, float]]) -> None:
    """points: in shares of what is seen of the picture."""
    page.locator(f"#{canvas} .canvas-viewport").scroll_into_view_if_needed()
    box = page.locator(f"#{canvas} .canvas-viewport").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()
