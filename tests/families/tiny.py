"""Tiny random checkpoints of every family that runs, in the original single-file layout, made by the golden pictures' own makers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.golden.cases import MODELS
from tests.golden_xl import cases as golden_xl

UNET = "model.diffusion_model."
FIRST = f"{UNET}input_blocks.0.0.weight"


def _makers() -> tuple[ModuleType, ModuleType]:
    folders = [str(MODELS), str(Path(golden_xl.__file__).parent / "models")]
    sys.path[:0] = folders
    try:
        import make_checkpoints  # pyright: ignore[reportMissingImports]
        import make_checkpoints_xl  # pyright: ignore[reportMissingImports]
    finally:
        del sys.path[: len(folders)]
    return make_checkpoints, make_checkpoints_xl


def tensors_of(family: str) -> dict[str, Tensor]:
    """The checkpoint of the family of that name, float16 as its maker writes it."""
    first, xl = _makers()
    sizes: dict[str, Any] = dict(xl.SDXL if family.startswith("SDXL") else xl.SD2V, vae_ch=32, vae_mult=(1, 1, 1, 1), vae_nres=1)
    if family.startswith("SD1"):
        first.SEED = "tiny-sd1"
        spec = first.Spec()
        first.unet(spec, first.TINY), first.vae(spec, first.TINY), first.text(spec, first.TINY)
        tensors = spec.t
    elif family == "SDXL refiner":
        for key in ("l_width", "l_layers", "l_heads", "l_mlp"):
            del sizes[key]
        sizes |= {"mult": (1, 2, 2, 2), "depth": (0, 2, 2, 0), "ctx": 32, "adm": 32 + 5 * 256}
        tensors = {name.replace("cond_stage_model.", "conditioner.embedders.0."): tensor for name, tensor in xl.build(sizes).items()}
    else:
        tensors = xl.build(sizes)
    extra = {"inpainting": 5, "pix2pix": 4, "depth": 1}.get(family.rpartition(" ")[2], 0)
    if extra:
        weight = tensors[FIRST]
        generator = torch.Generator().manual_seed(5)
        tensors[FIRST] = torch.cat([weight, (torch.randn(len(weight), extra, 3, 3, generator=generator) * 0.1).to(weight.dtype)], dim=1)
    if "v-prediction" in family and family.startswith("SDXL"):
        tensors |= {name: torch.zeros(0) for name in ("v_pred", "ztsnr") if name == "v_pred" or "zero" in family}
    return tensors


def checkpoint_of(family: str, folder: Path) -> Path:
    """The same as a file."""
    path = folder / f"{family.replace(' ', '-')}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors_of(family).items()}, path)
    return path
