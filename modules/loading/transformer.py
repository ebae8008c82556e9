"""The transformer of a flow model out of a checkpoint: its sizes read off names and shapes, as the UNet's are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from modules.families.family import Denoiser, ModelFamily, Shapes
from modules.loading.beside import Beside
from modules.loading.fill import Filling, prepared
from modules.loading.transformer_names import transformer_names
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

_PATCH = 4              # cells of two by two in one token
_LUMINA_PLACES = 1024   # words, rows and columns that its table of places has room for: pictures of 16,384 pixels
_HEAD_WIDTH = 64        # SD3's, which no shape tells
_KINDS: Mapping[Denoiser, tuple[str, str]] = {
    "flux": ("flux", "Flux"), "chroma": ("chroma", "Chroma"), "sd3": ("sd3", "SD3"), "z-image": ("z_image", "ZImage"), "qwen-image": ("qwenimage", "QwenImage"),
    "flux2": ("flux2", "Flux2"), "lumina2": ("lumina2", "Lumina2"), "anima": ("cosmos", "Cosmos"), "krea2": ("krea2", "Krea2"), "ovis": ("ovis_image", "OvisImage"),
}  # fmt: skip
_OF_FILMS = ("Cosmos",)
_COSMOS_PLACES = (128, 1024, 1024)      # frames, and cells on a side, that its places are counted for


def prepare_transformer(family: ModelFamily, weights: Weights, beside: Beside) -> Filling[nn.Module]:
    """The checkpoint's transformer, its weights not read yet. Raises CannotLoad when tensors are missing or do not fit together."""
    names = transformer_names(family.denoiser, weights.header.shapes)
    shapes = {name: piece.shape(weights.header.shapes[piece.name]) for name, piece in names.items()}
    try:
        config = _CONFIGS[family.denoiser](shapes)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CannotLoad(weights.header.path, f"its transformer is incomplete: it lacks {error.args[0]}", "Download the file again.") from error
    if family.flag:
        config["zero_cond_t"] = beside.shown_is_clean or _says_shown_is_clean(family, weights)
    with torch.device("meta"):
        try:
            module = _kind(family)(**config)
        except (ValueError, AssertionError, RuntimeError) as error:
            raise CannotLoad(weights.header.path, f"its transformer has sizes that do not fit together ({error})", "Choose another file.") from error
    return prepared(module, names, weights, part="transformer")


def _says_shown_is_clean(family: ModelFamily, weights: Weights) -> bool:
    """Whether pictures that the model is shown are told the time 0, by the file's flag or its name (Qwen-Image-Edit 2511)."""
    return any(flag in weights.header.shapes for flag in family.flag) or "2511" in weights.header.path.name


