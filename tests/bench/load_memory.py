"""``python -m tests.bench.load_memory``: seconds and peak memory of loading an SD 1.5-size checkpoint, by what it runs in.

Ends with 1 when the peak passes 1.3 times the weights' size in the type they run in.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 1.3
MEGABYTE = 10**6
SD15_YAML = Path(__file__).parents[1] / "golden" / "models" / "sd15-tiny.yaml"
_SIZES = (("model_channels: 32", "model_channels: 320"), ("channel_mult: [1, 2, 2, 2]", "channel_mult: [1, 2, 4, 4]"),
          ("context_dim: 64", "context_dim: 768"), ("ch: 32", "ch: 128"), ("ch_mult: [1, 1, 2, 2]", "ch_mult: [1, 2, 4, 4]"))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Measured:
    """seconds: wall; cpu: of the process. before, peak: resident bytes of the process. weights: bytes in the type they run in.

    whole_seconds, whole_peak: the same once every part was asked for, of which some are read at their first use.
    """

    seconds: float
    cpu: float
    before: int
    peak: int
    weights: int
    whole_seconds: float
    whole_peak: int

    @property
    def ratio(self) -> float:
        return (self.whole_peak - self.before) / self.weights


def write_checkpoint(path: Path, sizes: str = "FULL") -> None:
    """A float16 checkpoint of SD 1.5's sizes (2.1 GB), or SDXL's (6.9 GB), with random weights: one block of them, over and over. sizes: see ``layout``."""
    import torch

    from tests.loading.files import layout

    block = (torch.randn(1 << 22, generator=torch.Generator().manual_seed(1)) * 0.02).half().numpy().tobytes()
    table: dict[str, Any] = {}
    place = 0
    for name, shape in layout(sizes).items():
        is_integer = name.endswith("position_ids")
        size = (8 if is_integer else 2) * int(torch.tensor(shape).prod())
        table[name] = {"dtype": "I64" if is_integer else "F16", "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(table).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while place > 0:
            file.write(block[: min(place, len(block))])
            place -= len(block)


def ours(path: Path, dtype: str) -> tuple[Callable[[], Any], Callable[[Any], int]]:
    """What loads, and what counts the loaded bytes, all parts read. Imports are made here: they are no part of the measurement."""
    from dataclasses import replace

    import modules.loading.text_encoder
    import modules.loading.unet  # noqa: F401
    from modules.compute.hardware import probe
    from modules.compute.policy import policy_from_flags
    from modules.library.model_file import ModelFile
    from modules.loading.checkpoint import load_checkpoint
    from modules.loading.components import size_in_bytes
    from modules.loading.tokenizer import clip_tokenizer
    from modules.schema.flags import Flags

    clip_tokenizer()
    policy = replace(policy_from_flags(Flags(), probe()), device="cpu", weight_dtype=dtype, vae_dtype=dtype)
    model_file = ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size)
    return lambda: load_checkpoint(model_file, policy), lambda components: size_in_bytes(components.modules())


def diffusers_own(path: Path, dtype: str) -> tuple[Callable[[], Any], Callable[[Any], int]]:
    """diffusers' from_single_file for UNet and VAE (its text encoder wants the network)."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    text = SD15_YAML.read_text()
    for small, full in _SIZES:
        text = text.replace(small, full)
    config = path.with_name("sd15-bench.yaml")
    config.write_text(text)
    how: dict[str, Any] = {"original_config": str(config), "torch_dtype": getattr(torch, dtype), "local_files_only": True}

    def load() -> Any:
        return [kind.from_single_file(str(path), **how) for kind in (UNet2DConditionModel, AutoencoderKL)]

    return load, lambda modules: sum(parameter.nbytes for module in modules for parameter in module.parameters())


WAYS = {"ours": ours, "diffusers": diffusers_own}


def measure_here(way: Callable[[Path, str], tuple[Callable[[], Any], Callable[[Any], int]]], path: Path, dtype: str) -> Measured:
    """Load once in this process, which has done nothing else. way: gives what loads, and what counts the loaded bytes."""
    import torch

    torch.set_num_threads(1)
    load, count = way(path, dtype)
    before, wall, cpu = resident_bytes(), time.perf_counter(), time.process_time()
    loaded = load()
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    peak, weights = peak_bytes(), count(loaded)         # which asks for every part
    return Measured(
        seconds=seconds, cpu=used, before=before, peak=peak, weights=weights, whole_seconds=time.perf_counter() - wall, whole_peak=peak_bytes(),
    )  # fmt: skip


def resident_bytes() -> int:
    """What the process holds now; its peak so far where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return peak_bytes()


def peak_bytes() -> int:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def measure(way: str, path: Path, dtype: str) -> Measured:
    """In a process of its own."""
    command = [sys.executable, "-m", "tests.bench.load_memory", "--child", way, "--dtype", dtype, str(path)]
    environ = dict(os.environ, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    answer = subprocess.run(command, check=True, env=environ, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(answer.stdout.splitlines()[-1]))


def report(path: Path, rows: list[tuple[str, str]]) -> bool:
    """Print the table; whether ours stays under the limit."""
    print(f"{path.name}, {path.stat().st_size / MEGABYTE:.0f} MB on disk; memory in MB, one thread")
    print(f"{'way':<11}{'runs in':<10}{'seconds':>9}{'CPU s':>8}{'weights':>9}{'peak added':>12}{'ratio':>7}{'whole process':>15}")
    fine = True
    for way, dtype in rows:
        found = measure(way, path, dtype)
        added = found.whole_peak - found.before
        print(
            f"{way:<11}{dtype:<10}{found.whole_seconds:9.2f}{found.cpu:8.2f}{found.weights / MEGABYTE:9.0f}{added / MEGABYTE:12.0f}"
            f"{found.ratio:7.2f}{found.whole_peak / MEGABYTE:15.0f}",
            flush=True,
        )
        fine = fine and (way != "ours" or found.ratio < LIMIT)
    print(f"ours under {LIMIT} times the weights: {'yes' if fine else 'NO'}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="a checkpoint; left out: one of SD 1.5's size is made (2.1 GB, removed afterwards)")
    parser.add_argument("--dtype", default="", help="float32 or float16; left out: both")
    parser.add_argument("--compare", action="store_true", help="plain diffusers too")
    parser.add_argument("--child", default="", choices=["", *WAYS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(vars(measure_here(WAYS[options.child], options.path, options.dtype))))
        return 0
    dtypes = [options.dtype] if options.dtype else ["float32", "float16"]
    rows = [(way, dtype) for dtype in dtypes for way in (("ours", "diffusers") if options.compare else ("ours",))]
    if options.path is not None:
        return 0 if report(options.path, rows) else 1
    with tempfile.TemporaryDirectory(prefix="load-memory-") as folder:
        path = Path(folder) / "sd15-size.safetensors"
        write_checkpoint(path)
        return 0 if report(path, rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
