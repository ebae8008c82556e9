"""``python -m tests.bench.speed``: ours beside a plain diffusers pipeline on the same weights, in turns in one run; start, memory, one step over HTTP.

    python -m tests.bench.speed [--only NAME ...] [--rounds N] [--threads N]
A row compares seconds of the processor, which other programs lengthen least, and says the wall clock beside it. Ends with 1 when a limit does not hold.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load_memory import write_checkpoint
from tests.bench.measured import GIGABYTE, Measured
from tests.bench.server import STARTER, BenchServer
from tests.bench.speed_gpu import FOR_BOTH, SIZES, on_gpu
from tests.bench.speed_side import Order, Side, Taken

ANSWERS = "/sdapi/v1/samplers"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the rows share. full: a checkpoint of SD 1.5's sizes. patience: see ``on_gpu``."""

    folder: Path
    rounds: int
    patience: float = 600.0

    @property
    def full(self) -> Path:
        return self.checkpoint("FULL")

    def checkpoint(self, sizes: str) -> Path:
        path = self.folder / sizes.lower() / ("sd15-size.safetensors" if sizes == "FULL" else f"{sizes.lower()}-size.safetensors")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_checkpoint(path, sizes)
        return path


def beside_diffusers(name: str, bench: Bench, path: Path, order: Order, limit: float, rounds: int) -> Iterator[Measured]:
    """Ours and theirs in turns; the share of ours that is outside of the models follows from the same runs."""
    with Side("ours", path) as ours, Side("diffusers", path) as theirs:
        warm = Order(side=64, steps=1, seed=0)
        found: list[tuple[Taken, Taken]] = []
        for side in (ours, theirs):
            side.draw(warm)
        for number in range(rounds):
            now = Order(side=order.side, steps=order.steps, seed=number + 1)
            found.append((ours.draw(now), theirs.draw(now)))
    ratio = statistics.median(mine.cpu / other.cpu for mine, other in found)
    walls = statistics.median(mine.wall / other.wall for mine, other in found)
    cpu, wall = (tuple(statistics.median(getattr(each[side], what) for each in found) for side in (0, 1)) for what in ("cpu", "wall"))
    yield Measured(name=name, value=ratio, limit=limit, unit="x CPU", cpu=cpu, wall=wall, remark=f"{walls:.2f} x wall, {rounds} rounds")
    outside = statistics.median(1 - mine.inside / mine.wall for mine, _ in found)
    theirs_outside = statistics.median(1 - other.inside / other.wall for _, other in found)
    if order.side >= 512:
        yield Measured(name="outside the models at 512", value=100 * outside, limit=3, unit="% wall", remark=f"diffusers {100 * theirs_outside:.1f} %")
        yield memory_of(max(mine.peak for mine, _ in found))


def small(bench: Bench) -> Iterator[Measured]:
    return beside_diffusers("256x256, 4 steps", bench, bench.full, Order(side=256, steps=4, seed=0), 0.8, bench.rounds)


def large(bench: Bench) -> Iterator[Measured]:
    return beside_diffusers("512x512, 2 steps", bench, bench.full, Order(side=512, steps=2, seed=0), 0.8, max(bench.rounds - 1, 1))


def starter(bench: Bench) -> Iterator[Measured]:
    path = STARTER / "starter.safetensors"
    return beside_diffusers("starter model, 20 steps", bench, path, Order(side=96, steps=20, seed=0), 0.6, 3 * bench.rounds)


def over_http(bench: Bench) -> Iterator[Measured]:
    """One step of the tiny checkpoint, from the request to the picture in the answer."""
    from tests.golden.cases import checkpoint_path

    walls, cpus = [], []
    with BenchServer(bench.folder / "http", "--nowebui", "--ckpt-dir", str(checkpoint_path().parent)) as server:
        server.wait(ANSWERS)
        for number in range(10 * bench.rounds + 5):
            cpu, wall = server.cpu_seconds(), time.perf_counter()
            server.post("/sdapi/v1/txt2img", {"prompt": f"a potion {number}", "steps": 1, "width": 64, "height": 64, "seed": number, "sampler_name": "Euler a"})
            walls.append(time.perf_counter() - wall)
            cpus.append(server.cpu_seconds() - cpu)
    cpu = sum(cpus[5:]) / len(cpus[5:])             # the system counts them in hundredths
    yield Measured(name="one step, HTTP to PNG", value=statistics.median(walls[5:]), limit=0.08, unit="s wall", cpu=(cpu,), wall=(min(walls[5:]),), remark="wall column: the best")


