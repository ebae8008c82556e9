"""The sizes of a CLIP text encoder, read off its tensors' shapes under CLIPTextModel's names.

The rule for the number of heads, which no shape tells, stands in ``heads_for_width`` alone.
"""

from __future__ import annotations

from typing import Any

from modules.families.family import Shapes, TextEncoderSpec
from modules.schema.errors import CannotLoad

HEAD_WIDTH = 64


def heads_for_width(width: int) -> int:
    """Every published CLIP text encoder has heads 64 wide; an odd width gets the most heads that divide it."""
    heads = max(1, width // HEAD_WIDTH)
    while width % heads:
        heads -= 1
    return heads


def clip_config(path: object, shapes: Shapes, spec: TextEncoderSpec, heads: int | None = None) -> dict[str, Any]:
    """CLIPTextConfig's values for a text encoder with these shapes. heads: from a config beside the file.

    Raises CannotLoad when parts of the text encoder are missing.
    """
    try:
        vocabulary, width = shapes["embeddings.token_embedding.weight"]
        positions = shapes["embeddings.position_embedding.weight"][0]
        inner = shapes["encoder.layers.0.mlp.fc1.weight"][0]
    except KeyError as error:
        raise CannotLoad(
            path,
            f"it has no {spec.name} text encoder (no tensor {spec.prefix}...{error.args[0]})",
            "Choose a complete checkpoint; this file holds only a part of a model.",
        ) from error
    layers = 0
    while f"encoder.layers.{layers}.mlp.fc1.weight" in shapes:
        layers += 1
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads or heads_for_width(width),
        "max_position_embeddings": positions,
        "hidden_act": spec.hidden_act,
        "projection_dim": shapes.get("text_projection.weight", (width,))[0],
        "layer_norm_eps": 1e-5,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
