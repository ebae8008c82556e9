"""Buttons with pictures on them are such on every machine, also one without a font for emoji, as many a Linux."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

LOADED = """async () => {
    const pictures = [...document.querySelectorAll("button.tool")].map((each) => each.textContent.trim()).filter((text) => /\\p{Extended_Pictographic}/u.test(text));
    const fonts = await Promise.all(pictures.map((text) => document.fonts.load("16px webui-emoji", text)));
    return [pictures.length, fonts.every((each) => each.length === 1 && each[0].status === "loaded"), getComputedStyle(document.querySelector("button.tool")).fontFamily];
}"""


def test_the_pictures_on_buttons_have_a_font_of_our_own(open_visit: Visit) -> None:
    count, loaded, family = open_visit.page.evaluate(LOADED)
    assert count > 10 and loaded
    assert family.index("sans-serif") < family.index("Noto Color Emoji") < family.index("webui-emoji")     # the machine's own first
