"""The text encoders that are language models, T5's encoder, Qwen (with eyes or without), Gemma 2 and Mistral, sizes read off their tensors' names and shapes.

Files carry transformers' names, or llama.cpp's where they are GGUF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from modules.families.family import Shapes, TextEncoderSpec
from modules.loading.fill import Filling, Piece, prepared
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

_T5_LLAMA = {
    "attn_q": "layer.0.SelfAttention.q", "attn_k": "layer.0.SelfAttention.k", "attn_v": "layer.0.SelfAttention.v", "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias", "attn_norm": "layer.0.layer_norm", "ffn_norm": "layer.1.layer_norm",
    "ffn_up": "layer.1.DenseReluDense.wi_1", "ffn_gate": "layer.1.DenseReluDense.wi_0", "ffn_down": "layer.1.DenseReluDense.wo",
}  # fmt: skip
_QWEN_LLAMA = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.up_proj", "ffn_gate": "mlp.gate_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_LLAMA_BLOCK = re.compile(r"(?:enc\.)?blk\.(\d+)\.(\w+)\.(weight|bias)")
_QWEN_PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.")
_EMBEDDING = {"t5": "shared.weight", "qwen": "embed_tokens.weight", "qwen3-vl": "embed_tokens.weight", "gemma": "embed_tokens.weight", "mistral": "embed_tokens.weight"}
_GEMMA_MARK = "layers.0.pre_feedforward_layernorm.weight"
_QWEN2_HEAD, _GEMMA_HEAD, _MISTRAL_HEAD = 128, 256, 128
_EYES, _EYES_HEAD = "visual.", 80
_SEEING_TEXT = "language_model."            # what of a model that sees is for text
_QWEN3_MARK = "layers.0.self_attn.q_norm.weight"
_QWEN_MARKS = {_QWEN3_MARK, "layers.0.self_attn.q_proj.bias"}       # of 3, of 2


def language_model_names(kind: str, names: Iterable[str], prefix: str) -> dict[str, Piece]:
    """The module's tensor name -> where the file has it. kind: "t5", "qwen", "gemma" or "mistral"."""
    own = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    found = {_renamed(kind, name): Piece(source) for name, source in own.items()}
    if kind == "t5":
        found = {name: piece for name, piece in found.items() if name.startswith(("shared.", "encoder."))}
        embedding = found.get("shared.weight") or found.get("encoder.embed_tokens.weight")
        return found if embedding is None else found | {"shared.weight": embedding, "encoder.embed_tokens.weight": embedding}
    return {name: piece for name, piece in found.items() if name.startswith(("layers.", "embed_tokens.", "norm."))}


def is_qwen3(shapes: Shapes, prefix: str) -> bool:
    return _QWEN3_MARK in language_model_names("qwen", shapes, prefix)


def sees(shapes: Shapes, prefix: str) -> bool:
    """Whether the encoder in this file has its part for pictures."""
    return bool(_eyes(shapes, prefix))


def _eyes(names: Iterable[str], prefix: str) -> dict[str, Piece]:
    """The tensors of a Qwen2.5-VL's part for pictures, which lie beside the language model or in it."""
    starts = tuple({f"{prefix}{_EYES}", f"{prefix.removesuffix('model.')}{_EYES}", f"{prefix}model.{_EYES}"})
    return {f"{_EYES}{name[len(start):]}": Piece(name) for name in names for start in starts if name.startswith(start)}


def width_of(kind: str, shapes: Shapes, prefix: str) -> int:
    """Values per token; 0 when the file holds no such encoder."""
    names = language_model_names(kind, shapes, prefix)
    piece = names.get(_EMBEDDING[kind])
    if kind != "t5" and kind.removesuffix("3-vl") != ("gemma" if _GEMMA_MARK in names else "qwen" if _QWEN_MARKS & names.keys() else "mistral"):
        return 0
    return shapes[piece.name][-1] if piece else 0


