"""Headless Chromium, and two kinds of server for it: the real one as a process, and one with a fake engine that does as it is told."""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ViewportSize
    from playwright.sync_api import Page as BrowserPage

    from modules.application.app import App
    from tests.conftest import FakeEngine

# Fixtures live as long as this folder's tests: for a whole session, Playwright's event loop and the fake engine would reach other rooms' tests.
ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup"]  # the address bar's own page, made for every window: a fifth of what opening ours takes
A_USERS_LINE = "--medvram --opt-split-attention --skip-torch-cuda-test --no-half"  # of the person whom this program is made for
SCREEN: ViewportSize = {"width": 1280, "height": 900}
SECONDS = 120  # patience with a busy machine; nothing here takes that long on an idle one


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.fspath)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests here; its event loop must not outlive them. Without one the tests are skipped, and say why."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        pytest.skip("the package playwright is not installed: no browser can be driven")
    path = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error as error:
            pytest.skip(f"Chromium cannot be started ({path or 'none of ' + ', '.join(NAMES) + ' is on the PATH'}): {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@dataclass(frozen=True, kw_only=True)
class Visit:
    """An open page and what happened in it."""

    page: BrowserPage
    requests: list[str]
    errors: list[str]

    def value(self, elem_id: str) -> str:
        return self.page.evaluate("(id) => webui.field(id).value", elem_id)

    def set(self, elem_id: str, value: object) -> None:
        """As a script or an extension does it: value and input event, without leaving the field."""
        self.page.evaluate("([id, value]) => webui.setField(webui.field(id), value)", [elem_id, str(value)])

    def fill(self, prompt: str, **fields: object) -> None:
        """Type and set. fields: elem_ids without their tab."""
        self.page.fill("#txt2img_prompt textarea", prompt)
        for name, value in fields.items():
            self.set(f"txt2img_{name}", value)

    def generate(self, prompt: str, **fields: object) -> None:
        """``fill``, and click."""
        self.fill(prompt, **fields)
        self.click_generate("txt2img")

    def click_generate(self, tab: str) -> None:
        """Click Generate, and wait until the page has sent the request: a quick job may be over before anybody sees it in ``webui.jobs``."""
        sent = "performance.getEntriesByName('webui-sent').length"
        before = self.page.evaluate(sent)
        self.page.click(f"#{tab}_generate")
        self.page.wait_for_function(f"{sent} > {before}")

    def wait_idle(self) -> None:
        """Until the page watches no job any more."""
        self.page.wait_for_function("webui.jobs.txt2img.ids.length === 0", timeout=SECONDS * 1000)

    def infotext(self) -> str:
        return "\n".join(self.page.locator("#html_info_txt2img .infotext-text p").all_text_contents())

    def toasts(self) -> str:
        return "\n".join(self.page.locator(".webui-toast").all_inner_texts())

    def clear_toasts(self) -> None:
        self.page.evaluate("document.querySelectorAll('.webui-toast').forEach((each) => each.remove())")


def drop(browser: Visit, place: str, name: str, kind: str, data: str) -> None:
    """A file let go over ``place``. data: base64."""
    browser.page.evaluate("""([place, name, type, data]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name, {type}));
        document.querySelector(place).dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer}));
    }""", [place, name, kind, data])


STATE = """JSON.stringify({loading: document.readyState, elements: document.querySelectorAll("*").length, seconds: performance.now() / 1000, ready: window.webui?.ready,
    missing: (window.webui?.boot?.awaited || []).filter((id) => !document.getElementById(id)), folds: [document.querySelectorAll("button.label-wrap").length, window.webui?.boot?.folds],
    unopened: window.webui?.closedParts ? [webui.closedParts(false).length, webui.closedParts(true).length] : null})"""


def _opened(context: BrowserContext, url: str) -> Visit:
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    found = Visit(page=page, requests=[], errors=[])
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("console", lambda message: found.errors.append(message.text) if "callback failed" in message.text else None)
    page.goto(url)
    try:
        page.wait_for_selector("html.webui-ready", state="attached")
    except Exception as error:
        error.add_note(f"The page: {page.evaluate(STATE)}. Its errors: {found.errors[-5:]}. Its last requests: {found.requests[-5:]}")
        raise
    return found


@contextmanager
def kept_open(chromium: Browser, url: str) -> Iterator[Visit]:
    """A page that is ready, in a browser context of its own, until the block ends."""
    context = chromium.new_context(viewport=SCREEN)
    yield _opened(context, url)
    context.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """A function (url, context=None, **of the context) -> Visit of a page that is ready. No page may have made an error of its own."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_page(url: str, context: BrowserContext | None = None, **options: Any) -> Visit:
        if context is None:
            context = chromium.new_context(viewport=options.pop("viewport", SCREEN), **options)
            contexts.append(context)
        visits.append(_opened(context, url))
        return visits[-1]

    yield open_page
    for context in contexts:
        context.close()
    assert [error for each in visits for error in each.errors] == []


@dataclass(frozen=True, kw_only=True)
class FakePage:
    """A server whose pictures come from a fake engine."""

    url: str
    app: App
    engine: FakeEngine


@pytest.fixture(scope="package")
def _fake_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePage]:
    """For this folder only: while it lives, every server of this process draws with the fake engine."""
    import io

    from fastapi import FastAPI
    from PIL import Image

    from modules.application import generation
    from modules.application.build import build_app
    from modules.gradio_ui.build import build_ui, mount
    from modules.rest_api.build import add_api
    from modules.schema.flags import parse_flags
    from tests.conftest import FakeEngine, served

    class PreviewingEngine(FakeEngine):
        def _sample(self, request: Any, progress: Any, cancel: Any) -> bool:
            def picture() -> bytes:
                data = io.BytesIO()
                Image.new("RGB", (8, 8), "teal").save(data, "PNG")
                return data.getvalue()

            progress.offer_preview(picture)
            return super()._sample(request, progress, cancel)

    folder = tmp_path_factory.mktemp("fake-page")
    checkpoints = folder / "models" / "Stable-diffusion"
    checkpoints.mkdir(parents=True)
    for name in ("first", "second"):
        (checkpoints / f"{name}.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    engine = PreviewingEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "generate", engine.generate)
        patch.setattr(generation, "load_checkpoint", engine.load)
        app = build_app(parse_flags(["--data-dir", str(folder), "--api"], {}).flags)
        server_app = FastAPI()
        add_api(server_app, app, full=True)
        with served(mount(server_app, build_ui(app), app), at_the_end=engine.gate.set) as url:
            yield FakePage(url=url + "/", app=app, engine=engine)
        app.close()


@pytest.fixture
def fake_page(_fake_page: FakePage) -> Iterator[FakePage]:
    """The server with the fake engine, its gate open and nothing in line, before and after."""
    yield _fake_page
    _fake_page.engine.fail_at = None
    _fake_page.engine.gate.set()
    for job in (*_fake_page.app.jobs.pending(), _fake_page.app.jobs.running()):
        if job is not None:
            _fake_page.app.jobs.interrupt(job.id)
            _fake_page.app.jobs.wait(job, 10)
    _fake_page.engine.started.clear()


@pytest.fixture(scope="module")
def _open_visit(chromium: Browser, _fake_page: FakePage) -> Iterator[Visit]:
    with kept_open(chromium, _fake_page.url) as browser:
        yield browser


@pytest.fixture
def open_visit(fake_page: FakePage, _open_visit: Visit) -> Iterator[Visit]:
    """A page that stays open, with what a file's earlier tests left in its fields: opening one takes seconds. For tests that set whatever they look at."""
    yield from taken_up(_open_visit)


def taken_up(browser: Visit) -> Iterator[Visit]:
    """For one test: at txt2img, without messages, as wide as usual; it may have made no error of its own."""
    browser.page.set_viewport_size(SCREEN)
    browser.page.click("#tab_txt2img-button")
    browser.clear_toasts()
    yield browser
    assert browser.errors == []


@dataclass(frozen=True, kw_only=True)
class RealServer:
    """``webui.py`` as a process of its own, over its own data folder."""

    url: str
    folder: Path

    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def pictures(self) -> list[Path]:
        return sorted((self.folder / "outputs" / "txt2img-images").rglob("*.png"))


@pytest.fixture(scope="package")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The server that users start, with A1111's tiny checkpoint and a tiny upscaler. New checkpoints go into its own folder."""
    with started_server(tmp_path_factory.mktemp("real-server"), line=A_USERS_LINE) as server:
        yield server


@pytest.fixture(scope="module")
def _open_real_visit(chromium: Browser, real_server: RealServer) -> Iterator[Visit]:
    with kept_open(chromium, real_server.url) as browser:
        yield browser


@pytest.fixture
def open_real_visit(_open_real_visit: Visit) -> Iterator[Visit]:
    """As ``open_visit``, of the server that users start."""
    yield from taken_up(_open_real_visit)


@contextmanager
def started_server(folder: Path, *flags: str, line: str = "") -> Iterator[RealServer]:
    """``webui.py`` over the data folder ``folder``, with A1111's tiny checkpoint and a tiny upscaler. line: COMMANDLINE_ARGS."""
    from tests.golden.cases import data_dir
    from tests.loading.picture_files import tiny_upscaler

    tiny_upscaler(folder / "upscalers" / "4x-Tiny.pth", "ESRGAN", 4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "webui.py"), "--port", str(port), "--data-dir", str(folder), "--models-dir", str(data_dir() / "models"), "--api",
               "--esrgan-models-path", str(folder / "upscalers"), "--ckpt-dir", str(folder / "checkpoints"), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COMMANDLINE_ARGS": line}
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(url, process, folder / "server.log")
        yield RealServer(url=url, folder=folder)
    finally:
        process.terminate()
        process.wait(SECONDS)
        log.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 2 * SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            opener.open(url, timeout=60).close()
            return
        except urllib.error.HTTPError:
            return                      # it asks for a password: it is there
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    pytest.fail(f"webui.py does not answer at {url}:\n{log.read_text(errors='replace')[-4000:]}")
