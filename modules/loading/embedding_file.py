"""Textual inversion embeddings as files: their first vectors, and what A1111 and others read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import Tensor

if TYPE_CHECKING:
    from modules.loading.components import Components

_ANY_TOKEN = {"*": 265}         # what every trainer since the first one writes


def first_vectors(components: Components, text: str, count: int) -> tuple[Tensor, ...]:
    """(count, width) float32 per text encoder: what it takes for the tokens of ``text``, each as often as it must be; zeros for no text."""
    found = []
    for encoder in (each for each in components.text_encoders if each.spec.is_clip):
        weights = encoder.module.get_input_embeddings().weight      # type: ignore[operator, union-attr]
        ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        vectors = torch.zeros(count, weights.shape[1])
        if ids:
            vectors = weights.detach()[[ids[place * len(ids) // count] for place in range(count)]].float().cpu().clone()
        found.append(vectors)
    return tuple(found)


def embedding_values(tensors: Sequence[Tensor], *, name: str, step: int, model_hash: str = "", model_name: str = "") -> dict[str, Any]:
    """What the file holds: A1111's form, or for two text encoders that of SDXL's embeddings. model_hash, model_name: of the checkpoint that it was trained on."""
    about = {"name": name, "step": step, "sd_checkpoint": model_hash or None, "sd_checkpoint_name": model_name or None}
    if len(tensors) == 1:
        return {"string_to_token": dict(_ANY_TOKEN), "string_to_param": {"*": tensors[0]}, **about}
    return {"clip_l": tensors[0], "clip_g": tensors[1], **about}


def write_embedding(file: BinaryIO, values: dict[str, Any]) -> None:
    """As a .pt file, in torch's first form: A1111 refuses what today's torch puts into the other."""
    torch.save(values, file, _use_new_zipfile_serialization=False)


def checksum(tensors: Sequence[Tensor]) -> str:
    """A1111's four digits of the vectors, by which it knows the optimiser's state that belongs to them."""
    found = 0
    for value in torch.cat([each.reshape(-1) for each in tensors]) * 100:
        found = (found * 281 ^ int(value) * 997) & 0xFFFFFFFF
    return f"{found & 0xFFFF:04x}"
