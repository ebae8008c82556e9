"""What a control unit adds to a step, and how often its hint is encoded.

    python -m tests.bench.controlnet [--size 256] [--pairs 120]
Every step of a job is taken with the unit and without, on the same latents, first the one and then the other in turn; starter models, one thread, processor
time, so that what else runs on the machine meets both alike; the fastest fifth of each counts. "added" is a step with the unit less the one without; "own" is
what the control network's forward pass takes inside it. Exits with 1 where more is added than 1.05 times that, or the hint is encoded more than once.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from modules.application.generation import generate_blocking
from modules.engine.predictor import Predictor
from modules.loading.controlnet import ControlNetwork
from tests.bench.starter_controlnet import request, server, shapes

MOST = 1.05
STEPS = 10


@dataclass
class Pairs:
    """Seconds of each step: without the unit, with it, and its network's own part."""

    without: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    hints: int = 0
    inside: float = 0.0

    def of_steps(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def both(*arguments: Any, control: Any = None, **rest: Any) -> Any:
            if control is None:
                return step(*arguments, control=None, **rest)
            first = len(self.without) % 2
            taken, found = {}, None
            for shown in (control, None) if first else (None, control):
                self.inside = 0.0
                started = time.process_time()
                made = step(*arguments, control=shown, **rest)
                taken[shown is not None] = time.process_time() - started
                if shown is not None:
                    found = made
                    self.own.append(self.inside)
            self.without.append(taken[False])
            self.whole.append(taken[True])
            return found

        return both

    def of_network(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **rest: Any) -> Any:
            started = time.process_time()
            try:
                return forward(*arguments, **rest)
            finally:
                self.inside += time.process_time() - started

        return timed

    def of_hints(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **rest: Any) -> Any:
            self.hints += 1
            return forward(*arguments, **rest)

        return counted


def undisturbed(seconds: list[float]) -> float:
    """The mean of the fastest fifth: others' work on the machine only ever adds."""
    return statistics.mean(sorted(seconds)[: max(len(seconds) // 5, 1)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.controlnet", description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="of the pictures, in pixels (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=120, help="steps with and without (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (shape,) = shapes("objects", 1)
    found = Pairs()
    with server() as app:
        asked = request(shape, 1, {"weight": 1.0}, width=arguments.size, height=arguments.size, steps=STEPS)
        generate_blocking(app, asked)               # loads both
        (network,) = app.controls._kept.values()
        assert isinstance(network, ControlNetwork)
        network.module.forward = found.of_network(network.module.forward)
        network.hint_encoder.forward = found.of_hints(network.hint_encoder.forward)
        Predictor.__call__ = found.of_steps(Predictor.__call__)
        jobs = 0
        while len(found.whole) < arguments.pairs:
            generate_blocking(app, asked)
            jobs += 1
    without, whole, own = (undisturbed(each) for each in (found.without, found.whole, found.own))
    added = whole - without
    ratio, encoded = added / own, found.hints / jobs
    print(f"{arguments.size}x{arguments.size}, two rows a call, fastest fifths of {len(found.whole)} pairs of steps")
    print(f"a step without        {without * 1000:8.2f} ms")
    print(f"a unit adds           {added * 1000:8.2f} ms")
    print(f"its own forward pass  {own * 1000:8.2f} ms")
    print(f"added / own           {ratio:8.3f}      (at most {MOST})")
    print(f"hint encoded          {encoded:8g} x    per job")
    return int(ratio > MOST or encoded > 1)


if __name__ == "__main__":
    sys.exit(main())
