"""``python -m tests.bench.loading``: an SD 1.5-size checkpoint loaded by us and by diffusers' from_single_file, in turns, and switched back to.

Each load is a process of its own; of the rounds the median counts. Ends with 1 when ours takes more than 0.7 times the seconds or 0.6 times the
memory, in the file's own type or in float32, or when switching back to a model kept in memory takes 0.2 s. Ours reads text encoder and VAE encoder
when they are first used: the second row of each type tells what it takes with these, as img2img needs them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.load_memory import MEGABYTE, Measured, measure_here, ours, write_checkpoint

SECONDS_LIMIT, MEMORY_LIMIT, SWITCH_LIMIT = 0.7, 0.6, 0.2
FILE_TYPE = "float16"
TOKENIZER = Path(__file__).parents[2] / "modules" / "loading" / "configs" / "clip_tokenizer"


def plain_diffusers(path: Path, dtype: str) -> tuple[Callable[[], Any], Callable[[Any], int]]:
    """What loads, and what counts the loaded bytes: the whole pipeline, from a folder of configs beside the file."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    config = path.with_name("sd15-configs")
    if not config.exists():
        write_configs(config)
    how: dict[str, Any] = {"config": str(config), "torch_dtype": getattr(torch, dtype), "local_files_only": True, "safety_checker": None}

    def count(pipeline: Any) -> int:
        return sum(parameter.nbytes for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder) for parameter in part.parameters())

    return lambda: StableDiffusionPipeline.from_single_file(str(path), **how), count


def write_configs(folder: Path) -> None:
    """What from_single_file would fetch: the configs of SD 1.5."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_pndm import PNDMScheduler
    from transformers import CLIPTextConfig

    with torch.device("meta"):
        UNet2DConditionModel(cross_attention_dim=768, sample_size=64).save_config(folder / "unet")
        kinds: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512), "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
        AutoencoderKL(layers_per_block=2, **kinds).save_config(folder / "vae")
    CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12).save_pretrained(folder / "text_encoder")
    PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_config(folder / "scheduler")
    shutil.copytree(TOKENIZER, folder / "tokenizer")
    parts = {"scheduler": ("diffusers", "PNDMScheduler"), "text_encoder": ("transformers", "CLIPTextModel"), "tokenizer": ("transformers", "CLIPTokenizer"),
             "unet": ("diffusers", "UNet2DConditionModel"), "vae": ("diffusers", "AutoencoderKL"), "safety_checker": (None, None), "feature_extractor": (None, None)}  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.0", **parts}))


WAYS = {"ours": ours, "diffusers": plain_diffusers}


def switch_here(path: Path) -> float:
    """Seconds from one loaded model back to another that is kept; the longest of five times."""
    from modules.compute.hardware import probe
    from modules.compute.policy import policy_from_flags
    from modules.library.catalogue import Catalogue
    from modules.library.roots import Place, Roots
    from modules.loading.checkpoints import Checkpoints
    from modules.schema.flags import Flags

    second = path.with_name("second.safetensors")
    if not second.exists():
        os.link(path, second)
    catalogue = Catalogue(Roots(checkpoints=(Place(folder=path.parent, endings=(".safetensors",)),)), hashing=False)
    checkpoints = Checkpoints(catalogue, policy_from_flags(Flags(), probe()))
    models = [catalogue.find_checkpoint(name.name) for name in (path, second)]
    for model in models:
        checkpoints.load(model, keep=2)
    taken = []
    for number in range(5):
        began = time.perf_counter()
        checkpoints.load(models[number % 2], keep=2)
        taken.append(time.perf_counter() - began)
    return max(taken)


def child(*arguments: str) -> Any:
    command = [sys.executable, "-m", "tests.bench.loading", *arguments]
    environ = dict(os.environ, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    answer = subprocess.run(command, check=True, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


@dataclass(frozen=True, kw_only=True)
class Row:
    """Medians of one way in one type. cpu: seconds of the processor, which other programs on the machine do not lengthen."""

    seconds: float
    cpu: float
    memory: float
    whole_seconds: float
    whole_memory: float


def compared(path: Path, dtype: str, rounds: int) -> dict[str, Row]:
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            found[way].append(Measured(**child("--child", way, "--dtype", dtype, str(path))))
    return {
        way: Row(seconds=statistics.median(each.seconds for each in runs), cpu=statistics.median(each.cpu for each in runs),
                 memory=statistics.median(each.peak - each.before for each in runs), whole_seconds=statistics.median(each.whole_seconds for each in runs),
                 whole_memory=statistics.median(each.whole_peak - each.before for each in runs))
        for way, runs in found.items()
    }  # fmt: skip


def report(path: Path, rounds: int) -> bool:
    print(f"{path.name}, {path.stat().st_size / MEGABYTE:.0f} MB in {FILE_TYPE}; one thread, median of {rounds} rounds in turns")
    print(f"{'runs in':<10}{'way':<11}{'seconds':>9}{'CPU s':>8}{'peak added, MB':>16}")
    fine = True
    for dtype in (FILE_TYPE, "float32"):
        rows = compared(path, dtype, rounds)
        for way, row in rows.items():
            print(f"{dtype:<10}{way:<11}{row.seconds:9.2f}{row.cpu:8.2f}{row.memory / MEGABYTE:16.0f}")
        ours_row, other = rows["ours"], rows["diffusers"]
        whole = (ours_row.whole_seconds / other.seconds, ours_row.whole_memory / other.memory)
        print(f"{dtype:<10}{'ours, all':<11}{ours_row.whole_seconds:9.2f}{'':8}{ours_row.whole_memory / MEGABYTE:16.0f}   {whole[0]:.2f} and {whole[1]:.2f} times diffusers'")
        seconds, memory = ours_row.seconds / other.seconds, ours_row.memory / other.memory
        print(f"{dtype:<10}{'ratio':<11}{seconds:9.2f}{ours_row.cpu / other.cpu:8.2f}{memory:16.2f}", flush=True)
        fine = fine and seconds <= SECONDS_LIMIT and memory <= MEMORY_LIMIT
    back = float(child("--switch", str(path)))
    print(f"back to a model kept in memory: {back:.3f} s (at most {SWITCH_LIMIT})")
    fine = fine and back < SWITCH_LIMIT
    print(f"at most {SECONDS_LIMIT} of the seconds and {MEMORY_LIMIT} of the memory: {'yes' if fine else 'NO'}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="a float16 SD 1.5 checkpoint; left out: one of random weights is made (2.1 GB, removed afterwards)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default=FILE_TYPE, help=argparse.SUPPRESS)
    parser.add_argument("--child", default="", choices=["", *WAYS], help=argparse.SUPPRESS)
    parser.add_argument("--switch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(vars(measure_here(WAYS[options.child], options.path, options.dtype))))
        return 0
    if options.switch:
        print(json.dumps(switch_here(options.path)))
        return 0
    if options.path is not None:
        return 0 if report(options.path, options.rounds) else 1
    with tempfile.TemporaryDirectory(prefix="loading-") as folder:
        path = Path(folder) / "sd15-size.safetensors"
        write_checkpoint(path)
        return 0 if report(path, options.rounds) else 1


if __name__ == "__main__":
    raise SystemExit(main())
