"""What a control unit adds to a step, and how often its hint is encoded.

    python -m tests.bench.controlnet [--size 256] [--pairs 120]
Every step of a job is taken with the unit and without, on the same latents, first the one and then the other in turn; starter models, one thread, processor
time. "own" is what the control network's forward pass takes; "around it" all else that is done for the unit outside of the UNet, "in the UNet" what the UNet takes
longer with its residuals. Differences are taken within each step, so that what else runs on the machine meets both sides alike. Exits with 1 where own and the
others together are more than 1.05 times own, or the hint is encoded more than once.
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
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from modules.application.generation import generate_blocking
from modules.engine.predictor import Predictor
from modules.loading.controlnet import ControlNetwork
from tests.bench.starter_controlnet import request, server, shapes

MOST = 1.05
STEPS = 10


@dataclass
class Step:
    """Seconds of one step: all of it, the UNet's forward pass and the control network's inside it."""

    whole: float = 0.0
    unet: float = 0.0
    own: float = 0.0

    @property
    def rest(self) -> float:
        return self.whole - self.unet - self.own


@dataclass
class Pairs:
    """Steps without the unit and with it."""

    without: list[Step] = field(default_factory=list)
    shown: list[Step] = field(default_factory=list)
    hints: int = 0
    now: Step = field(default_factory=Step)

    def of_steps(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def both(*arguments: Any, control: Any = None, **rest: Any) -> Any:
            if control is None:
                return step(*arguments, control=None, **rest)
            found = None
            for given in (control, None) if len(self.without) % 2 else (None, control):
                self.now = Step()
                started = time.process_time()
                made = step(*arguments, control=given, **rest)
                self.now.whole = time.process_time() - started
                (self.without if given is None else self.shown).append(self.now)
                found = made if given is not None else found
            return found

        return both

    def timed(self, part: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any, **rest: Any) -> Any:
            started = time.process_time()
            try:
                return forward(*arguments, **rest)
            finally:
                setattr(self.now, part, getattr(self.now, part) + time.process_time() - started)

        return inner

    def of_hints(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **rest: Any) -> Any:
            self.hints += 1
            return forward(*arguments, **rest)

        return counted


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
        network.module.forward = found.timed("own", network.module.forward)
        network.hint_encoder.forward = found.of_hints(network.hint_encoder.forward)
        UNet2DConditionModel.forward = found.timed("unet", UNet2DConditionModel.forward)
        Predictor.__call__ = found.of_steps(Predictor.__call__)
        jobs = 0
        while len(found.shown) < arguments.pairs:
            generate_blocking(app, asked)
            jobs += 1
    own = statistics.median(step.own for step in found.shown)
    around = statistics.median(a.rest - b.rest for a, b in zip(found.shown, found.without))
    inside = statistics.median(a.unet - b.unet for a, b in zip(found.shown, found.without))
    ratio, encoded = 1 + (around + inside) / own, found.hints / jobs
    print(f"{arguments.size}x{arguments.size}, two rows a call, medians of {len(found.shown)} pairs of steps")
    print(f"a step without        {statistics.median(step.whole for step in found.without) * 1000:8.2f} ms")
    print(f"the unit: own         {own * 1000:8.2f} ms")
    print(f"          around it   {around * 1000:8.2f} ms")
    print(f"          in the UNet {inside * 1000:8.2f} ms")
    print(f"added / own           {ratio:8.3f}      (at most {MOST})")
    print(f"hint encoded          {encoded:8g} x    per job")
    return int(ratio > MOST or encoded > 1)


if __name__ == "__main__":
    sys.exit(main())
