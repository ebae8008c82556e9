"""How attention is computed: PyTorch's fused kernel, xformers, or in chunks that bound the memory. Set on a module once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from modules.compute.policy import Attention, ComputePolicy

MAX_ELEMENTS = 2**31 - 1  # Metal's kernels count with 31 bits
_SPLIT_BYTES = 512 * 2**20  # what one chunk's table of scores may take


class TakesProcessor(Protocol):
    """A diffusers model whose attention can be exchanged."""

    def set_attn_processor(self, processor: Any) -> None: ...


class ChunkedAttention:
    """diffusers' attention processor that never holds the whole table of scores: queries go through in chunks.

    The result is the plain one; only rounding in the last digit can differ. query_chunk: queries at once, or None to
    take as many as fit ``score_bytes``.
    """

    def __init__(self, query_chunk: int | None = None, *, score_bytes: int = _SPLIT_BYTES) -> None:
        self._query_chunk = query_chunk
        self._score_bytes = score_bytes

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """hidden_states: (B, tokens, C), or (B, C, h, w) as the VAE has it."""
        residual, shape = hidden_states, hidden_states.shape
        if attn.spatial_norm is not None:
            hidden_states = attn.spatial_norm(hidden_states, temb)
        if len(shape) == 4:
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        if attention_mask is not None:
            attention_mask = attn.prepare_attention_mask(attention_mask, context.shape[1], hidden_states.shape[0])
        query, key, value = (_heads(tensor, attn.heads) for tensor in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)))
        found = self._attend(query, key, value, attention_mask, attn.scale).unflatten(0, (-1, attn.heads))
        hidden_states = attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2).to(query.dtype)))
        if len(shape) == 4:
            hidden_states = hidden_states.transpose(1, 2).reshape(shape)
        if attn.residual_connection:
            hidden_states = hidden_states + residual
        return hidden_states / attn.rescale_output_factor

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        """All (B * heads, tokens, width)."""
        chunk = self._chunk(query.shape[0], key.shape[1], query.element_size())
        result = torch.empty(*query.shape[:2], value.shape[2], dtype=value.dtype, device=value.device)
        for first in range(0, query.shape[1], chunk):
            scores = torch.bmm(query[:, first : first + chunk] * scale, key.transpose(1, 2))
            if mask is not None:
                scores = scores + (mask if mask.shape[1] == 1 else mask[:, first : first + chunk])
            result[:, first : first + chunk] = torch.bmm(scores.softmax(dim=-1), value)
        return result

    def _chunk(self, rows: int, keys: int, element_size: int) -> int:
        per_query = max(1, rows * keys)
        fitting = min(self._score_bytes // (2 * element_size * per_query), MAX_ELEMENTS // per_query)
        return max(1, min(fitting, self._query_chunk or fitting))


def _heads(tensor: Tensor, heads: int) -> Tensor:
    """(B, tokens, heads * width) -> (B * heads, tokens, width)."""
    return tensor.unflatten(2, (heads, -1)).transpose(1, 2).flatten(0, 1)


class UnfusedAttention(ChunkedAttention):
    """Plain attention: the whole table of scores at once."""

    def __init__(self) -> None:
        super().__init__(score_bytes=2**62)


class Float32Attention(ChunkedAttention):
    """For models whose scores overflow in half precision: computed in float32, in chunks."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        exact = super()._attend(query.float(), key.float(), value.float(), None if mask is None else mask.float(), scale)
        return exact.to(query.dtype)


class XformersAttention(ChunkedAttention):
    """xformers' kernel, for those who installed it."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        from xformers.ops import memory_efficient_attention  # pyright: ignore[reportMissingImports]

        return memory_efficient_attention(query.contiguous(), key.contiguous(), value.contiguous(), attn_bias=mask, scale=scale)


class DeterministicAttention(ChunkedAttention):
    """PyTorch's own attention without its memory-efficient kernel, whose sums may come in another order each time."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
            return scaled_dot_product_attention(query[None], key[None], value[None], None if mask is None else mask[None], scale=scale)[0]


_PROCESSORS: Mapping[Attention, Callable[[ComputePolicy], ChunkedAttention]] = {
    Attention.SUB_QUADRATIC: lambda policy: ChunkedAttention(policy.query_chunk),
    Attention.SPLIT: lambda policy: ChunkedAttention(),
    Attention.SPLIT_V1: lambda policy: ChunkedAttention(),
    Attention.SPLIT_INVOKE: lambda policy: ChunkedAttention(),
    Attention.PLAIN: lambda policy: UnfusedAttention(),
    Attention.XFORMERS: lambda policy: XformersAttention(),
    Attention.SDPA_NO_MEMORY_EFFICIENT: lambda policy: DeterministicAttention(),
}


def apply_attention(model: TakesProcessor, policy: ComputePolicy) -> None:
    """Make ``model`` (a diffusers UNet or VAE) compute attention as ``policy`` says.

    Attention.SDPA leaves it as diffusers built it: PyTorch's fused kernel.
    """
    make = _PROCESSORS.get(policy.attention)
    if make is not None:
        model.set_attn_processor(make(policy))
