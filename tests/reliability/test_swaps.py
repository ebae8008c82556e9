"""Checkpoints, VAEs, LoRAs and embeddings exchanged between jobs in any order: each picture is what a fresh server makes, and nothing is left over."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest

from tests.reliability.conftest import Real
from tests.soak_server import resident_megabytes

pytestmark = pytest.mark.group("R13")
CHECKPOINTS, VAES = ("sd15-tiny", "other"), ("None", "bright.vae.safetensors", "dark.vae.safetensors")
PROMPTS = ("a cat", "a cat <lora:tiny-lora:1>", "a cat <lora:tiny-lora:0.4>", "a tiny-emb cat")
SLOPE = 1.0                                         # MB per swap


def asked(checkpoint: str, vae: str, prompt: str, kept: int = 1) -> dict[str, Any]:
    return {"prompt": prompt, "override_settings": {"sd_model_checkpoint": checkpoint, "sd_vae": vae, "sd_checkpoints_limit": kept}}


def swap(real: Real, count: int, seed: int) -> None:
    draw = random.Random(seed)
    choices = [(checkpoint, vae, prompt) for checkpoint in CHECKPOINTS for vae in VAES for prompt in PROMPTS]
    chosen = draw.sample(choices, min(len(choices), max(4, count // 3)))
    wanted = {}
    for each in chosen:
        real.server.client.post("/sdapi/v1/unload-checkpoint")
        wanted[each] = real.draw(**asked(*each))[0]
    assert len({picture.tobytes() for picture in wanted.values()}) == len(chosen)
    memory, files = [], []
    for _ in range(count):
        each = draw.choice(chosen)
        assert np.array_equal(real.draw(**asked(*each, kept=draw.choice((1, 1, 2))))[0], wanted[each]), each
        memory.append(resident_megabytes())
        files.append(len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0)
    half = len(memory) // 2
    slope = np.polyfit(np.arange(len(memory) - half), memory[half:], 1)[0]
    assert slope < SLOPE, f"{slope:.2f} MB per swap"
    assert max(files[half:]) <= max(files[:half]) + 2


@pytest.mark.long
def test_in_random_order(real: Real) -> None:
    swap(real, 12, seed=1)


@pytest.mark.long
def test_two_hundred_in_random_order(real: Real) -> None:
    swap(real, 200, seed=2)
