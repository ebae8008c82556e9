"""The queue panel: order, cancelling, pausing and second tries by hand."""
from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import FakePage, Visit
from tests.browser.test_jobs import SMALL, hold


def prompts(browser: Visit) -> list[str]:
    return browser.page.locator("#webui_queue li .queue-prompt").all_inner_texts()


def press(browser: Visit, words: str, prompt: str) -> None:
    browser.page.locator("#webui_queue .queue-job", has_text=prompt).locator("button", has_text=words).click()


def test_jobs_are_ordered_cancelled_and_tried_again_from_the_panel(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    hold(fake_page, browser, "runs")
    for number, prompt in enumerate(("first", "second", "third"), 2):
        browser.generate(prompt, **SMALL)
        browser.page.wait_for_function("(count) => webui.jobs.txt2img.accepted.size === count", arg=number)
    browser.page.click("#webui_queue_button")
    browser.page.wait_for_selector("#webui_queue .queue-preview")
    assert prompts(browser)[:3] == ["1. first", "2. second", "3. third"]
    browser.page.click("#txt2img_generate", trial=True, timeout=10_000)  # the panel covers nothing that fills the queue
    press(browser, "Next", "3. third")
    browser.page.wait_for_selector("#webui_queue >> text=1. third")
    press(browser, "Cancel", "2. first")
    browser.page.wait_for_selector("#webui_queue >> text=2. second")
    assert [job.payload["request"]["prompt"] for job in fake_page.app.jobs.pending()] == ["third", "second"]
    browser.page.click("#webui_queue >> text=Pause")
    browser.page.wait_for_selector("#webui_queue >> text=nothing is begun")
    browser.page.click("#webui_queue >> text=Resume")
    fake_page.engine.gate.set()
    browser.wait_idle()
    assert [job.payload["request"]["prompt"] for job in fake_page.app.jobs.recent(3)] == ["second", "third", "runs"]
    press(browser, "Again", "second")
    browser.page.wait_for_selector("#webui_queue li:nth-child(1) >> text=second")
    browser.page.wait_for_function("document.querySelector('#html_info_txt2img').textContent.trim().startsWith('second')")
    browser.wait_idle()
    press(browser, "Show", "runs")
    browser.page.wait_for_function("document.querySelector('#html_info_txt2img').textContent.trim().startsWith('runs')")
    browser.page.keyboard.press("Escape")


def test_interrupt_first_finishes_the_picture_at_work(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    fake_page.engine.started.clear()
    fake_page.engine.gate.clear()
    browser.generate("several", **SMALL, batch_count=4)
    assert fake_page.engine.started.wait(60)
    browser.page.click("#txt2img_interrupt")
    browser.page.wait_for_selector(".webui-toast >> text=click again to stop")
    job = fake_page.app.jobs.running()
    assert job is not None and job.cancel.stopping and not job.cancel.interrupted
    browser.page.evaluate("id => webui.jobAnswered('txt2img', JSON.stringify({id}))", job.id)       # the answer to Generate may come that late
    browser.page.click("#txt2img_interrupting", timeout=10_000)
    browser.wait_idle()
    assert job.cancel.interrupted and job.state.value == "interrupted"
