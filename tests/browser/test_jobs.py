"""Jobs belong to the server: whatever the page does, its jobs go on, and it finds them again."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from modules.application import generation
from modules.schema.request import Txt2ImgRequest
from tests.browser.conftest import FakePage, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Route

SMALL = {"steps": 3, "width": 64, "height": 64}


def hold(server: FakePage, browser: Visit, prompt: str = "held") -> None:
    """A job that stands still in its first step, watched by the page."""
    server.engine.started.clear()
    server.engine.gate.clear()
    browser.generate(prompt, **SMALL)
    assert server.engine.started.wait(60)


def test_a_reload_in_mid_job_finds_preview_and_result(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    hold(fake_page, browser, "before the reload")
    browser.page.reload()
    browser.page.wait_for_selector("html.webui-ready", state="attached")
    browser.page.wait_for_selector(".livePreview img")
    assert browser.page.is_visible("#txt2img_interrupt")
    assert browser.page.get_attribute("#txt2img_skip", "style") == "display: block;"     # by these very words SDAtom's queue knows that a picture is being drawn
    assert "%" in browser.page.title() or "Starting" in browser.page.title()
    fake_page.engine.gate.set()
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert browser.infotext().startswith("before the reload")
    assert browser.page.locator(".livePreview").count() == 0
    assert browser.page.is_hidden("#txt2img_interrupt")


def test_another_device_sees_the_running_job(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    first = visit(fake_page.url)
    hold(fake_page, first, "seen from elsewhere")
    second = visit(fake_page.url)
    second.page.wait_for_selector(".progressDiv")
    first.page.close()
    fake_page.engine.gate.set()
    second.page.wait_for_selector("#txt2img_gallery img")
    second.wait_idle()
    assert second.infotext().startswith("seen from elsewhere")


def test_two_windows_show_each_its_own_pictures(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    """Also where one of them takes its job back, so that it has nothing to do while the other's runs, and after a reload."""
    first, idle = visit(fake_page.url), visit(fake_page.url)
    idle.generate("of the idle one", **SMALL)
    idle.wait_idle()
    hold(fake_page, first, "of the first")
    idle.generate("taken back", **SMALL)
    idle.page.wait_for_function("webui.jobs.txt2img.accepted.size === 1")
    first.page.reload()
    idle.page.click("#txt2img_interrupt")
    idle.wait_idle()
    for _ in range(2):
        idle.page.evaluate("webui.queue.refresh()")      # what it does every few seconds
    assert idle.page.evaluate("webui.jobs.txt2img.ids.length") == 0
    idle.generate("in line behind", **SMALL)
    first.page.wait_for_selector("html.webui-ready", state="attached")
    assert first.page.evaluate("webui.jobs.txt2img.ids.length") == 1
    fake_page.engine.gate.set()
    first.wait_idle()
    idle.wait_idle()
    assert first.infotext().startswith("of the first")
    assert idle.infotext().startswith("in line behind")


