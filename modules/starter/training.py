"""What the training stages share: device, learning rate, and checkpoints from which an interrupted stage goes on."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

log = logging.getLogger(__name__)

WORK_FOLDER = Path(__file__).parent / ".work"


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_device(network: nn.Module) -> None:
    """Moves the weights there, in the memory order in which convolutions are fastest."""
    anything: Any = network  # the stubs know no memory_format
    anything.to(device=device(), memory_format=torch.channels_last)


def half_precision() -> AbstractContextManager[Any]:
    """bfloat16 for the heavy products; weights and losses stay float32."""
    return torch.autocast(device().type, torch.bfloat16)


def cosine_rate(progress: float, peak: float, floor: float, warmup: float = 0.01) -> float:
    """The learning rate at ``progress`` (0 to 1 of the stage): a short rise, then a cosine from peak to floor."""
    if progress < warmup:
        return peak * max(progress, 1e-4) / warmup
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(kw_only=True)
class Run:
    """One stage's networks and optimiser, with its progress: the whole of what a checkpoint holds."""

    name: str
    networks: dict[str, nn.Module]
    optimiser: torch.optim.Optimizer
    steps: int
    peak_rate: float
    floor_rate: float
    step: int = 0
    save_every_seconds: float = 180.0

    @property
    def path(self) -> Path:
        return WORK_FOLDER / f"{self.name}.pt"

    def resume(self) -> None:
        """Goes on from the last checkpoint, if there is one."""
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        log.info("%s goes on at step %d of %d", self.name, self.step, self.steps)

    def save(self) -> None:
        """Writes the checkpoint beside the old one, then swaps: a kill in between loses nothing."""
        WORK_FOLDER.mkdir(exist_ok=True)
        state = {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        unfinished = self.path.with_suffix(".new")
        torch.save(state, unfinished)
        os.replace(unfinished, self.path)

    def remaining_steps(self) -> Iterator[int]:
        """Counts to the end, sets the learning rate before each step and saves now and then."""
        saved = time.monotonic()
        while self.step < self.steps:
            rate = cosine_rate(self.step / self.steps, self.peak_rate, self.floor_rate)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            yield self.step
            self.step += 1
            if time.monotonic() - saved > self.save_every_seconds:
                self.save()
                saved = time.monotonic()
        self.save()
