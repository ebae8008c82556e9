"""Model files made from the golden checkpoint: in other forms, with other parts, or damaged."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.library.cache import FileCache
from modules.library.catalogue import Catalogue
from modules.library.model_file import ModelFile
from modules.library.roots import roots_from_flags
from modules.schema.flags import parse_flags
from tests.golden.cases import MODELS, checkpoint_path


@cache
def golden_tensors() -> Mapping[str, Tensor]:
    return load_file(checkpoint_path())


def listed(path: Path, kind: str = "checkpoint") -> ModelFile:
    return ModelFile(path=path, name=path.name, kind=kind, size=path.stat().st_size if path.exists() else 0)


def checkpoint(path: Path, tensors: Mapping[str, Tensor] | None = None) -> Path:
    """A checkpoint at ``path`` with the config files beside it that give the text encoder's heads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in (tensors or golden_tensors()).items()}, path)
    beside = checkpoint_path().with_suffix(".yaml")
    shutil.copyfile(beside, path.with_suffix(".yaml"))
    shutil.copytree(beside.parent / "clip-tiny", path.parent / "clip-tiny", dirs_exist_ok=True)
    return path


def pickled(path: Path, value: object, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path, **how)  # pyright: ignore[reportArgumentType]
    return path


def vae_tensors(scale: float = 1.0) -> dict[str, Tensor]:
    """The golden VAE under the names of a VAE file of its own; ``scale`` makes another one of it."""
    found = {name.removeprefix("first_stage_model."): tensor for name, tensor in golden_tensors().items() if name.startswith("first_stage_model.")}
    return found | {"decoder.conv_out.weight": found["decoder.conv_out.weight"] * scale}


def catalogue_of(data: Path) -> Catalogue:
    return Catalogue(roots_from_flags(parse_flags(["--data-dir", str(data)], {}).flags), FileCache(None))


SDXL_SIZES = {
    "mc": 320, "mult": (1, 2, 4), "depth": (0, 2, 10), "head_ch": 64, "ctx": 2048, "adm": 2816, "l_width": 768, "l_layers": 12, "l_heads": 12, "l_mlp": 3072,
    "g_width": 1280, "g_layers": 32, "g_heads": 20, "g_proj": 1280, "vae_ch": 128, "vae_mult": (1, 2, 4, 4), "vae_nres": 2,
}  # fmt: skip


@cache
def layout(name: str) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of a checkpoint that the golden pictures' own maker would write; no weights are drawn. name: "FULL", "TINY" or "SDXL"."""
    folders = [str(MODELS), str(MODELS.parents[1] / "golden_xl" / "models")]
    sys.path[:0] = folders
    try:
        import make_checkpoints as maker  # pyright: ignore[reportMissingImports]
        import make_checkpoints_xl as maker_xl  # pyright: ignore[reportMissingImports]
    finally:
        del sys.path[: len(folders)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(maker, "gauss", lambda name, shape: torch.empty(shape, device="meta", dtype=torch.float64))
        patched.setattr(maker.Spec, "put", lambda self, name, value: self.t.__setitem__(name, torch.empty(value.shape, device="meta")))
        patched.setattr(maker_xl, "gauss", maker.gauss)
        if name == "SDXL":
            return {key: tuple(tensor.shape) for key, tensor in maker_xl.build(maker_xl.SDXL | SDXL_SIZES).items()}
        spec = maker.Spec()
        config = getattr(maker, name)
        maker.unet(spec, config)
        maker.vae(spec, config)
        maker.text(spec, config)
    return {key: tuple(tensor.shape) for key, tensor in spec.t.items()}