def test_a_job_that_ended_while_the_tab_was_closed_is_shown(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    hold(fake_page, browser, "finished alone")
    context = browser.page.context
    browser.page.close()
    fake_page.engine.gate.set()
    job = fake_page.app.jobs.running()
    if job is not None:
        fake_page.app.jobs.wait(job, 30)
    again = visit(fake_page.url, context=context)
    again.page.wait_for_selector("#txt2img_gallery img")
    again.wait_idle()
    assert again.infotext().startswith("finished alone")


def test_generating_again_puts_the_second_job_in_line(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    hold(fake_page, browser, "first")
    browser.generate("second", **SMALL)
    browser.page.wait_for_function("webui.jobs.txt2img.accepted.size === 2")
    assert len(fake_page.app.jobs.pending()) == 1
    assert browser.page.get_attribute("#txt2img_generate", "data-waiting") == "1"
    fake_page.engine.gate.set()
    browser.wait_idle()
    assert browser.infotext().startswith("second")


def test_a_click_that_is_answered_while_a_result_comes_into_the_page(open_visit: Visit) -> None:
    browser, page = open_visit, open_visit.page
    page.evaluate("() => { window.ofBefore = webui.galleryLoaded; webui.galleryLoaded = () => new Promise((done) => { window.goOn = done; }); }")
    browser.generate("the first", **SMALL)
    page.wait_for_function("!!window.goOn")
    held: list[Route] = []
    page.route("**/internal/progress*", lambda route: held.append(route))
    browser.click_generate("txt2img")
    page.wait_for_function("webui.jobs.txt2img.accepted.size === 2")
    page.evaluate("() => { webui.galleryLoaded = window.ofBefore; window.goOn(); }")
    page.wait_for_function("webui.jobs.txt2img.ids.length === 1")
    page.unroute("**/internal/progress*")
    browser.wait_idle()
    assert not browser.errors


def test_a_job_ends_in_a_tab_that_nobody_looks_at(open_visit: Visit) -> None:
    """Browsers give such a page no frames: that nobody looks is when the sound and the message are wanted, and "Generate forever" goes on."""
    page = open_visit.page
    page.evaluate("""() => {
        window.told = 0;
        window.seen = {frame: window.requestAnimationFrame, done: webui.notify.done};
        window.requestAnimationFrame = () => 0;
        webui.notify.done = () => { window.told += 1; };
        Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
    }""")
    try:
        open_visit.set("txt2img_prompt", "unseen")
        page.evaluate("document.getElementById('txt2img_generate').click()")
        page.wait_for_function("window.told === 1 && webui.jobs.txt2img.ids.length === 0", polling=100, timeout=30_000)
    finally:
        page.evaluate("() => { delete document.hidden; window.requestAnimationFrame = window.seen.frame; webui.notify.done = window.seen.done; }")


def test_the_place_in_the_queue_is_shown(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    fake_page.engine.gate.clear()
    generation.submit(fake_page.app, Txt2ImgRequest.from_flat({"steps": 3, "width": 64, "height": 64}), source="api")
    waiting = visit(fake_page.url)
    assert waiting.page.locator(".progressDiv").count() == 0  # the API's jobs are none of the page's
    waiting.generate("mine", **SMALL)
    waiting.page.wait_for_function("document.querySelector('.progressDiv')?.textContent.includes('In queue: 1/1')")
    assert "In queue" in waiting.page.title()
    fake_page.engine.gate.set()
    waiting.wait_idle()
    assert waiting.infotext().startswith("mine")


def test_escape_twice_interrupts_and_keeps_what_is_finished(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    hold(fake_page, browser)
    browser.page.focus("#txt2img_prompt textarea")
    browser.page.keyboard.press("Escape")           # as A1111's default: the picture at work is finished first,
    browser.page.wait_for_selector("#txt2img_interrupting", state="visible")
    browser.page.keyboard.press("Escape")           # and pressed again, it ends at once
    browser.wait_idle()
    assert "Interrupted" in browser.page.inner_text("#html_log_txt2img")
    job = fake_page.app.jobs.recent(1)[0]
    assert job.state.value == "interrupted"


def test_whoever_writes_the_next_prompt_keeps_the_focus_when_a_picture_arrives(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser, prompt = visit(fake_page.url), "#txt2img_prompt textarea"
    hold(fake_page, browser, "first")
    browser.page.focus(prompt)
    browser.page.evaluate("window.taken = 0; addEventListener('focusin', (event) => { taken += event.target.matches('.thumbnail-item'); })")
    browser.page.keyboard.press("End")
    browser.page.keyboard.type(", sec")
    fake_page.engine.gate.set()
    browser.wait_idle()
    browser.page.wait_for_function("taken > 0", timeout=20_000)  # Gradio reached for it
    browser.page.keyboard.type("ond")
    assert browser.page.input_value(prompt) == "first, second"
    browser.page.locator("#txt2img_gallery .thumbnail-item").first.click()  # whoever clicks there wants to be there
    assert browser.page.evaluate("Boolean(document.activeElement.closest('#txt2img_gallery'))")


def test_alt_enter_skips_and_ctrl_enter_generates(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    browser.page.fill("#txt2img_prompt textarea", "by keyboard")
    fake_page.engine.started.clear()
    fake_page.engine.gate.clear()
    browser.page.keyboard.press("Control+Enter")
    assert fake_page.engine.started.wait(60)
    job = fake_page.app.jobs.running()
    assert job is not None
    browser.page.keyboard.press("Alt+Enter")
    browser.wait_idle()
    assert job.state.value == "done"
    assert browser.page.input_value("#txt2img_prompt textarea") == "by keyboard"


def test_ctrl_enter_takes_the_place_of_this_windows_running_job(fake_page: FakePage, open_visit: Visit) -> None:
    """Interrupted, and what is on the page now comes next: once, however long the keys are held."""
    browser, jobs = open_visit, fake_page.app.jobs
    hold(fake_page, browser, "wrong words")
    wrong = jobs.running()
    assert wrong is not None
    browser.page.fill("#txt2img_prompt textarea", "right words")
    browser.page.keyboard.down("Control")
    for _ in range(3):
        browser.page.keyboard.down("Enter")
    browser.page.keyboard.up("Enter")
    browser.page.keyboard.up("Control")
    jobs.wait(wrong, 60)
    assert wrong.state.value == "interrupted"
    browser.page.wait_for_function("webui.jobs.txt2img.ids.length === 1")
    fake_page.engine.gate.set()
    browser.wait_idle()
    assert [job.payload["request"]["prompt"] for job in jobs.recent(2)] == ["right words", "wrong words"]
    assert browser.infotext().startswith("right words")


def test_ctrl_enter_leaves_another_windows_job_alone(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    fake_page.engine.started.clear()
    fake_page.engine.gate.clear()
    foreign = generation.submit(fake_page.app, Txt2ImgRequest.from_flat({"prompt": "theirs", "steps": 3, "width": 64, "height": 64}), source="page")
    assert fake_page.engine.started.wait(60)
    browser.page.evaluate("(id) => webui.jobs.txt2img.takeUp(id)", foreign.id)  # as a window does in which nothing was asked for
    browser.fill("mine", **SMALL)
    browser.page.keyboard.press("Control+Enter")
    browser.page.wait_for_function("webui.jobs.txt2img.accepted.size === 2")
    fake_page.engine.gate.set()
    browser.wait_idle()
    assert foreign.state.value == "done"
    assert browser.infotext().startswith("mine")


def test_a_job_that_fails_says_why_on_the_page(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    fake_page.engine.fail_at = 0
    browser.generate("x", **SMALL)
    browser.page.wait_for_selector(".webui-toast.error")
    assert "the engine broke" in browser.toasts()
    assert "the engine broke" in browser.page.inner_text("#html_log_txt2img")
    fake_page.engine.fail_at = None
    browser.generate("x", **SMALL)
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()


@pytest.mark.filterwarnings("ignore")
def test_a_lost_connection_is_said_and_survived(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    hold(fake_page, browser, "through a gap")
    browser.page.context.set_offline(True)
    browser.page.wait_for_function("document.querySelector('.progressDiv')?.textContent.includes('Connection lost')")
    browser.page.context.set_offline(False)
    fake_page.engine.gate.set()
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert browser.infotext().startswith("through a gap")


def test_a_click_while_the_server_is_away_says_so_soon(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    browser.fill("nobody there", **SMALL)
    browser.page.evaluate("webui.answerPatience = 600000")
    browser.page.wait_for_function("document.querySelector('#txt2img_token_counter').textContent.includes('2/75')")       # else that fails before the click, and Gradio knows
    browser.page.context.set_offline(True)
    browser.page.click("#txt2img_generate")
    browser.page.wait_for_function("document.querySelector('.progressDiv')?.textContent.includes('Connection lost')", timeout=20000)
    browser.page.wait_for_selector(".toast-wrap >> text=Connection to the server was lost")
    browser.page.click("#txt2img_generate")
    browser.page.wait_for_selector(".webui-toast.error >> text=nothing was sent")
    with browser.page.expect_navigation():              # Gradio looks every other second whether its server is back, and passes over clicks until then
        browser.page.context.set_offline(False)
        browser.page.click("#txt2img_generate")
    browser.page.wait_for_function("document.querySelector('#html_info_txt2img')?.innerText.includes('nobody there')")
    assert browser.page.evaluate("webui.sentCount") == 1


def test_a_click_that_never_arrives_is_told(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser, lost = visit(fake_page.url), [True]
    browser.page.on("framenavigated", lambda _: lost.clear())
    browser.page.route("**/run/predict*", lambda route: route.abort() if lost else route.continue_())
    with browser.page.expect_navigation():  # Gradio reloads the page when a request of its own fails
        browser.fill("lost", **SMALL)
        browser.page.click("#txt2img_generate")
    browser.page.wait_for_selector(".webui-toast.error")
    assert "did not reach the server" in browser.toasts()
    browser.wait_idle()
    assert browser.value("txt2img_prompt") == "lost" and browser.value("txt2img_steps") == "3"
    browser.generate("arrived", **SMALL)
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert browser.infotext().startswith("arrived")
