"""Chunks of tokens -> text encoder output (N, 77, C): clip skip, embeddings in their places, emphasis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from modules.engine.prompt_chunks import EmbeddingPlace, PromptChunk
from modules.schema.errors import InvalidValue

_ROWS_AT_ONCE = 16      # bounds memory; alternation over 150 steps asks for many texts


def encode_chunks(module: nn.Module, chunks: Sequence[PromptChunk], *, clip_skip: int) -> Tensor:
    """(N, 77, C) float32 of a CLIPTextModel, without emphasis.

    clip_skip: 1 is the last layer, 2 the one before; the final norm is applied to either. Raises InvalidValue beyond the layers.
    """
    parts = [_encode(module, chunks[start : start + _ROWS_AT_ONCE], clip_skip) for start in range(0, len(chunks), _ROWS_AT_ONCE)]
    return torch.cat(parts)


def emphasise(z: Tensor, weights: Tensor, counts: Tensor, emphasis: str) -> Tensor:
    """Multiply each token by its weight, as the emphasis mode says.

    z: (N, 77, C), one chunk position of N distinct texts; weights: (N, 77); counts: (N,), how often each text stands in the
    schedule, because "Original" restores the mean of the whole schedule.
    """
    if emphasis in ("None", "Ignore") or bool((weights == 1.0).all()):
        return z
    weighted = z * weights[..., None]
    if emphasis == "No norm":
        return weighted
    share = counts / counts.sum()
    mean_before, mean_after = (z.mean(dim=(1, 2)) * share).sum(), (weighted.mean(dim=(1, 2)) * share).sum()
    return weighted * (mean_before / mean_after) if mean_after else weighted


def _encode(module: nn.Module, chunks: Sequence[PromptChunk], clip_skip: int) -> Tensor:
    device = next(module.parameters()).device
    tokens = torch.tensor([chunk.tokens for chunk in chunks], device=device)
    with torch.no_grad(), _embeddings_in_place(module, [chunk.embeddings for chunk in chunks]):
        if clip_skip <= 1:
            return module(input_ids=tokens).last_hidden_state.float()
        states = module(input_ids=tokens, output_hidden_states=True).hidden_states
        if clip_skip > len(states):
            raise InvalidValue(f"Clip skip {clip_skip} is more than this model's text encoder has layers ({len(states)}).",
                               f"Choose 1 to {len(states)}.", field="CLIP_stop_at_last_layers")
        return module.final_layer_norm(states[-clip_skip]).float()   # type: ignore[operator]


@contextmanager
def _embeddings_in_place(module: nn.Module, places: Sequence[Sequence[EmbeddingPlace]]) -> Iterator[None]:
    """While this runs, the token embeddings at ``places`` (per row) are those of textual inversion."""
    if not any(places):
        yield
        return

    def replaced(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        output = output.clone()
        for row, found in enumerate(places):
            for place in found:
                start = place.offset + 1        # after the start token
                vectors = place.embedding.vectors(0).to(output)[: output.shape[1] - start]
                output[row, start : start + len(vectors)] = vectors
        return output

    hook = module.get_input_embeddings().register_forward_hook(replaced)     # type: ignore[operator]
    try:
        yield
    finally:
        hook.remove()