def prepare_language_model(spec: TextEncoderSpec, weights: Weights) -> Filling[Any]:
    """Its weights not read yet. Raises CannotLoad when parts of it are missing."""
    header = weights.header
    names = language_model_names(spec.kind, header.names, spec.prefix)
    if spec.layers:
        names = {name: piece for name, piece in names.items() if not name.startswith("norm.") and _layer(name) < max(spec.layers)}
    if spec.sight is not None:
        names = {f"{_SEEING_TEXT}{name}": piece for name, piece in names.items()} | _eyes(header.names, spec.prefix)
    shapes = {name: piece.shape(header.shapes[piece.name]) for name, piece in names.items()}
    try:
        with torch.device("meta"):
            module = (_KINDS[spec.kind] if spec.sight is None else _seeing_qwen)(shapes)
            if spec.layers:
                module.norm = nn.Identity()
    except (KeyError, ZeroDivisionError) as error:
        raise CannotLoad(header.path, f"its {spec.name} text encoder is incomplete: it lacks {error.args[0]}", "Download the file again.") from error
    return prepared(module, names, weights, part=f"{spec.name} text encoder")


def with_adapter(filling: Filling[Any], adapter: nn.Module) -> Filling[Any]:
    """Qwen3 as a model that has ``adapter`` too, whose weights are filled in by themselves."""
    from modules.loading.adapted_qwen import AdaptedQwen

    with torch.device("meta"):
        return replace(filling, module=AdaptedQwen(filling.module.config, adapter), lacks_child=True)    # type: ignore[arg-type]


def ready_language_model(module: Any, device: torch.device) -> nn.Module:
    """With what is no weight and was on the meta device until now."""
    if hasattr(module, "visual"):
        ready_language_model(module.language_model, device)
        module.visual.rotary_pos_emb = type(module.visual.rotary_pos_emb)(module.visual.config).to(device)
    if hasattr(module, "rotary_emb"):
        module.rotary_emb = type(module.rotary_emb)(module.config).to(device)
    if hasattr(module, "embed_tokens") and hasattr(module.embed_tokens, "scalar_embed_scale"):      # Gemma's
        module.embed_tokens.embed_scale = torch.tensor(module.embed_tokens.scalar_embed_scale, device=device)
    return module


def _renamed(kind: str, name: str) -> str:
    llama = _LLAMA_BLOCK.fullmatch(name)
    if llama:
        part = (_T5_LLAMA if kind == "t5" else _QWEN_LLAMA).get(llama[2], llama[2])
        return f"encoder.block.{llama[1]}.{part}.{llama[3]}" if kind == "t5" else f"layers.{llama[1]}.{part}.{llama[3]}"
    plain = {"token_embd.weight": _EMBEDDING[kind], "enc.output_norm.weight": "encoder.final_layer_norm.weight", "output_norm.weight": "norm.weight"}.get(name)
    if plain:
        return plain
    if kind != "t5":
        prefix = next((prefix for prefix in _QWEN_PREFIXES if name.startswith(prefix)), "")
        return name.removeprefix(prefix)
    return name


def _layer(name: str) -> int:
    """Which layer a tensor is of; -1 for none."""
    number = name.removeprefix("layers.").partition(".")[0]
    return int(number) if number.isdecimal() else -1


def _layers(shapes: Shapes, start: str) -> int:
    numbers = {int(name.removeprefix(start).split(".")[0]) for name in shapes if name.startswith(start)}
    if not numbers:
        raise KeyError(f"{start}0")
    return max(numbers) + 1


def _t5(shapes: Shapes) -> nn.Module:
    from transformers.models.t5 import T5Config, T5EncoderModel

    block = "encoder.block.0.layer."
    buckets, heads = shapes[f"{block}0.SelfAttention.relative_attention_bias.weight"]
    gated = f"{block}1.DenseReluDense.wi_0.weight" in shapes
    vocabulary, width = shapes["shared.weight"]
    return T5EncoderModel(T5Config(
        vocab_size=vocabulary, d_model=width, d_kv=shapes[f"{block}0.SelfAttention.q.weight"][0] // heads, num_heads=heads,
        d_ff=shapes[f"{block}1.DenseReluDense.{'wi_0' if gated else 'wi'}.weight"][0], num_layers=_layers(shapes, "encoder.block."),
        relative_attention_num_buckets=buckets, feed_forward_proj="gated-gelu" if gated else "relu", use_cache=False,
    ))  # fmt: skip


def _qwen(shapes: Shapes) -> nn.Module:
    """Qwen 3 normalises queries and keys, Qwen 2 adds a bias; for text alone Qwen 2.5-VL is Qwen 2."""
    from transformers.models.qwen2 import Qwen2Config, Qwen2Model
    from transformers.models.qwen3 import Qwen3Config, Qwen3Model

    normed = shapes.get("layers.0.self_attn.q_norm.weight")
    if normed:
        return Qwen3Model(Qwen3Config(head_dim=normed[0], **_qwen_sizes(shapes, normed[0])))
    return Qwen2Model(Qwen2Config(**_qwen_sizes(shapes)))


