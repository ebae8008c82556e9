"""``python -m tests.bench.network_cards``: 5,000 LoRA files with pictures and notes: seconds until they are listed, and how a browser scrolls them."""
from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.server import BenchServer

LIST_LIMIT = 2.0    # seconds from the request to the first cards, after the files were found anew
FRAME_LIMIT = 200.0  # ms; a longer frame is seen as a halt
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f00038601805a34cd280000000049454e44ae426082")
SCROLL = """async () => {
    const cards = document.getElementById("txt2img_lora_cards");
    const frames = [];
    let last = performance.now();
    for (let step = 0; step <= 200; step += 1) {
        cards.scrollTop = (cards.scrollHeight - cards.clientHeight) * step / 200;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
    }
    frames.sort((a, b) => a - b);
    return {median: frames[100], longest: frames[200], inPage: cards.querySelectorAll(".card").length};
}"""


def make_files(folder: Path, count: int) -> None:
    """Tiny LoRAs in 50 folders; a third with a picture, a third with notes."""
    for number in range(count):
        path = folder / f"group{number % 50:02}" / f"network_{number:05}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = {"x.alpha": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "__metadata__": {"ss_output_name": f"network {number}"}}
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
        if number % 3 == 0:
            path.with_suffix(".png").write_bytes(PNG)
        if number % 3 == 1:
            path.with_suffix(".json").write_text(json.dumps({"description": f"number {number}", "activation text": "word"}))


def seconds(server: BenchServer, **query: object) -> tuple[float, int]:
    """(time of one request for cards, how many fit)."""
    began = time.perf_counter()
    answer = server.get("/sd_extra_networks/cards?" + urlencode({"page": "lora", **query}))
    return time.perf_counter() - began, answer["total"]


def scroll(url: str) -> dict[str, float] | None:
    """Milliseconds a frame from the first card to the last, in headless Chromium; None without one."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        try:
            found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        except Error:
            return None
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector("html.webui-ready", state="attached", timeout=120_000)
        began = time.perf_counter()
        page.click("#txt2img_lora-button")
        page.wait_for_selector("#txt2img_lora_cards .card .name")
        opened = time.perf_counter() - began
        measured = page.evaluate(SCROLL)
        browser.close()
        return {**measured, "opened": opened}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as text:
        data = Path(text)
        make_files(data / "Lora", count)
        with BenchServer(data / "data", "--lora-dir", str(data / "Lora")) as server:
            server.wait("/internal/ping")
            server.post("/sd_extra_networks/refresh", {"page": "lora"})
            before = server.cpu_seconds()
            first, total = seconds(server)
            work = server.cpu_seconds() - before
            searched, _ = seconds(server, search="4321")
            sorted_, _ = seconds(server, sort="date_modified", start=count - 100)
            print(f"{total} files; first cards {first:.2f} s (at most {LIST_LIMIT}; the server's CPU meanwhile {work:.2f} s), a search {searched:.3f} s, the last cards by date {sorted_:.3f} s")
            frames = scroll(f"http://127.0.0.1:{server.port}/")
    if frames is None:
        print("no Chromium: scrolling was not measured")
        return 0 if first < LIST_LIMIT else 1
    print(f"page of cards opened in {frames['opened']:.2f} s; scrolled from end to end: {frames['median']:.0f} ms a frame (median), longest"
          f" {frames['longest']:.0f} ms (at most {FRAME_LIMIT:.0f}), {frames['inPage']:.0f} cards in the page")  # fmt: skip
    return 0 if first < LIST_LIMIT and frames["longest"] < FRAME_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
