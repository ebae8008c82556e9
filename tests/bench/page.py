"""``python -m tests.bench.page``: seconds until the page is usable in a browser, cold and warm, and from a click on Generate to the job's start."""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from modules.launching.suite import BROWSER_VARIABLE, find_browser
from tests.bench.readme_picture import BROWSER_FLAGS
from tests.bench.server import BenchServer

READY_LIMIT = 3.0    # seconds from the first byte asked for to a page whose every tab is usable
CLICK_LIMIT = 0.150  # seconds from the click to the moment at which the worker begins the job
PATIENCE = 300_000   # milliseconds
TABS = """() => Object.fromEntries(webui.tabButtons().filter((button) => button.offsetParent).map((button) => {
    const began = performance.now();
    button.click();
    const panel = document.getElementById(button.getAttribute("aria-controls"));
    const usable = Array.from(panel.querySelectorAll("button, input, textarea, select")).filter((each) => each.offsetParent && !each.disabled);
    return [button.textContent.trim(), {usable: usable.length, ms: performance.now() - began}];
}))"""
CLICK = """() => { performance.clearMarks("webui-click"); document.getElementById("txt2img_generate").click(); }"""
CLICKED = """() => performance.timeOrigin + performance.getEntriesByName("webui-click")[0].startTime"""


@dataclass(frozen=True, kw_only=True)
class Visited:
    """ready: seconds from the navigation to a usable page. cpu: seconds that the page's process worked until then. tabs: by name, ``TABS``' finding."""

    ready: float
    cpu: float
    script: float
    requests: int
    megabytes: float
    tabs: dict[str, dict[str, float]]


def visit(context: BrowserContext, address: str) -> tuple[Page, Visited]:
    """A page of its own in ``context``, opened and looked at: its tabs as soon as it calls itself ready."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    session = context.new_cdp_session(page)
    taken: list[float] = []
    session.on("Network.loadingFinished", lambda event: taken.append(event["encodedDataLength"]))
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})  # a busy machine's other work does not count
    for domain in ("Network", "Performance"):
        session.send(f"{domain}.enable")
    page.goto(address, wait_until="commit")
    page.wait_for_function("document.documentElement.classList.contains('webui-ready')", polling=100)  # rarely: looking takes time, too
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    tabs = page.evaluate(TABS)
    ready = page.evaluate("performance.getEntriesByName('webui-ready')[0].startTime") / 1000
    page.evaluate("document.getElementById('tab_txt2img-button').click()")
    return page, Visited(
        ready=ready, cpu=metrics["TaskDuration"], script=metrics["ScriptDuration"], requests=len(taken), megabytes=sum(taken) / 1e6, tabs=tabs
    )


def clicks(page: Page, server: BenchServer, count: int) -> list[float]:
    """Seconds from each click to its job's start; the first one, which finds no model loaded, is not counted."""
    for name, value in {"steps": 1, "width": 64, "height": 64}.items():
        page.evaluate("([id, value]) => webui.setField(webui.field(id), value)", [f"txt2img_{name}", str(value)])
    page.fill("#txt2img_prompt textarea", "a red potion")
    found = []
    for _ in range(count + 1):
        before = {job["id"] for job in server.get("/sdapi/v1/jobs?count=100")["finished"]}
        page.evaluate(CLICK)
        page.wait_for_function("performance.getEntriesByName('webui-click').length > 0")
        job = _next_job(server, before)
        found.append(job["started"] - page.evaluate(CLICKED) / 1000)
        page.wait_for_function("webui.jobs.txt2img.ids.length === 0")
    return found[1:]


def _next_job(server: BenchServer, before: set[str]) -> dict[str, Any]:
    while True:
        for job in server.get("/sdapi/v1/jobs?count=100")["finished"]:
            if job["id"] not in before:
                return job
        time.sleep(0.1)


def speed() -> float:
    """Seconds that a fixed piece of work takes at this moment: by it, figures from busy machines can be compared."""
    began, total = time.perf_counter(), 0
    for number in range(10**7):
        total += number
    return time.perf_counter() - began


def report(name: str, visits: Sequence[Visited]) -> float:
    """Prints the medians; returns that of the time."""

    def median(what: str) -> float:
        return statistics.median(getattr(each, what) for each in visits)

    slowest = max((tab["ms"], label) for each in visits for label, tab in each.tabs.items())
    print(
        f"{name:12}{median('ready'):8.2f} s until usable   (renderer {median('cpu'):5.2f} CPU s, of it scripts {median('script'):.2f}; {median('requests'):.0f} requests,"
        f" {median('megabytes'):.2f} MB; slowest tab to open: {slowest[1]}, {slowest[0]:.0f} ms)   each: {' '.join(f'{each.ready:.2f}' for each in visits)}"
    )
    return median("ready")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=5, help="of each kind")
    count = parser.parse_args().visits
    browser_path = os.environ.get(BROWSER_VARIABLE) or find_browser()
    if not browser_path:
        print("No Chromium is here.")
        return 1
    before = speed()
    with tempfile.TemporaryDirectory() as folder, BenchServer(Path(folder), "--api") as server:
        server.wait("/internal/ping")
        address = f"http://127.0.0.1:{server.port}/"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(BROWSER_FLAGS))
            first, cold, warm = [], [], []
            for number in range(count + 1):
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                page, seen = visit(context, address)
                (cold if number else first).append(seen)  # the very first visitor finds the server's own caches empty
                page.close()
                page, seen = visit(context, address)
                warm.append(seen)
                delays = clicks(page, server, count) if number == count else []
                context.close()
            browser.close()
    after = speed()
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "unknown"
    print(f"median of {count} visits; load of the machine {load}; ten million additions in Python took {before:.1f} s before and {after:.1f} s after (about 0.6 on an idle core)")
    times = [report("first visit", first), report("cold cache", cold), report("warm cache", warm)]
    print(f"Generate: click to job start {statistics.median(delays) * 1000:.0f} ms   each: {' '.join(f'{each * 1000:.0f}' for each in delays)}")
    unusable = sorted({label for each in (*first, *cold, *warm) for label, tab in each.tabs.items() if not tab["usable"]})
    print(f"Tabs without anything usable: {', '.join(unusable)}" if unusable else f"usable at that moment: {', '.join(cold[0].tabs)}")
    print(f"limits: {READY_LIMIT:.0f} s, {CLICK_LIMIT * 1000:.0f} ms")
    return 0 if max(times) < READY_LIMIT and statistics.median(delays) < CLICK_LIMIT and not unusable else 1


if __name__ == "__main__":
    sys.exit(main())
