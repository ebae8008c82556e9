"""A model as a folder in diffusers' layout, listed as if it were one file in the original layout: same names, same shapes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.families.family import PIPELINE, UNET
from modules.families.unet_names import original_names
from modules.library.header import Header, TensorEntry, read_header
from modules.schema.errors import CannotLoad

INDEX = "model_index.json"
_VAE = "first_stage_model."
_TEXT_PREFIXES = {"quick_gelu": "cond_stage_model.transformer.", "gelu": "cond_stage_model.model."}     # told by their activation: SD 1.x, SD 2.x
_XL_FIRST, _XL_SECOND, _REFINER = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.", "conditioner.embedders.0.model."
_CLIPS = ("text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer.")
_LANGUAGE_MODELS = {"T5": "text_encoders.t5xxl.transformer.", **{
    kind: f"text_encoders.{name}.transformer.model."
    for kind, name in (("Qwen3VL", "qwen3vl_4b"), ("Qwen3", "qwen3_4b"), ("Qwen2_5", "qwen25_7b"), ("Gemma2", "gemma2_2b"), ("Mistral3", "mistral3_24b"))
}}  # fmt: skip
_QWEN3_BY_WIDTH = {2048: "_2b", 4096: "_8b"}       # those that have the class of Qwen3 4B: Ovis', Qwen3 8B


@dataclass(frozen=True, kw_only=True)
class FolderTensor:
    """Where a tensor lies: ``name`` in ``file``."""

    file: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class DiffusersFolder:
    """header: all tensors under their names in the original layout. sources: where each of them is."""

    header: Header
    sources: Mapping[str, FolderTensor]


def is_diffusers_folder(path: Path) -> bool:
    return (path / INDEX).is_file()


def read_folder(path: Path) -> DiffusersFolder:
    """The folder's index. Raises CannotLoad naming the part that is missing, damaged or of a kind that this version does not know."""
    index = read_json(path / INDEX)
    if not (path / "unet").is_dir() and not (path / "transformer").is_dir():
        kind = index.get("_class_name")
        raise CannotLoad(path, f"it is a folder of the kind {kind or 'unknown'}, which this version cannot run", "Choose another model.")
    entries: dict[str, TensorEntry] = {}
    sources: dict[str, FolderTensor] = {}
    for part, prefix in (_parts(path) if (path / "unet").is_dir() else _flow_parts(path, index)).items():
        for file in part_files(path / part):
            for name, entry in read_header(file).tensors.items():
                for original in _original(part, prefix, name):
                    entries[original], sources[original] = entry, FolderTensor(file=file, name=name)
    size = sum(entry.end - entry.start for entry in entries.values())
    return DiffusersFolder(header=Header.of(path, entries, {PIPELINE: f"{index.get('_class_name')}{' distilled' if index.get('is_distilled') is True else ''}"}, size), sources=sources)


def part_files(folder: Path) -> list[Path]:
    """The weight files of one part: those its index names, else the one that is no variant. Raises CannotLoad when there is none."""
    index = next(iter(sorted(folder.glob("*.safetensors.index.json"), key=_plainest)), None)
    if index is not None:
        table = read_json(index).get("weight_map")
        names = {Path(name).name for name in table.values()} if isinstance(table, dict) else set()
        return [folder / name for name in sorted(names)]
    files = sorted(folder.glob("*.safetensors"), key=_plainest)
    if not files:
        raise CannotLoad(folder, "this part of the model has no .safetensors file", "Download the model's .safetensors files too.")
    return files[:1]


def main_file(folder: Path) -> Path:
    """The file that stands for the model where one is asked for, such as for its hash. Raises CannotLoad."""
    part = next((folder / name for name in ("unet", "transformer") if (folder / name).is_dir()), folder)
    return part_files(part)[0]


def read_json(path: Path) -> dict[str, Any]:
    """The table in a file; empty for one that is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _plainest(path: Path) -> tuple[int, str]:
    """``model.safetensors`` before ``model.fp16.safetensors`` before ``model.fp16.non_ema.safetensors``."""
    return path.name.count("."), path.name


def _parts(path: Path) -> dict[str, str]:
    """The folder's parts, and what their tensors' names begin with in the original layout."""
    found = {"unet": UNET, "vae": _VAE}
    if (path / "text_encoder_2").is_dir():
        has_first = (path / "text_encoder").is_dir()
        found |= {"text_encoder": _XL_FIRST, "text_encoder_2": _XL_SECOND} if has_first else {"text_encoder_2": _REFINER}
    elif (path / "text_encoder").is_dir():
        found["text_encoder"] = _TEXT_PREFIXES.get(str(read_json(path / "text_encoder" / "config.json").get("hidden_act")), _TEXT_PREFIXES["quick_gelu"])
    return {part: prefix for part, prefix in found.items() if (path / part).is_dir()}


def _flow_parts(path: Path, index: Mapping[str, Any]) -> dict[str, str]:
    """The same for a model with a transformer, which keeps its names; its text encoders are told by their classes, CLIP-L comes before CLIP-G."""
    found, clips = {"transformer": "transformer.", "vae": _VAE}, list(_CLIPS)
    for part in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        listed = index.get(part)
        kind = str(listed[1]) if isinstance(listed, list) and len(listed) == 2 else ""
        prefix = clips.pop(0) if kind.startswith("CLIP") and clips else next((prefix for start, prefix in _LANGUAGE_MODELS.items() if kind.startswith(start)), "")
        if kind.startswith("Qwen3") and not kind.startswith("Qwen3VL"):
            width = read_json(path / part / "config.json").get("hidden_size")
            prefix = prefix.replace("_4b", _QWEN3_BY_WIDTH.get(width, "_4b") if isinstance(width, int) else "_4b")
        if prefix:
            found[part] = prefix
    return {part: prefix for part, prefix in found.items() if (path / part).is_dir()}


def _original(part: str, prefix: str, name: str) -> Iterable[str]:
    if prefix.endswith("transformer.model.") or prefix in _LANGUAGE_MODELS.values():
        return [prefix + name.removeprefix("language_model.").removeprefix("model.").removeprefix("language_model.")]
    if part == "transformer" or prefix in _CLIPS:
        return [prefix + name]
    if part == "unet":
        module, _, ending = name.rpartition(".")
        return [f"{prefix}{original}.{ending}" for original in original_names(module)[-1:]]
    if part == "vae" or prefix.endswith("transformer."):
        return [prefix + name]
    rest = name.removeprefix("text_model.")          # newer versions of transformers leave it out
    if rest.startswith("final_layer_norm."):
        return [prefix + rest.replace("final_layer_norm.", "ln_final.")]
    return [prefix + (rest if rest.startswith("text_projection.") else f"text_model.{rest}")]
