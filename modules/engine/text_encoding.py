"""Chunks of tokens -> text encoder output (N, 77, C): layers, clip skip, pooled output, embeddings in their places, emphasis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modules.compute.precision import finite_or_upcast
from modules.engine.prompt_chunks import EmbeddingPlace, PromptChunk
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.resolved import SamplingOptions
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.loading.components import TextEncoder

_ROWS_AT_ONCE = 16      # bounds memory; alternation over 150 steps asks for many texts


@dataclass(frozen=True, kw_only=True)
class EncodedTexts:
    """tokens: (N, T, C) float32. pooled: (N, P) float32 of each text as a whole, where the model uses it."""

    tokens: Tensor
    pooled: Tensor | None = None

    @property
    def nbytes(self) -> int:
        return self.tokens.nbytes + (0 if self.pooled is None else self.pooled.nbytes)


def encode_chunks(encoder: TextEncoder, chunks: Sequence[PromptChunk], options: SamplingOptions, *, number: int = 0, learns: bool = False) -> EncodedTexts:
    """(N, 77, C) of one text encoder, without emphasis. number: the encoder's place, which says whose vectors embeddings give.

    learns: gradients are to reach the embeddings.

    Clip skip 1 is the last layer, 2 the one before. Raises InvalidValue beyond the layers.
    """
    parts = [_finite(encoder, chunks[start : start + _ROWS_AT_ONCE], options, number, learns) for start in range(0, len(chunks), _ROWS_AT_ONCE)]
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return EncodedTexts(tokens=torch.cat([part.tokens for part in parts]), pooled=torch.cat(pooled) if pooled else None)


def _finite(encoder: TextEncoder, chunks: Sequence[PromptChunk], options: SamplingOptions, number: int, learns: bool) -> EncodedTexts:
    """What is no number is computed once more, then in float32. Raises NotFinite."""
    found: list[EncodedTexts] = []

    def tokens(dtype: torch.dtype) -> Tensor:
        found[:] = [_encode(encoder, chunks, options, number, learns)]
        return found[0].tokens

    finite_or_upcast(encoder.module, tokens, what="The text encoder's output", remedy="Start with --no-half, or choose another checkpoint.")
    return found[0]


def _encode(encoder: TextEncoder, chunks: Sequence[PromptChunk], options: SamplingOptions, number: int, learns: bool) -> EncodedTexts:
    module, spec = encoder.module, encoder.spec
    device = next(module.parameters()).device
    tokens = torch.tensor([_padded(chunk.tokens, encoder) for chunk in chunks], device=device)
    chosen = options.sdxl_clip_l_skip if spec.clip_skip == "asked" else spec.clip_skip == "always"
    layer = max(options.clip_skip, 1) if chosen else spec.layer
    with torch.set_grad_enabled(learns), _embeddings_in_place(module, [chunk.embeddings for chunk in chunks], number):
        if layer == 1 and spec.final_norm and not spec.pooled:
            return EncodedTexts(tokens=module(input_ids=tokens).last_hidden_state.float())
        found = module(input_ids=tokens, output_hidden_states=True)
        states = found.hidden_states
        if layer > len(states):
            raise InvalidValue(f"Clip skip {layer} is more than this model's text encoder has layers ({len(states)}).",
                               f"Choose 1 to {len(states)}.", field="CLIP_stop_at_last_layers")
        z = module.final_layer_norm(states[-layer]) if spec.final_norm else states[-layer]   # type: ignore[operator]
        pooled = _pooled(module, found.last_hidden_state, tokens).float() if spec.pooled else None
        return EncodedTexts(tokens=z.float(), pooled=pooled)


def _padded(tokens: tuple[int, ...], encoder: TextEncoder) -> tuple[int, ...]:
    """With the encoder's own padding after the first end token."""
    pad = encoder.spec.pad_token
    if pad is None:
        return tokens
    used = tokens.index(prompt_tokenizer().end) + 1
    return (*tokens[:used], *[pad] * (len(tokens) - used))


def _pooled(module: nn.Module, last_state: Tensor, tokens: Tensor) -> Tensor:
    """(N, P): the projected state of the end token, which is the one with the highest number."""
    rows = torch.arange(len(tokens), device=tokens.device)
    return module.text_projection(last_state[rows, tokens.argmax(dim=-1)])   # type: ignore[operator]


@contextmanager
def _embeddings_in_place(module: nn.Module, places: Sequence[Sequence[EmbeddingPlace]], number: int) -> Iterator[None]:
    """While this runs, the token embeddings at ``places`` (per row) are those of textual inversion."""
    if not any(places):
        yield
        return

    def replaced(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        output = output.clone()
        for row, found in enumerate(places):
            for place in found:
                start = place.offset + 1        # after the start token
                vectors = place.embedding.vectors(number).to(output)[: output.shape[1] - start]
                output[row, start : start + len(vectors)] = vectors
        return output

    hook = module.get_input_embeddings().register_forward_hook(replaced)     # type: ignore[operator]
    try:
        yield
    finally:
        hook.remove()
