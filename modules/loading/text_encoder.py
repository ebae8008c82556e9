"""A text encoder out of a checkpoint or a file of its own, with its tokenizer: CLIP in OpenAI's layout or OpenCLIP's, T5, Qwen, Gemma, Mistral."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers.models.clip import CLIPTextConfig, CLIPTextModel

from modules.families.family import TextEncoderSpec
from modules.loading.components import TextEncoder
from modules.loading.fill import Filling, Piece, prepared
from modules.loading.language_model import prepare_language_model, ready_language_model, with_adapter
from modules.loading.ldm_names import clip_names, open_clip_names
from modules.loading.own_tokenizer import own_tokenizer
from modules.loading.text_layout import clip_config
from modules.loading.tokenizer import clip_tokenizer, qwen_tokenizer, t5_tokenizer
from modules.loading.unread import Unread
from modules.loading.weights import Weights


@dataclass(frozen=True, kw_only=True)
class PreparedTextEncoder:
    """A text encoder whose weights are not read yet."""

    filling: Filling[Any]
    spec: TextEncoderSpec
    tokenizer: Callable[[], Any] = clip_tokenizer
    adapter: Filling[Any] | None = None     # a part of the module that lies in the denoiser's file

    def fill(self, *, dtype: torch.dtype, device: torch.device, later: bool = False) -> TextEncoder:
        """later: the weights are read when they are first used."""
        if self.adapter is not None:
            from modules.loading.adapted_qwen import ready_adapter

            ready_adapter(self.adapter.fill(dtype=dtype, device=device), device)
        if not self.spec.is_clip:
            module = ready_language_model(self.filling.fill(dtype=dtype, device=device), device)
            return TextEncoder(built=module, tokenizer=self.tokenizer(), spec=self.spec)
        module = self.filling.module
        positions = torch.arange(module.config.max_position_embeddings, device=device)[None]
        module.embeddings.register_buffer("position_ids", positions, persistent=False)  # no weight; on the meta device until now
        unread = Unread(self.filling, dtype=dtype, returns=True) if later else None
        if not later:
            self.filling.fill(dtype=dtype, device=device)
        return TextEncoder(built=module, tokenizer=self.tokenizer(), spec=self.spec, unread=unread)


def prepare_text_encoder(spec: TextEncoderSpec, weights: Weights, heads: int | None, checkpoint: Weights) -> PreparedTextEncoder:
    """heads: of its attention, where a config beside the file gives them. checkpoint: has its adapter. Raises CannotLoad when the file has no such encoder.

    An encoder whose pooled output is used gets its projection as ``module.text_projection``.
    """
    if not spec.is_clip:
        tokenizer = {"t5": t5_tokenizer, "qwen": qwen_tokenizer, "qwen3-vl": qwen_tokenizer}.get(spec.kind) or own_tokenizer(spec, weights)
        filling = prepare_language_model(spec, weights)
        if not spec.adapter:
            return PreparedTextEncoder(filling=filling, spec=spec, tokenizer=tokenizer)
        from modules.loading.adapted_qwen import prepare_adapter

        adapter = prepare_adapter(spec.adapter, checkpoint)
        return PreparedTextEncoder(filling=with_adapter(filling, adapter.module), spec=spec, tokenizer=tokenizer, adapter=adapter)
    header = weights.header
    is_open = spec.kind == "open_clip"
    if is_open and not spec.pooled and f"{spec.prefix}text_model.embeddings.token_embedding.weight" in header.tensors:
        spec = replace(spec, layer=1)       # diffusers saves SD 2.x' encoder without the last layer, which is not used
    names = open_clip_names(header.names, spec.prefix, projection=spec.pooled) if is_open else clip_names(header.names, spec.prefix)
    pieces = {name: source if isinstance(source, Piece) else Piece(source) for name, source in names.items()}
    shapes = {name: piece.shape(header.shapes[piece.name]) for name, piece in pieces.items()}
    config = clip_config(header.path, shapes, spec, heads)
    with torch.device("meta"):
        module = CLIPTextModel(CLIPTextConfig(**config))
        if spec.pooled and spec.projected and "text_projection.weight" in pieces:
            module.text_projection = nn.Linear(config["hidden_size"], config["projection_dim"], bias=False)
    if not isinstance(getattr(module, "text_projection", None), nn.Linear):     # some files of CLIP-L leave it out, where it changes nothing
        pieces.pop("text_projection.weight", None)
        module.text_projection = nn.Identity()
    return PreparedTextEncoder(filling=prepared(module, pieces, weights, part=f"{spec.name} text encoder"), spec=spec)
