"""What of A1111's training extensions use without training: making an embedding from data."""
from __future__ import annotations

import os
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.text_names import Embedding
from modules.schema.errors import InvalidValue


def create_embedding_from_data(data: Any, name: str, filename: str = "unknown embedding file", filepath: str | None = None) -> Embedding:
    """An Embedding from the contents of its file. Raises InvalidValue for what is none."""
    table = data.get("string_to_param")
    if table is not None:
        table = getattr(table, "_parameters", table)
        vec: Any = next(iter(table.values())).detach()
    elif "clip_g" in data and "clip_l" in data:
        vec = {"clip_g": data["clip_g"], "clip_l": data["clip_l"]}
    else:
        tensors = [each for each in data.values() if hasattr(each, "shape")]
        if not tensors:
            raise InvalidValue(f"{filename} is no textual inversion embedding.")
        vec = tensors[0][None] if tensors[0].ndim == 1 else tensors[0]
    made = Embedding(vec, name, data.get("step"))
    first = vec["clip_g"] if isinstance(vec, dict) else vec
    made.vectors = int(first.shape[0])
    made.shape = sum(int(each.shape[-1]) for each in vec.values()) if isinstance(vec, dict) else int(vec.shape[-1])
    made.filename = filepath
    made.sd_checkpoint, made.sd_checkpoint_name = data.get("sd_checkpoint"), data.get("sd_checkpoint_name")
    return made


def create_embedding(name: str, num_vectors_per_token: int, overwrite_old: bool, init_text: str = "*") -> str:
    raise NotImplementedError("Embeddings are not made here.")


def list_textual_inversion_templates() -> dict[str, Any]:
    folder = current().flags.textual_inversion_templates_dir
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return {name: os.path.join(folder, name) for name in names}
