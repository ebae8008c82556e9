"""``python -m tests.bench.canvas``: painting a mask on a picture of 4096x4096: how long the hand waits for a stroke, an undo and a fill."""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from modules.launching.suite import BROWSER_VARIABLE, find_browser
from tests.bench.readme_picture import BROWSER_FLAGS
from tests.bench.server import BenchServer

LIMIT = 100.0  # ms that one frame may take while a stroke is drawn: longer is felt
PUT = """async (side) => {
    const canvas = webui.newCanvas(side, side);
    const paint = canvas.getContext("2d");
    paint.fillStyle = "#4a7";
    paint.fillRect(0, 0, side, side);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg"));
    await webui.canvases.img2maskimg.put(blob);
}"""
WATCH = """() => {
    window.frames_seen = [];
    let last = performance.now();
    window.watching = true;
    const look = () => {
        const now = performance.now();
        frames_seen.push(now - last);
        last = now;
        if (watching) {
            requestAnimationFrame(look);
        }
    };
    requestAnimationFrame(look);
}"""
SEEN = """() => { window.watching = false; return frames_seen.slice(1); }"""
TIMED = """(act) => { const began = performance.now(); webui.canvases.img2maskimg.drawing[act](); return performance.now() - began; }"""
FILL = """() => { const began = performance.now(); webui.canvases.img2maskimg.drawing.fill([5, 5], "#ffffff", null); return performance.now() - began; }"""
KEPT = """async () => {
    const began = performance.now();
    const canvas = webui.canvases.img2maskimg;
    while (canvas.keeping) {
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return performance.now() - began;
}"""


def stroke(page: Page, number: int) -> list[float]:
    """Draws one across the picture; returns milliseconds of the frames meanwhile and shortly after it."""
    box = page.locator("#img2maskimg .canvas-viewport").bounding_box()
    assert box is not None
    height = 0.15 + 0.07 * number
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + height * box["height"])
    page.evaluate(WATCH)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + (height + 0.1) * box["height"], steps=30)
    page.mouse.up()
    page.wait_for_timeout(300)
    return page.evaluate(SEEN)


def measure(page: Page, address: str, side: int, strokes: int) -> dict[str, Any]:
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_selector("html.webui-ready", state="attached")
    page.evaluate("switch_to_inpaint()")
    page.evaluate(PUT, side)
    page.wait_for_selector("#img2maskimg.has-picture")
    page.locator("#img2maskimg .canvas-viewport").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.evaluate(WATCH)
    page.wait_for_timeout(500)
    idle = sorted(page.evaluate(SEEN))
    frames = [stroke(page, number) for number in range(strokes)]
    kept = page.evaluate(KEPT)
    return {
        "idle": idle[len(idle) // 2], "median": sorted(each for one in frames for each in one)[sum(map(len, frames)) // 2], "longest": [max(each) for each in frames],
        "kept": kept, "undo": page.evaluate(TIMED, "undo"), "redo": page.evaluate(TIMED, "redo"), "fill": page.evaluate(FILL), "clear": page.evaluate(TIMED, "clear"),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--strokes", type=int, default=8)
    asked = parser.parse_args()
    browser_path = os.environ.get(BROWSER_VARIABLE) or find_browser()
    if not browser_path:
        print("No Chromium is here.")
        return 1
    with tempfile.TemporaryDirectory() as folder, BenchServer(Path(folder)) as server:
        server.wait("/internal/ping")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(BROWSER_FLAGS))
            found = measure(browser.new_page(viewport={"width": 1440, "height": 900}), f"http://127.0.0.1:{server.port}/", asked.side, asked.strokes)
            browser.close()
    longest = sorted(found["longest"])
    print(f"{asked.side}x{asked.side}; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"a frame while painting {found['median']:.0f} ms (median; {found['idle']:.0f} when nothing happens); longest frame of each stroke"
        f" {' '.join(f'{each:.0f}' for each in found['longest'])} ms (their median at most {LIMIT:.0f})"
    )
    print(
        f"undo {found['undo']:.0f} ms, redo {found['redo']:.0f} ms, fill {found['fill']:.0f} ms, clear {found['clear']:.0f} ms; kept {found['kept']:.0f} ms after the last stroke"
    )
    return 0 if longest[len(longest) // 2] < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
