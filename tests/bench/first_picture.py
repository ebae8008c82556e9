"""``python -m tests.bench.first_picture``: seconds to the page and to the first picture, N pictures, their memory, the time outside the model."""
from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.server import STARTER, BenchServer

PROMPT = "a red potion on a blue background"
MEGABYTE = 10**6


def request(side: int, steps: int, seed: int, batch_size: int = 1) -> dict[str, Any]:
    return {
        "prompt": PROMPT, "steps": steps, "cfg_scale": 5, "width": side, "height": side, "seed": seed, "batch_size": batch_size,
        "sampler_name": "Euler a", "save_images": True,
    }  # fmt: skip


def measure_server(data: Path, *, side: int, steps: int, images: int) -> None:
    with BenchServer(data, "--api") as server:
        print(f"{'page answers':42}{server.wait('/'):8.2f} s after the start")
        idle = server.peak_bytes()
        server.post("/sdapi/v1/txt2img", request(side, steps, seed=1))
        print(f"{'first picture':42}{time.perf_counter() - server.began:8.2f} s after the start")
        before, cpu = time.perf_counter(), server.cpu_seconds()
        for seed in range(images):
            server.post("/sdapi/v1/txt2img", request(side, steps, seed=seed))
        wall, cpu = time.perf_counter() - before, server.cpu_seconds() - cpu
        print(f"{f'{images} more pictures, {side}x{side}, {steps} steps':42}{wall:8.2f} s   ({wall / images:.2f} s and {cpu / images:.2f} CPU s each)")
        print(f"{'peak memory, page only':42}{idle / MEGABYTE:8.0f} MB")
        print(f"{'peak memory, all of it':42}{server.peak_bytes() / MEGABYTE:8.0f} MB")


@dataclass
class Clock:
    """Adds up the seconds spent inside the methods it watches; one inside another counts once."""

    seconds: float = 0.0
    depth: int = 0

    def watch(self, owner: Any, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **rest: Any) -> Any:
            self.depth += 1
            start = time.perf_counter()
            try:
                return inner(*arguments, **rest)
            finally:
                self.depth -= 1
                self.seconds += (time.perf_counter() - start) if self.depth == 0 else 0.0

        setattr(owner, name, timed)


def measure_overhead(data: Path, *, side: int, steps: int, images: int) -> None:
    """In this process: how much of a picture's time is spent outside UNet, VAE and text encoder."""
    from modules.application.build import build_app
    from modules.application.generation import chosen_checkpoint, generate_blocking, load_checkpoint
    from modules.schema.flags import parse_flags
    from modules.schema.request import Txt2ImgRequest

    app = build_app(parse_flags(["--data-dir", str(data), "--ckpt-dir", str(STARTER)], {}).flags)
    try:
        generate_blocking(app, Txt2ImgRequest.from_flat(request(side, steps, seed=1)))
        components = app.jobs.call(lambda: load_checkpoint(app, chosen_checkpoint(app, None), app.settings))
        clock = Clock()
        for owner in (components.unet, components.vae.decoder, *(encoder.module for encoder in components.text_encoders)):
            clock.watch(owner, "forward")
        start = time.perf_counter()
        for seed in range(images):
            generate_blocking(app, Txt2ImgRequest.from_flat(request(side, steps, seed=seed)))
        outside = time.perf_counter() - start - clock.seconds
        print(f"{'inside the models, each picture':42}{1000 * clock.seconds / images:8.1f} ms")
        print(f"{'outside the models, each picture':42}{1000 * outside / images:8.1f} ms   ({1000 * outside / images / steps:.2f} ms a step)")
    finally:
        app.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--side", type=int, default=96, help="width and height in pixels; 96 is the starter model's size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_server(Path(folder) / "server", side=options.side, steps=options.steps, images=options.images)
        measure_overhead(Path(folder) / "process", side=options.side, steps=options.steps, images=options.images)


if __name__ == "__main__":
    main()