def ready_transformer(module: Any, device: torch.device) -> Any:
    """With what is no weight and was on the meta device until now."""
    if any(buffer.is_meta for buffer in module.buffers()):      # Chroma's numbers of its layers
        config, embedding = module.config, module.time_text_embed
        count = 3 * config.num_single_layers + 12 * config.num_layers + 2
        module.time_text_embed = type(embedding)(num_channels=config.approximator_num_channels // 4, out_dim=count).to(device)
    if type(module).__name__.startswith("QwenImage"):          # its places, which it brings to the device itself
        module.pos_embed = type(module.pos_embed)(theta=10000, axes_dim=list(module.config.axes_dims_rope), scale_rope=True)
    if type(module).__name__.startswith("Lumina2"):
        module.rope_embedder = type(module.rope_embedder)(theta=10000, axes_dim=module.config.axes_dim_rope, axes_lens=module.config.axes_lens)
    return module


def text_widths(family: ModelFamily, weights: Weights) -> tuple[int, int]:
    """(values per token that the transformer reads of the last text encoder, values of the whole text; 0 for none)."""
    names = transformer_names(family.denoiser, weights.header.shapes)

    def columns(name: str) -> int:
        piece = names.get(name)
        shape = piece.shape(weights.header.shapes[piece.name]) if piece else ()
        return shape[-1] if shape else 0

    adapted = next((shape[1] for name, shape in weights.header.shapes.items() if name.endswith("llm_adapter.blocks.0.cross_attn.k_proj.weight")), 0)
    token = adapted or columns("txt_in.linear_1.weight") * columns("text_fusion.projector.weight") or columns("context_embedder.weight") or columns("cap_embedder.1.weight") or columns("time_caption_embed.caption_embedder.1.weight") or columns("txt_in.weight")
    return token, columns("time_text_embed.text_embedder.linear_1.weight")


def _kind(family: ModelFamily) -> Any:
    file, name = _KINDS[family.denoiser]
    return getattr(import_module(f"diffusers.models.transformers.transformer_{file}"), f"{name}Transformer{3 if name in _OF_FILMS else 2}DModel")


def _count(shapes: Shapes, group: str) -> int:
    """How many blocks a group has. Raises KeyError when there is none."""
    found = {name.removeprefix(f"{group}.").partition(".")[0] for name in shapes if name.startswith(f"{group}.")}
    numbers = {int(number) for number in found if number.isdecimal()}
    if not numbers:
        raise KeyError(f"{group}.0")
    return max(numbers) + 1


def _flux(shapes: Shapes) -> dict[str, Any]:
    width, inputs = shapes["x_embedder.weight"]
    head = shapes["transformer_blocks.0.attn.norm_q.weight"][0]
    time = head // 8
    return {
        "in_channels": inputs,
        "out_channels": shapes["proj_out.weight"][0],
        "num_layers": _count(shapes, "transformer_blocks"),
        "num_single_layers": _count(shapes, "single_transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "axes_dims_rope": (time, (head - time) // 2, (head - time) // 2),
    }


def _flux_guided(shapes: Shapes) -> dict[str, Any]:
    return _flux(shapes) | {
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
    }


def _chroma(shapes: Shapes) -> dict[str, Any]:
    inner, inputs = shapes["distilled_guidance_layer.in_proj.weight"]
    layers = {int(name.split(".")[2]) for name in shapes if name.startswith("distilled_guidance_layer.layers.")}
    return _flux(shapes) | {"approximator_num_channels": inputs, "approximator_hidden_dim": inner, "approximator_layers": max(layers, default=-1) + 1}


def _sd3(shapes: Shapes) -> dict[str, Any]:
    width, channels, patch, _ = shapes["pos_embed.proj.weight"]
    normed = shapes.get("transformer_blocks.0.attn.norm_q.weight")
    head = normed[0] if normed else min(_HEAD_WIDTH, width)
    second = {int(name.split(".")[1]) for name in shapes if name.endswith(".attn2.to_q.weight")}
    return {
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0] // patch**2,
        "num_layers": _count(shapes, "transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "caption_projection_dim": shapes["context_embedder.weight"][0],
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "pos_embed_max_size": math.isqrt(shapes["pos_embed.pos_embed"][1]),
        "dual_attention_layers": tuple(sorted(second)),
        "qk_norm": "rms_norm" if normed else None,
    }


def _z_image(shapes: Shapes) -> dict[str, Any]:
    width, inputs = shapes["all_x_embedder.2-1.weight"]
    head = shapes["layers.0.attention.norm_q.weight"][0]
    time = head // 4
    return {
        "in_channels": inputs // _PATCH,
        "dim": width,
        "n_layers": _count(shapes, "layers"),
        "n_refiner_layers": _count(shapes, "noise_refiner"),
        "n_heads": shapes["layers.0.attention.to_q.weight"][0] // head,
        "n_kv_heads": shapes["layers.0.attention.to_k.weight"][0] // head,
        "cap_feat_dim": shapes["cap_embedder.1.weight"][1],
        "axes_dims": [time, (head - time) // 2, (head - time) // 2],
    }


def _qwen_image(shapes: Shapes) -> dict[str, Any]:
    width, inputs = shapes["img_in.weight"]
    head = shapes["transformer_blocks.0.attn.norm_q.weight"][0]
    time = head // 8
    return {
        "in_channels": inputs,
        "out_channels": shapes["proj_out.weight"][0] // _PATCH,
        "num_layers": _count(shapes, "transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["txt_in.weight"][1],
        "axes_dims_rope": (time, (head - time) // 2, (head - time) // 2),
    }


def _flux2(shapes: Shapes) -> dict[str, Any]:
    width, head = shapes["x_embedder.weight"][0], shapes["transformer_blocks.0.attn.norm_q.weight"][0]
    return _flux(shapes) | {
        "timestep_guidance_channels": shapes["time_guidance_embed.timestep_embedder.linear_1.weight"][1],
        "mlp_ratio": shapes["transformer_blocks.0.ff.linear_out.weight"][1] / width,
        "axes_dims_rope": (head // 4,) * 4,
        "guidance_embeds": "time_guidance_embed.guidance_embedder.linear_1.weight" in shapes,
    }


def _lumina2(shapes: Shapes) -> dict[str, Any]:
    width, inputs = shapes["x_embedder.weight"]
    head, inner = shapes["layers.0.attn.norm_q.weight"][0], shapes["layers.0.feed_forward.linear_1.weight"][0]
    return {
        "in_channels": inputs // _PATCH,
        "hidden_size": width,
        "num_layers": _count(shapes, "layers"),
        "num_refiner_layers": _count(shapes, "noise_refiner"),
        "num_attention_heads": width // head,
        "num_kv_heads": shapes["layers.0.attn.to_k.weight"][0] // head,
        "multiple_of": inner,
        "ffn_dim_multiplier": min(inner / (4 * width), 1.0),
        "axes_dim_rope": (head // 3,) * 3,
        "axes_lens": (_LUMINA_PLACES,) * 3,
        "cap_feat_dim": shapes["time_caption_embed.caption_embedder.1.weight"][1],
    }


def _anima(shapes: Shapes) -> dict[str, Any]:
    """The mask of what is no picture, one channel more, is zero everywhere and comes with the noise: diffusers' own way to it needs torchvision."""
    width, inputs = shapes["patch_embed.proj.weight"]
    head = shapes["transformer_blocks.0.attn1.norm_q.weight"][0]
    return {
        "in_channels": inputs // _PATCH,
        "out_channels": shapes["proj_out.weight"][0] // _PATCH,
        "num_attention_heads": width // head,
        "attention_head_dim": head,
        "num_layers": _count(shapes, "transformer_blocks"),
        "mlp_ratio": shapes["transformer_blocks.0.ff.net.0.proj.weight"][0] / width,
        "text_embed_dim": shapes["transformer_blocks.0.attn2.to_k.weight"][1],
        "adaln_lora_dim": shapes["transformer_blocks.0.norm1.linear_1.weight"][0],
        "max_size": _COSMOS_PLACES,
        "rope_scale": (1.0, 4.0, 4.0),
        "concat_padding_mask": False,
        "extra_pos_embed_type": None,
    }


def _krea2(shapes: Shapes) -> dict[str, Any]:
    block, words = "transformer_blocks.0.", "text_fusion.layerwise_blocks.0."
    head, word_head = shapes[f"{block}attn.norm_q.weight"][0], shapes[f"{words}attn.norm_q.weight"][0]
    return {
        "in_channels": shapes["img_in.weight"][1],
        "num_layers": _count(shapes, "transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": shapes[f"{block}attn.to_q.weight"][0] // head,
        "num_key_value_heads": shapes[f"{block}attn.to_k.weight"][0] // head,
        "intermediate_size": shapes[f"{block}ff.gate.weight"][0],
        "timestep_embed_dim": shapes["time_embed.linear_1.weight"][1],
        "text_hidden_dim": shapes["txt_in.linear_1.weight"][1],
        "num_text_layers": shapes["text_fusion.projector.weight"][1],
        "text_num_attention_heads": shapes[f"{words}attn.to_q.weight"][0] // word_head,
        "text_num_key_value_heads": shapes[f"{words}attn.to_k.weight"][0] // word_head,
        "text_intermediate_size": shapes[f"{words}ff.gate.weight"][0],
        "num_layerwise_text_blocks": _count(shapes, "text_fusion.layerwise_blocks"),
        "num_refiner_text_blocks": _count(shapes, "text_fusion.refiner_blocks"),
        "axes_dims_rope": (head // 4, (head - head // 4) // 2, (head - head // 4) // 2),
    }


_CONFIGS = {"flux": _flux_guided, "chroma": _chroma, "sd3": _sd3, "z-image": _z_image, "qwen-image": _qwen_image, "flux2": _flux2, "lumina2": _lumina2,
            "anima": _anima, "krea2": _krea2, "ovis": _flux}