def _qwen_sizes(shapes: Shapes, head: int = _QWEN2_HEAD) -> dict[str, Any]:
    vocabulary, width = shapes["embed_tokens.weight"]
    queries, keys = shapes["layers.0.self_attn.q_proj.weight"][0], shapes["layers.0.self_attn.k_proj.weight"][0]
    return {
        "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": shapes["layers.0.mlp.gate_proj.weight"][0],
        "num_hidden_layers": _layers(shapes, "layers."), "num_attention_heads": queries // head, "num_key_value_heads": max(keys // head, 1),
        "rms_norm_eps": 1e-6, "use_cache": False, "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    }  # fmt: skip


def _seeing_qwen(shapes: Shapes) -> nn.Module:
    """Qwen2.5-VL. Its eyes look at windows of 112 pixels, and in four of their layers at the whole picture."""
    from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig, Qwen2_5_VLModel

    text = _qwen_sizes({name.removeprefix(_SEEING_TEXT): shape for name, shape in shapes.items() if name.startswith(_SEEING_TEXT)})
    text["rope_parameters"] |= {"mrope_section": [16, 24, 24]}
    width, blocks = shapes["visual.patch_embed.proj.weight"][0], _layers(shapes, "visual.blocks.")
    return Qwen2_5_VLModel(Qwen2_5_VLConfig(
        text_config=text,
        vision_config={"depth": blocks, "hidden_size": width, "intermediate_size": shapes["visual.blocks.0.mlp.gate_proj.weight"][0], "num_heads": width // _EYES_HEAD,
                       "out_hidden_size": shapes["visual.merger.mlp.2.weight"][0], "fullatt_block_indexes": [7, 15, 23, 31]},
    ))  # fmt: skip


def _gemma(shapes: Shapes) -> nn.Module:
    """Gemma 2."""
    from transformers.models.gemma2 import Gemma2Config, Gemma2Model

    vocabulary, width = shapes["embed_tokens.weight"]
    return Gemma2Model(Gemma2Config(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=shapes["layers.0.mlp.gate_proj.weight"][0], num_hidden_layers=_layers(shapes, "layers."),
        num_attention_heads=shapes["layers.0.self_attn.q_proj.weight"][0] // _GEMMA_HEAD, num_key_value_heads=shapes["layers.0.self_attn.k_proj.weight"][0] // _GEMMA_HEAD,
        head_dim=_GEMMA_HEAD, query_pre_attn_scalar=_GEMMA_HEAD, use_cache=False, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    ))  # fmt: skip


def _mistral(shapes: Shapes) -> nn.Module:
    """Mistral Small 3.1 and 3.2."""
    from transformers.models.mistral import MistralConfig, MistralModel

    vocabulary, width = shapes["embed_tokens.weight"]
    return MistralModel(MistralConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=shapes["layers.0.mlp.gate_proj.weight"][0], num_hidden_layers=_layers(shapes, "layers."),
        num_attention_heads=shapes["layers.0.self_attn.q_proj.weight"][0] // _MISTRAL_HEAD, num_key_value_heads=shapes["layers.0.self_attn.k_proj.weight"][0] // _MISTRAL_HEAD,
        head_dim=_MISTRAL_HEAD, rms_norm_eps=1e-5, sliding_window=None, use_cache=False, rope_parameters={"rope_type": "default", "rope_theta": 1_000_000_000.0},
    ))  # fmt: skip


def _qwen3_vl(shapes: Shapes) -> nn.Module:
    """For text alone it is Qwen 3, with places that turn more slowly."""
    from transformers.models.qwen3 import Qwen3Config, Qwen3Model

    head = shapes[_QWEN3_MARK][0]
    sizes = _qwen_sizes(shapes, head)
    sizes["rope_parameters"]["rope_theta"] = 5_000_000.0
    return Qwen3Model(Qwen3Config(head_dim=head, **sizes))


_KINDS = {"t5": _t5, "qwen": _qwen, "qwen3-vl": _qwen3_vl, "gemma": _gemma, "mistral": _mistral}
