"""``python -m tests.bench.readme_picture``: works with the real page and takes the README's screenshots of it: drawing, inpainting, a plot."""
from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from modules.launching.suite import BROWSER_VARIABLE, find_browser
from tests.bench.server import ROOT, BenchServer
from tests.browser.painting import stroke

FOLDER = ROOT / "modules" / "gradio_ui"
PROMPT = "a red potion on a blue background"
MOST_BYTES = 250_000
BROWSER_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 600_000  # milliseconds
MASK = ((0.52, 0.22), (0.52, 0.45), (0.42, 0.6), (0.66, 0.6), (0.66, 0.72), (0.42, 0.72), (0.48, 0.82), (0.62, 0.82))  # over the potion, in parts of the canvas
BRUSH = 58  # on the scale of the page, 1 to 100


def opened(browser: Browser, address: str, theme: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 940})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("html.webui-ready", state="attached")
    page.wait_for_timeout(2000)
    return page


def set_fields(page: Page, tab: str, **fields: object) -> None:
    for name, value in fields.items():
        page.evaluate("([id, value]) => webui.setField(webui.field(id), value)", [f"{tab}_{name}", str(value)])


def generate(page: Page, tab: str) -> None:
    page.click(f"#{tab}_generate")
    page.wait_for_function(f"webui.jobs.{tab}.ids.length === 0 && document.querySelector('#{tab}_gallery img')")
    page.wait_for_function(f"document.querySelector('#html_info_{tab}').textContent.includes('Steps:')")
    page.wait_for_timeout(1500)


def keep(page: Page, name: str) -> None:
    page.wait_for_function("!document.querySelector('#webui_corner .busy')")
    page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    target = FOLDER / name
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        picture = taken.convert("RGB")
    picture.save(target, optimize=True)
    if target.stat().st_size > MOST_BYTES:
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}: {size / 1000:.0f} kB" + (f", more than {MOST_BYTES / 1000:.0f}" if size > MOST_BYTES else ""))


def draw(page: Page) -> None:
    set_fields(page, "txt2img", prompt=PROMPT, seed=7)
    generate(page, "txt2img")
    keep(page, "readme.png")


def inpaint(page: Page) -> None:
    """The potion that was just drawn gets another colour where it is painted on."""
    page.click("#txt2img_send_to_inpaint")
    page.wait_for_selector("#img2maskimg.has-picture")
    page.wait_for_function("webui.field('img2img_prompt').value !== ''")
    set_fields(page, "img2img", prompt="a green potion on a blue background", denoising_strength=1, mask_blur=2, seed=3)
    page.set_viewport_size({"width": 1280, "height": 1020})
    page.evaluate("(size) => webui.canvases.img2maskimg.tools.setSize(size)", BRUSH)
    page.wait_for_timeout(500)
    stroke(page, "img2maskimg", MASK)
    generate(page, "img2img")
    keep(page, "readme-inpaint.png")


def plot(page: Page) -> None:
    set_fields(page, "txt2img", prompt=PROMPT, steps=15)
    panel = page.locator("#txt2img_script_container")
    panel.locator("#script_list input").click()
    page.get_by_role("option", name="X/Y/Z plot").click()
    panel.locator("#script_txt2img_xyz_plot_x_values textarea").fill("1, 2, 3, 4")
    panel.locator("#script_txt2img_xyz_plot_y_type input").click()
    page.get_by_role("option", name="Prompt S/R").click()
    panel.locator("#script_txt2img_xyz_plot_y_values textarea").fill("potion, sword, star")
    page.wait_for_timeout(500)
    generate(page, "txt2img")
    keep(page, "readme-plot.png")


def main() -> int:
    browser_path = os.environ.get(BROWSER_VARIABLE) or find_browser()
    if not browser_path:
        print("No Chromium is here.")
        return 1
    with tempfile.TemporaryDirectory() as folder, BenchServer(Path(folder)) as server:
        server.wait("/")
        address = f"http://127.0.0.1:{server.port}/"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(BROWSER_FLAGS))
            page = opened(browser, address, "dark")
            draw(page)
            inpaint(page)
            page.close()
            plot(opened(browser, address, "light"))
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
