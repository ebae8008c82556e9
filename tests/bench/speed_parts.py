"""``python -m tests.bench.speed_parts CHECKPOINT --side 256``: one call of UNet and VAE, ours and diffusers' own in turns in one process.

For machines that are too busy for whole pictures (``tests.bench.speed``): what a picture of N steps takes in the models follows from its parts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.speed_side import components_of, plain_models


def seconds(call: Callable[[], object]) -> float:
    """Of the processor."""
    began = time.process_time()
    call()
    return time.process_time() - began


def parts(unet: Any, vae: Any, text: Any, cells: int) -> tuple[float, float]:
    """Seconds of one evaluation of two rows, and of decoding one latent, of ``cells`` x ``cells``."""
    import torch

    latent, times = torch.randn(2, 4, cells, cells), torch.full((2,), 500.0)
    evaluated = seconds(lambda: unet(latent, timestep=times, encoder_hidden_states=text, return_dict=False))
    return evaluated, seconds(lambda: vae.decode(latent[:1], return_dict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="a checkpoint of the SD 1.x family")
    parser.add_argument("--side", type=int, action="append", help="pixels; may be given again")
    parser.add_argument("--steps", type=int, default=4, help="of the picture that is put together")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")      # as webui.py has it; here it helps both sides
    import torch

    torch.set_grad_enabled(False)
    components = components_of(options.path, "cpu")
    sides: tuple[tuple[Any, Any], ...] = ((components.unet, components.vae), plain_models(components))
    text = torch.randn(2, 77, components.text_encoders[0].module.config.hidden_size)  # type: ignore[union-attr]
    print(f"threads: {torch.get_num_threads()}; load: {os.getloadavg()[0]:.1f}; CPU seconds, ours : diffusers, median of {options.rounds}")
    for side in [16, *(options.side or [256])]:             # the first one warms up
        taken = [[parts(unet, vae, text, side // 8) for unet, vae in sides] for _ in range(options.rounds)]
        (unet, vae), (plain_unet, plain_vae) = ([statistics.median(one[way][part] for one in taken) for part in (0, 1)] for way in (0, 1))
        whole, plain = options.steps * unet + vae, options.steps * plain_unet + plain_vae
        for name, mine, other in (("UNet, two rows", unet, plain_unet), ("VAE", vae, plain_vae), (f"{options.steps} steps and VAE", whole, plain)):
            print(f"{side:>5} {name:<20}{mine:8.3f} : {other:8.3f}{mine / other:8.3f}", flush=True)


if __name__ == "__main__":
    main()
