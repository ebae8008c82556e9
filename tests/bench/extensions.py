"""``python -m tests.bench.extensions FOLDER``: seconds until the page answers with the extensions of FOLDER installed, and with none.

What their own scripts take to be imported is theirs and counted out. FOLDER: repositories side by side; the variable WEBUI_EXTENSIONS by default.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.server import BenchServer

LIMIT = 1.5
LISTED = (
    "a1111-sd-webui-tagcomplete", "adetailer", "sd-dynamic-prompts", "ultimate-upscale-for-automatic1111", "sd-webui-infinite-image-browsing",
    "sd-webui-prompt-all-in-one", "sd-webui-aspect-ratio-helper", "StyleSelectorXL", "sd-webui-detail-daemon", "stable-diffusion-webui-localization-zh_CN",
    "sd-webui-bilingual-localization", "sd-webui-agent-scheduler", "sd-webui-vectorscope-cc",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Taken:
    """wall, cpu: seconds until the page answers. own, own_cpu: of these, what the extensions' scripts took."""

    wall: float
    cpu: float
    own: float
    own_cpu: float


def start(data: Path) -> Taken:
    with BenchServer(data, "--api") as server:
        wall = server.wait("/")
        cpu = server.cpu_seconds()
        found = re.search(r"loaded \d+ scripts of \d+ extensions in ([\d.]+) s \(processor: ([\d.]+) s\)", server.log.read_text(errors="replace"))
    own, own_cpu = map(float, found.groups()) if found else (0.0, 0.0)
    return Taken(wall=wall, cpu=cpu, own=own, own_cpu=own_cpu)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=os.environ.get("WEBUI_EXTENSIONS"))
    parser.add_argument("--rounds", type=int, default=2, help="each round starts once with and once without, so that load falls on both")
    asked = parser.parse_args()
    if not asked.folder:
        sys.exit("Name the folder that holds the extensions, or set WEBUI_EXTENSIONS.")
    names = [name for name in LISTED if (Path(asked.folder) / name).is_dir()]
    none, some = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            shutil.copytree(Path(asked.folder) / name, Path(folder) / "with" / "extensions" / name, ignore=shutil.ignore_patterns(".git"))
        for place in ("without", "with"):
            start(Path(folder) / place)         # files into the system's cache, bytecode written, the extensions' own databases made
        for _ in range(asked.rounds):
            none.append(start(Path(folder) / "without"))
            some.append(start(Path(folder) / "with"))
    wall = statistics.median((one.wall - one.own) / (other.wall - other.own) for one, other in zip(some, none))
    cpu = statistics.median((one.cpu - one.own_cpu) / (other.cpu - other.own_cpu) for one, other in zip(some, none))
    print(f"{'':28}{'wall s':>10}{'CPU s':>10}{'own s':>10}{'own CPU s':>10}   median of {asked.rounds}")
    for words, taken in (("no extension", none), (f"{len(names)} extensions", some)):
        print(f"{words:28}" + "".join(f"{statistics.median(getattr(each, key) for each in taken):10.2f}" for key in ("wall", "cpu", "own", "own_cpu")))
    print(f"{'ratio without their own':28}{wall:10.2f}{cpu:10.2f}   (at most {LIMIT})")
    return 0 if min(wall, cpu) < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