def start(bench: Bench) -> Iterator[Measured]:
    """Start to the first answer of the API, page included, and what of it torch's import alone takes."""
    walls, cpus, imports = [], [], []
    for number in range(bench.rounds + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        imports.append(time.perf_counter() - began)
        with BenchServer(bench.folder / f"start-{number}", "--api") as server:
            walls.append(server.wait(ANSWERS))
            cpus.append(server.cpu_seconds())
    best = min(range(1, len(walls)), key=lambda number: cpus[number])           # the first one fills the system's cache
    remark = f"import torch alone {min(imports[1:]):.1f} s"
    yield Measured(name="start to API ready", value=statistics.median(walls[1:]), limit=8, unit="s wall", cpu=(cpus[best],), wall=(walls[best],), remark=remark)


def memory(bench: Bench) -> Iterator[Measured]:
    with Side("ours", bench.full) as ours:
        yield memory_of(ours.draw(Order(side=512, steps=1, seed=1)).peak)


def memory_of(peak: int) -> Measured:
    return Measured(name="peak memory, 512x512", value=peak / GIGABYTE, limit=4.6, unit="GB")


def openvino(bench: Bench) -> Iterator[Measured]:
    """The setting on the processor, beside ours without it. Whole pictures; translating is done before."""
    ways = {"in float32": "CPU", "in bfloat16": "CPU in bfloat16"}
    with ExitStack() as opened:
        plain, *others = (opened.enter_context(Side("ours", bench.full, flags=(f"--openvino={way}",))) for way in ("Off", *ways.values()))
        for side in (plain, *others):
            for _ in range(2):
                side.draw(Order(side=256, steps=2, seed=0, settles=bench.patience))
        found = [[side.draw(Order(side=256, steps=4, seed=number + 1)) for side in (*others, plain)] for number in range(bench.rounds)]
    for place, name in enumerate(ways):
        ratio = statistics.median(each[place].cpu / each[-1].cpu for each in found)
        cpu, wall = (tuple(statistics.median(getattr(each[side], what) for each in found) for side in (place, -1)) for what in ("cpu", "wall"))
        yield Measured(name=f"256x256, OpenVINO {name}", value=ratio, limit=1, unit="x CPU", cpu=cpu, wall=wall, remark="beside ours without it")


def gpu(bench: Bench) -> Iterator[Measured]:
    """Where there is one; models of SDXL's size where it is large."""
    import torch

    if not torch.cuda.is_available():
        print("GPU: none is here")
        return
    sizes = [each for each in SIZES if each == "FULL" or torch.cuda.get_device_properties(0).total_memory >= FOR_BOTH]
    yield from on_gpu({each: bench.checkpoint(each) for each in sizes}, bench.rounds + 2, patience=bench.patience)


ROWS: dict[str, Callable[[Bench], Iterator[Measured]]] = {
    "256": small, "512": large, "starter": starter, "http": over_http, "start": start, "memory": memory,
    "gpu": gpu, "openvino": openvino,
}  # fmt: skip


def line(row: Measured) -> str:
    def pair(values: Sequence[float]) -> str:
        return " : ".join(f"{value:.2f}" for value in values)

    return (f"{row.name:<28}{pair(row.cpu):>17}{pair(row.wall):>17}{row.value:>9.3f} {row.unit:<8}{row.limit:>6g}  "
            f"{'yes' if row.holds else 'NO':<5}{row.remark}")  # fmt: skip


@contextmanager
def folder_for(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="speed-") as found:
        yield Path(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=[*ROWS], help="one row; may be given again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of each side; 0: as torch chooses")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds that compiling for the GPU may take")
    parser.add_argument("--folder", type=Path, help="where the 2.1 GB checkpoint is made and kept; left out: a temporary folder")
    options = parser.parse_args(arguments)
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    wanted = options.only or [name for name in ROWS if name not in ("memory", "openvino")]     # "512" has it; a package that is not ours
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'all')}; {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")
    print(f"{'':<28}{'CPU s':>17}{'wall s':>17}{'':>9} {'':<8}{'limit':>6}  holds   (ours : plain diffusers)")
    found: list[Measured] = []
    with folder_for(options.folder) as folder:
        bench = Bench(folder=folder, rounds=options.rounds, patience=options.patience)
        for name in [each for each in ROWS if each in wanted]:
            for row in ROWS[name](bench):
                found.append(row)
                print(line(row), flush=True)
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
