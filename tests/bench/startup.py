"""``python -m tests.bench.startup``: seconds until the API answers, beside the bare import of torch, diffusers and gradio."""
from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.server import ROOT, BenchServer

LIMIT = 2.0  # the start may take this many times the bare import
ANSWERS = "/sdapi/v1/samplers"


@dataclass(frozen=True, kw_only=True)
class Taken:
    wall: float
    cpu: float


def bare_import() -> Taken:
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, diffusers, gradio"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    return Taken(wall=wall, cpu=after.children_user + after.children_system - before.children_user - before.children_system)


def start_until_answer(data: Path, *flags: str) -> Taken:
    with BenchServer(data, "--api", *flags) as server:
        wall = server.wait(ANSWERS)
        return Taken(wall=wall, cpu=server.cpu_seconds())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each round runs one import and one start, so that load falls on both")
    rounds = parser.parse_args().rounds
    imports, starts = [], []
    with tempfile.TemporaryDirectory() as folder:
        start_until_answer(Path(folder) / "warm")  # files into the system's cache, bytecode written
        for number in range(rounds):
            imports.append(bare_import())
            starts.append(start_until_answer(Path(folder) / str(number)))
    print(f"{'':34}{'wall s':>10}{'CPU s':>10}   median of {rounds}")
    for name, taken in (("import torch, diffusers, gradio", imports), ("launch.py to first API answer", starts)):
        print(f"{name:34}{statistics.median(each.wall for each in taken):10.2f}{statistics.median(each.cpu for each in taken):10.2f}")
    wall_ratio = statistics.median(start.wall / bare.wall for start, bare in zip(starts, imports))
    cpu_ratio = statistics.median(start.cpu / bare.cpu for start, bare in zip(starts, imports))
    print(f"{'ratio':34}{wall_ratio:10.2f}{cpu_ratio:10.2f}   (at most {LIMIT})")
    return 0 if wall_ratio < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
