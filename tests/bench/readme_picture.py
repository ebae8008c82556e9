"""``python -m tests.bench.readme_picture``: draws with the real page and takes the README's screenshot of it."""
from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from modules.launching.suite import BROWSER_VARIABLE, find_browser
from tests.bench.server import ROOT, BenchServer

TARGET = ROOT / "modules" / "gradio_ui" / "readme.png"
PROMPT = "a red potion on a blue background"
SEED = "7"
BROWSER_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 600_000  # milliseconds


def draw(page: Page, address: str) -> None:
    page.goto(address, timeout=PATIENCE)
    page.wait_for_selector("#txt2img_prompt textarea", timeout=PATIENCE)
    page.wait_for_timeout(2000)
    page.fill("#txt2img_prompt textarea", PROMPT)
    page.fill("#txt2img_seed input", SEED)
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_gallery img", timeout=PATIENCE)
    page.wait_for_function("document.querySelector('#html_info_txt2img')?.textContent.includes('Steps:')", timeout=PATIENCE)
    page.wait_for_timeout(2000)


def main() -> int:
    browser_path = os.environ.get(BROWSER_VARIABLE) or find_browser()
    if not browser_path:
        print("No Chromium is here.")
        return 1
    with tempfile.TemporaryDirectory() as folder, BenchServer(Path(folder), "--theme", "dark") as server:
        server.wait("/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(BROWSER_FLAGS))
            page = browser.new_page(viewport={"width": 1280, "height": 940})
            draw(page, f"http://127.0.0.1:{server.port}/")
            page.screenshot(path=TARGET)
            print(f"{TARGET}: {page.text_content('#html_info_txt2img')}")
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
