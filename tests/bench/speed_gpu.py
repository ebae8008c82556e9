"""``python -m tests.bench.speed --only gpu``: 512x512, 20 steps in float16 on a GPU, ours in several ways beside a plain diffusers pipeline.

All sides start and warm up together, then draw in turns. Models of SDXL's size join where the GPU has the memory for all sides at once.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.bench.measured import GIGABYTE, Measured
from tests.bench.speed_side import Order, Side, Taken

SIZES = {"FULL": "SD 1.5", "SDXL": "SDXL"}
FOR_BOTH = 60 * 2**30                               # bytes of the GPU
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ours": ("ours", ()), "compiled": ("ours", ("--compiled",)), "--medvram": ("ours", ("--medvram",)), "--lowvram": ("ours", ("--lowvram",)),
    "diffusers": ("diffusers", ()),
}  # fmt: skip
BATCHES = (1, 4)


def on_gpu(checkpoints: dict[str, Path], rounds: int, *, patience: float) -> Iterator[Measured]:
    """checkpoints: by ``SIZES``. patience: seconds that compiling may take in all."""
    with ExitStack() as opened:
        sides = {
            (sizes, name): opened.enter_context(Side(way, path, device="cuda", flags=flags))
            for sizes, path in checkpoints.items() for name, (way, flags) in WAYS.items()
        }  # fmt: skip
        with ThreadPoolExecutor(len(sides)) as pool:
            compiled = dict(zip(sides, pool.map(lambda key: _warm(key[1], sides[key], patience), sides)))
        by_size = {sizes: {name: sides[sizes, name] for name in WAYS} for sizes in checkpoints}
        for sizes, own in by_size.items():
            yield from _speed(sizes, own, compiled[sizes, "compiled"], rounds)
        for sizes, own in by_size.items():
            yield from _memory(sizes, own, rounds)


def order(batch: int, settles: float = 0.0) -> Order:
    return Order(side=512, steps=20, seed=1, batch=batch, settles=settles)


def _warm(name: str, side: Side, patience: float) -> int:
    """Everything that happens once only: compiling, recording, choosing kernels. Returns how many batch sizes are compiled."""
    end = time.monotonic() + patience
    ready = 0
    for batch in BATCHES[:1] if name.startswith("--") else BATCHES:
        if name == "compiled":
            ready = side.draw(order(batch, settles=max(end - time.monotonic(), 0.1))).compiled
        for _ in range(3):
            side.draw(order(batch))
    return ready


def _median(rounds: Sequence[dict[str, Taken]], name: str) -> float:
    return statistics.median(each[name].wall for each in rounds)


def _speed(sizes: str, sides: dict[str, Side], compiled: int, rounds: int) -> Iterator[Measured]:
    for number, batch in enumerate(BATCHES):
        names = ("ours", "diffusers", *(("compiled",) if compiled > number else ()))
        found = [{name: sides[name].draw(order(batch)) for name in names} for _ in range(rounds)]
        for name, limit in (("ours", 0.9), ("compiled", 0.75)):
            what = f"{SIZES[sizes]}, batch {batch}{', compiled' if name == 'compiled' else ''}"
            if name not in names:
                yield Measured(name=what, value=math.nan, limit=limit, unit="x wall", remark="was not compiled in time")
                continue
            ratio = statistics.median(each[name].wall / each["diffusers"].wall for each in found)
            yield Measured(name=what, value=ratio, limit=limit, unit="x wall", wall=(_median(found, name), _median(found, "diffusers")))


def _memory(sizes: str, sides: dict[str, Side], rounds: int) -> Iterator[Measured]:
    """Peak of the GPU's memory with each memory mode, and what the mode costs."""
    names = ("ours", "--medvram", "--lowvram", "diffusers")
    found = [{name: sides[name].draw(order(1)) for name in names} for _ in range(rounds)]
    for name in names:
        limit = 1.3 if sizes == "FULL" and name == "--medvram" else math.inf
        ratio = statistics.median(each[name].wall / each["ours"].wall for each in found)
        remark = f"peak {found[-1][name].peak / GIGABYTE:.2f} GB, held {found[-1][name].held / GIGABYTE:.2f} GB"
        yield Measured(name=f"{SIZES[sizes]}, {name}", value=ratio, limit=limit, unit="x ours", wall=(_median(found, name),), remark=remark)
