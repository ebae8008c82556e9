"""Generate, asked for before the page is ready: with many extensions a page takes seconds, and users do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import FakePage, Visit

pytestmark = pytest.mark.browser

WAITS_FOR_MORE = "addEventListener('DOMContentLoaded', () => { webui.boot.awaited = [...(webui.boot.awaited || []), 'comes_late']; })"
MORE_COMES = "() => { const late = document.createElement('div'); late.id = 'comes_late'; document.body.append(late); }"
HAS_ITS_FIELDS = "() => document.querySelector('#txt2img_token_counter') && document.querySelector('#txt2img_steps input')"


@pytest.mark.parametrize("way", ["click", "key"])
def test_generate_waits_until_the_page_is_ready_and_its_fields_are_back(way: str, fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    browser.fill("of before", width=64, height=64, steps=3)
    page.add_init_script(WAITS_FOR_MORE)
    page.reload()
    page.wait_for_function(HAS_ITS_FIELDS)
    assert not page.evaluate("webui.ready")
    for _ in range(2):                      # impatient, and yet one job
        if way == "click":
            page.click("#txt2img_generate")
        else:
            page.press("#txt2img_prompt textarea", "Control+Enter")
    assert "waits" in (page.get_attribute("#txt2img_generate", "class") or "")
    page.evaluate(MORE_COMES)
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert browser.infotext().startswith("of before") and "Steps: 3" in browser.infotext()
    assert page.evaluate("webui.sentCount") == 1
    assert "waits" not in (page.get_attribute("#txt2img_generate", "class") or "")
