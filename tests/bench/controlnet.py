"""What a control unit adds to a step, and how often its hint is encoded.

    python -m tests.bench.controlnet [--size 256] [--steps 10] [--rounds 5]
Steps with and without a unit in turn, starter models, one thread, processor time. "added" is a step with the unit less a step without; "own" is what the
control network's forward pass takes inside it. Exits with 1 where more is added than 1.05 times that, or the hint is encoded more than once.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from modules.application.generation import generate_blocking
from modules.engine.predictor import Predictor
from modules.loading.controlnet import ControlNetwork
from tests.bench.starter_controlnet import request, server, shapes

MOST = 1.05


@dataclass
class Times:
    """Seconds of each call."""

    found: list[float] = field(default_factory=list)

    def of(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **rest: Any) -> Any:
            started = time.process_time()
            try:
                return inner(*arguments, **rest)
            finally:
                self.found.append(time.process_time() - started)

        return timed

    def taken(self) -> list[float]:
        """And begin anew."""
        found, self.found = self.found, []
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.controlnet", description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="of the pictures, in pixels (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5, help="with and without in turn (default: %(default)s)")
    arguments = parser.parse_args()
    (shape,) = shapes("objects", 1)
    step, own, hint = Times(), Times(), Times()
    with server() as app:
        def made(weight: float | None) -> None:
            unit = None if weight is None else {"weight": weight}
            generate_blocking(app, request(shape, 1, unit, width=arguments.size, height=arguments.size, steps=arguments.steps))

        made(1.0)                                   # loads both
        (network,) = app.controls._kept.values()
        assert isinstance(network, ControlNetwork)
        network.module.forward = own.of(network.module.forward)
        network.hint_encoder.forward = hint.of(network.hint_encoder.forward)
        Predictor.__call__ = step.of(Predictor.__call__)
        plain, added, inside, encoded = [], [], [], []
        for _ in range(arguments.rounds):
            made(None)
            plain.append(statistics.median(step.taken()))
            own.taken(), hint.taken()
            made(1.0)
            both, control = step.taken(), own.taken()
            encoded.append(len(hint.taken()))
            added.append(statistics.median(both) - plain[-1])
            inside.append(statistics.median(control))
    ratio = statistics.median(a / b for a, b in zip(added, inside))
    print(f"{arguments.size}x{arguments.size}, two rows a call, medians of {arguments.rounds} rounds of {arguments.steps} steps")
    print(f"a step without        {statistics.median(plain) * 1000:8.2f} ms")
    print(f"a unit adds           {statistics.median(added) * 1000:8.2f} ms")
    print(f"its own forward pass  {statistics.median(inside) * 1000:8.2f} ms")
    print(f"added / own           {ratio:8.3f}      (at most {MOST})")
    print(f"hint encoded          {max(encoded):8d} x    per job")
    return int(ratio > MOST or max(encoded) > 1)


if __name__ == "__main__":
    sys.exit(main())
