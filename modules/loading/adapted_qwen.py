"""Anima's text encoder: Qwen3 reads the prompt, and an adapter puts what it found into the words of T5's vocabulary, which the denoiser reads."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.condition_embedders.condition_embedder_anima import AnimaTextConditioner
from torch import Tensor
from transformers.models.qwen3 import Qwen3Config, Qwen3Model

from modules.families.family import DENOISER_PREFIXES
from modules.loading.fill import Filling, prepared
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad


class AdaptedQwen(Qwen3Model):
    """Qwen3 and the adapter as one part, so that they are on the device together."""

    def __init__(self, config: Qwen3Config, adapter: AnimaTextConditioner) -> None:
        super().__init__(config)
        self.llm_adapter = adapter

    def adapted(self, tokens: Tensor, mask: Tensor, words: Tensor, words_mask: Tensor) -> Tensor:
        """(N, 512 or more, C). tokens, mask: (N, T) of Qwen; words, words_mask: (N, W) of T5."""
        found: Any = super().forward(input_ids=tokens, attention_mask=mask)      # type: ignore[arg-type]
        states: Tensor = found.last_hidden_state
        states = states * mask.to(states)[..., None]
        return self.llm_adapter(states, target_input_ids=words, target_attention_mask=words_mask, source_attention_mask=mask)

    def forward(self, *args: Any, words: Tensor | None = None, words_mask: Tensor | None = None, **asked: Any) -> Any:  # type: ignore[override]
        """With ``words`` what ``adapted`` gives, else Qwen's own answer."""
        if words is None or words_mask is None:
            return super().forward(*args, **asked)
        return self.adapted(asked["input_ids"], asked["attention_mask"], words, words_mask)


def prepare_adapter(spec_prefix: str, weights: Weights) -> Filling[Any]:
    """The adapter in a checkpoint, its weights not read yet. spec_prefix: "llm_adapter.". Raises CannotLoad when parts of it are missing."""
    header = weights.header
    start = next((f"{prefix}{spec_prefix}" for prefix in DENOISER_PREFIXES if any(name.startswith(f"{prefix}{spec_prefix}") for name in header.shapes)), spec_prefix)
    names = {name.removeprefix(start): name for name in header.shapes if name.startswith(start)}
    shapes = {name: header.shapes[source] for name, source in names.items()}
    try:
        width, head = shapes["blocks.0.cross_attn.q_proj.weight"][0], shapes["blocks.0.cross_attn.q_norm.weight"][0]
        vocabulary, target = shapes["embed.weight"]
        with torch.device("meta"):
            module = AnimaTextConditioner(
                source_dim=shapes["blocks.0.cross_attn.k_proj.weight"][1], target_dim=target, model_dim=width, num_attention_heads=width // head,
                mlp_ratio=shapes["blocks.0.mlp.0.weight"][0] / width, num_layers=1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("blocks.")),
                target_vocab_size=vocabulary, use_self_attention="blocks.0.self_attn.q_proj.weight" in shapes,
            )  # fmt: skip
    except (KeyError, ZeroDivisionError) as error:
        raise CannotLoad(header.path, f"the adapter of its text encoder is incomplete: it lacks {error.args[0]}", "Download the file again.") from error
    return prepared(module, names, weights, part="text encoder's adapter")


def ready_adapter(module: AnimaTextConditioner, device: torch.device) -> None:
    """With what is no weight and was on the meta device until now."""
    config: Any = module.config
    module.rotary_emb = type(module.rotary_emb)(config.model_dim // config.num_attention_heads).to(device)
