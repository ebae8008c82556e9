"""A1111's YAML files of checkpoints: which would be which one's. Here a checkpoint is recognised by its tensors."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules.a1111.places import NAMES


def config_files() -> dict[str, Callable[[], Any]]:
    """Where A1111 has its YAML files; only their names are of use here."""
    names = {
        "config_default": "v1-inference.yaml", "config_sd2": "v2-inference.yaml", "config_sd2v": "v2-inference-v.yaml", "config_sdxl": "sd_xl_base.yaml",
        "config_sdxl_refiner": "sd_xl_refiner.yaml", "config_inpainting": "v1-inpainting-inference.yaml", "config_depth_model": "v2-midas-inference.yaml",
        "config_instruct_pix2pix": "instruct-pix2pix.yaml", "config_unclip": "v2-1-stable-unclip-l-inference.yaml", "config_unopenclip": "v2-1-stable-unclip-h-inference.yaml",
        "config_alt_diffusion": "alt-diffusion-inference.yaml", "config_sd3": "sd3-inference.yaml", "config_sdxl_inpainting": "sd_xl_inpaint.yaml",
        "config_sd2_inpainting": "v2-inpainting-inference.yaml", "config_alt_diffusion_m18": "alt-diffusion-m18-inference.yaml",
    }  # fmt: skip
    folder = NAMES["sd_configs_path"]
    return {key: lambda name=name: str(Path(folder()) / name) for key, name in names.items()} | {"sd_configs_path": folder}


def find_checkpoint_config_near_filename(info: Any) -> str | None:
    beside = Path(info.filename).with_suffix(".yaml") if info is not None else None
    return str(beside) if beside is not None and beside.exists() else None


def find_checkpoint_config(state_dict: Any, info: Any) -> str:
    """The YAML beside the checkpoint, else the name of the default one."""
    return find_checkpoint_config_near_filename(info) or config_files()["config_default"]()
