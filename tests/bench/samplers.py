"""What each sampler costs: model calls per step, and the time that a pass spends outside of the model.

    python -m tests.bench.samplers [--steps 20] [--size 512] [--name "Euler a"]
The model is a stand-in that answers at once; latents, noise, guidance and previews are real. One CPU thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from modules.compute.noise import ImageNoise, NoiseSpec
from modules.engine.denoise_pass import DenoisePass, PassModel, run_pass
from modules.engine.hooks import NeverCancelled, NullHooks, NullProgress
from modules.engine.preview import PreviewMap, preview_maker
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import find_sampler, samplers
from modules.loading.components import scaled_linear_alphas

LIMIT = 0.03                                        # of a step of SD 1.5 at 512x512, two evaluations
CPU_STEP_SECONDS = 21.5                             # of the fastest peer on two cores (facts/performance-anchors.md)
GPU_STEP_SECONDS = 0.05                             # float16, a consumer card of 2023


class TimedModel:
    """Answers with a part of its input; knows how long it was busy."""

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0

    def __call__(self, x: Tensor, *, timestep: Tensor, **rest: Any) -> tuple[Tensor]:
        started = time.perf_counter()
        answer = x * 0.9
        self.calls += 1
        self.seconds += time.perf_counter() - started
        return (answer,)


class PlainPrompts:
    """One positive and one negative prompt for the whole pass."""

    def __init__(self) -> None:
        self._now = SimpleNamespace(
            cond=torch.zeros(1, 77, 768), cond_weights=(((0, 1.0),),), uncond=torch.zeros(1, 77, 768), vector_cond=None, vector_uncond=None
        )

    def at(self, step: int) -> SimpleNamespace:
        return self._now


def measure(spec: SamplerSpec, steps: int, size: int) -> tuple[float, float, float]:
    """(model calls per step, seconds outside of the model per step, seconds of the whole pass)."""
    model, progress = TimedModel(), NullProgress()
    preview = PreviewMap(weight=torch.zeros(4, 3), bias=torch.zeros(3))
    noise = ImageNoise(NoiseSpec(shape=(4, size // 8, size // 8), seeds=(1,), variation_seeds=(2,)))

    def on_step(done: int, total: int, denoised: Tensor) -> None:
        progress.step(done, total)
        progress.offer_preview(preview_maker(denoised, preview))

    work = DenoisePass(
        sampler=spec, schedule_name="Automatic", steps=steps, guidance_scale=7.0, options=SamplingOptions(noise_source="CPU"),
        conditioning=PlainPrompts(), noise=noise, first_noise=noise.first(), hooks=NullHooks(), cancel=NeverCancelled(), on_step=on_step,
    )
    passed = PassModel(unet=model, alphas_cumprod=scaled_linear_alphas((0.00085, 0.012)), predicts_v=False, compute_dtype=torch.float32)
    with torch.no_grad():
        started = time.perf_counter()
        run_pass(work, passed)
        seconds = time.perf_counter() - started
    return model.calls / steps, (seconds - model.seconds) / steps, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels")
    parser.add_argument("--name", help="one sampler only")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    chosen = [find_sampler(asked.name)] if asked.name else list(samplers())
    measure(find_sampler("Euler"), asked.steps, asked.size)         # warm up
    print(f"{'sampler':22}{'calls/step':>11}{'outside':>12}{'of a CPU step':>15}{'of a GPU step':>15}")
    worst = 0.0
    for spec in chosen:
        runs = [measure(spec, asked.steps, asked.size) for _ in range(asked.repeats)]
        calls, outside = runs[0][0], statistics.median(run[1] for run in runs)
        evaluations = max(calls, 1.0)
        share = outside / (CPU_STEP_SECONDS * evaluations)
        worst = max(worst, share)
        print(f"{spec.name:22}{calls:11.2f}{outside * 1e3:9.2f} ms{share:15.4%}{outside / (GPU_STEP_SECONDS * evaluations):15.2%}")
    print(f"worst share of a CPU step: {worst:.4%} (limit {LIMIT:.0%}): {'within' if worst <= LIMIT else 'ABOVE'}")


if __name__ == "__main__":
    main()
