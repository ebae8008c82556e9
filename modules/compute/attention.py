"""How attention is computed: PyTorch's fused kernel, another package's, or in chunks that bound the memory. Set on a module once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from modules.compute.memory import free_bytes
from modules.compute.policy import Attention, ComputePolicy

MAX_ELEMENTS = 2**31 - 1  # Metal's kernels count with 31 bits
_SPLIT_BYTES = 512 * 2**20  # what one chunk's table of scores may take where nobody knows how much memory is free
_LEAST_BYTES, _SHARE = 64 * 2**20, 3  # what it may take at least; at most this part of the memory that is free
_FLASH_WIDTH = 256  # of one head, at most
_SAGE_WIDTHS = (64, 96, 128)


class TakesProcessor(Protocol):
    """A diffusers model whose attention can be exchanged."""

    def set_attn_processor(self, processor: Any) -> None: ...


class ChunkedAttention:
    """diffusers' attention processor that never holds the whole table of scores: queries go through in chunks.

    The result is the plain one; only rounding in the last digit can differ. query_chunk: queries at once, or None to
    take as many as fit ``score_bytes``; without these, what fits the memory that is free on the device.
    in_float32: scores are computed in float32, for models and devices that overflow in half precision.
    """

    def __init__(self, query_chunk: int | None = None, *, score_bytes: int | None = None, in_float32: bool = False) -> None:
        self._query_chunk = query_chunk
        self._score_bytes = score_bytes
        self._in_float32 = in_float32

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
        found = self._in_its_type(query, key, value, attention_mask, attn.scale).unflatten(0, (-1, attn.heads))
        hidden_states = attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2).to(query.dtype)))
        if len(shape) == 4:
            hidden_states = hidden_states.transpose(1, 2).reshape(shape)
        if attn.residual_connection:
            hidden_states = hidden_states + residual
        return hidden_states / attn.rescale_output_factor

    def _in_its_type(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        if not self._in_float32 or query.dtype is torch.float32:
            return self._attend(query, key, value, mask, scale)
        return self._attend(query.float(), key.float(), value.float(), None if mask is None else mask.float(), scale).to(query.dtype)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        """All (B * heads, tokens, width)."""
        chunk = self._chunk(query.shape[0], key.shape[1], query.element_size(), query.device)
        result = torch.empty(*query.shape[:2], value.shape[2], dtype=value.dtype, device=value.device)
        for first in range(0, query.shape[1], chunk):
            scores = torch.bmm(query[:, first : first + chunk] * scale, key.transpose(1, 2))
            if mask is not None:
                scores = scores + (mask if mask.shape[1] == 1 else mask[:, first : first + chunk])
            result[:, first : first + chunk] = torch.bmm(scores.softmax(dim=-1), value)
        return result

    def _chunk(self, rows: int, keys: int, element_size: int, device: torch.device) -> int:
        per_query = max(1, rows * keys)
        fitting = MAX_ELEMENTS // per_query
        if self._query_chunk is not None:
            return max(1, min(fitting, self._query_chunk))
        score_bytes = _fitting_bytes(device) if self._score_bytes is None else self._score_bytes
        return max(1, min(fitting, score_bytes // (2 * element_size * per_query)))


def _heads(tensor: Tensor, heads: int) -> Tensor:
    """(B, tokens, heads * width) -> (B * heads, tokens, width)."""
    return tensor.unflatten(2, (heads, -1)).transpose(1, 2).flatten(0, 1)


def _fitting_bytes(device: torch.device) -> int:
    """What one chunk's scores may take on ``device``."""
    free = free_bytes(device)
    return max(_LEAST_BYTES, free // _SHARE) if free else _SPLIT_BYTES


class UnfusedAttention(ChunkedAttention):
    """Plain attention: the whole table of scores at once."""

    def __init__(self, *, in_float32: bool = False) -> None:
        super().__init__(score_bytes=2**62, in_float32=in_float32)


class Float32Attention(ChunkedAttention):
    """For models whose scores overflow in half precision: computed in float32, in chunks."""

    def __init__(self) -> None:
        super().__init__(in_float32=True)


class HeadsInTurn(ChunkedAttention):
    """Two heads at a time, with all of their scores; in smaller chunks only where these are too many to be counted."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        parts = []
        for first in range(0, query.shape[0], 2):
            rows = slice(first, first + 2)
            parts.append(super()._attend(query[rows], key[rows], value[rows], None if mask is None else mask[rows], scale))
        return torch.cat(parts)


class SubQuadraticAttention(ChunkedAttention):
    """Chunks of queries and of keys: the softmax is put together from those of the chunks, so that no row of scores is ever whole.

    query_chunk, key_chunk: at once; no key_chunk: the square root of how many there are, but 512 at least.
    whole_bytes: attention whose scores take no more than this is computed whole. Source: Rabe & Staats 2021 (arXiv:2112.05682).
    """

    def __init__(self, query_chunk: int, key_chunk: int | None = None, *, whole_bytes: int = 0, in_float32: bool = False) -> None:
        super().__init__(query_chunk, in_float32=in_float32)
        self._key_chunk = key_chunk
        self._whole_bytes = whole_bytes

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        rows, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        if rows * queries * keys * query.element_size() <= self._whole_bytes and rows * queries * keys <= MAX_ELEMENTS:
            return _plain(query, key, value, mask, scale)
        key_chunk = self._key_chunk or max(512, int(keys**0.5))
        chunk = self._chunk(rows, min(keys, key_chunk), query.element_size(), query.device)
        result = torch.empty(*query.shape[:2], value.shape[2], dtype=value.dtype, device=value.device)
        for first in range(0, queries, chunk):
            part = slice(first, first + chunk)
            result[:, part] = _over_keys(query[:, part] * scale, key, value, mask if mask is None or mask.shape[1] == 1 else mask[:, part], key_chunk)
        return result


def _over_keys(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, key_chunk: int) -> Tensor:
    """softmax(query key) value for one chunk of scaled queries, over chunks of keys: sums are kept relative to the largest score so far."""
    largest: Tensor | None = None
    weights = sums = torch.empty(0)
    for first in range(0, key.shape[1], key_chunk):
        scores = torch.bmm(query, key[:, first : first + key_chunk].transpose(1, 2)).float()
        if mask is not None:
            scores = scores + mask[:, :, first : first + key_chunk]
        here = scores.amax(dim=-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)      # where a mask of -inf hides all of a chunk
        top = here if largest is None else torch.maximum(largest, here)
        shares = (scores - top).exp()
        found = torch.bmm(shares.to(value.dtype), value[:, first : first + key_chunk]).float()
        total = shares.sum(dim=-1, keepdim=True)
        if largest is not None:
            fade = (largest - top).exp()
            found, total = found + weights * fade, total + sums * fade
        largest, weights, sums = top, found, total
    return (weights / sums).to(value.dtype)


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    scores = torch.bmm(query * scale, key.transpose(1, 2))
    return torch.bmm((scores if mask is None else scores + mask).softmax(dim=-1), value)


class FusedAttention(ChunkedAttention):
    """PyTorch's fused kernel, in chunks only where the scores are more than the device can count, even though it never holds them all."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        chunk = max(1, MAX_ELEMENTS // max(1, query.shape[0] * key.shape[1]))
        parts = [
            _fused(query[:, first : first + chunk], key, value, mask if mask is None or mask.shape[1] == 1 else mask[:, first : first + chunk], scale)
            for first in range(0, query.shape[1], chunk)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return scaled_dot_product_attention(query[None], key[None], value[None], None if mask is None else mask[None], scale=scale)[0]


class DeterministicAttention(ChunkedAttention):
    """PyTorch's own attention without its memory-efficient kernel, whose sums may come in another order each time."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
            return _fused(query, key, value, mask, scale)


class XformersAttention(ChunkedAttention):
    """xformers' kernel, for those who installed it."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        from xformers.ops import memory_efficient_attention  # pyright: ignore[reportMissingImports]

        return memory_efficient_attention(query.contiguous(), key.contiguous(), value.contiguous(), attn_bias=mask, scale=scale)


class FlashAttention(ChunkedAttention):
    """flash-attn's kernel, for those who installed it; PyTorch's where that cannot: masks, float32, very wide heads."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        if mask is not None or query.dtype is torch.float32 or query.shape[2] > _FLASH_WIDTH:
            return _fused(query, key, value, mask, scale)
        from flash_attn import flash_attn_func  # pyright: ignore[reportMissingImports]

        return flash_attn_func(query[:, :, None], key[:, :, None], value[:, :, None], softmax_scale=scale)[:, :, 0]


class SageAttention(ChunkedAttention):
    """sageattention's kernel in 8 bits, for those who installed it; PyTorch's where that cannot: masks, float32, heads of other widths."""

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        if mask is not None or query.dtype is torch.float32 or query.shape[2] not in _SAGE_WIDTHS:
            return _fused(query, key, value, mask, scale)
        from sageattention import sageattn  # pyright: ignore[reportMissingImports]

        return sageattn(query[:, None], key[:, None], value[:, None], tensor_layout="HND", is_causal=False, sm_scale=scale)[:, 0]


_PROCESSORS: Mapping[Attention, Callable[[ComputePolicy], ChunkedAttention]] = {
    Attention.SUB_QUADRATIC: lambda policy: SubQuadraticAttention(
        policy.query_chunk, policy.key_chunk, in_float32=policy.attention_float32,
        whole_bytes=0 if policy.chunk_threshold is None else policy.memory_bytes * policy.chunk_threshold // 100,
    ),
    Attention.SPLIT: lambda policy: ChunkedAttention(in_float32=policy.attention_float32),
    Attention.SPLIT_V1: lambda policy: HeadsInTurn(in_float32=policy.attention_float32),
    Attention.SPLIT_INVOKE: lambda policy: ChunkedAttention(score_bytes=_SPLIT_BYTES, in_float32=policy.attention_float32),
    Attention.PLAIN: lambda policy: UnfusedAttention(in_float32=policy.attention_float32),
    Attention.XFORMERS: lambda policy: XformersAttention(in_float32=policy.attention_float32),
    Attention.FLASH: lambda policy: FlashAttention(in_float32=policy.attention_float32),
    Attention.SAGE: lambda policy: SageAttention(in_float32=policy.attention_float32),
    Attention.SDPA_NO_MEMORY_EFFICIENT: lambda policy: DeterministicAttention(in_float32=policy.attention_float32),
    Attention.SDPA: lambda policy: FusedAttention(in_float32=policy.attention_float32),
}  # fmt: skip


ALWAYS_THE_SAME = (FusedAttention, UnfusedAttention, XformersAttention, FlashAttention, SageAttention, DeterministicAttention)
"""Those that do the same in every call of one size."""
BY_MEMORY = (ChunkedAttention, HeadsInTurn, SubQuadraticAttention)
"""The others, which look at the memory that is free; where that is plenty, they too do the same in every call."""


def apply_attention(model: TakesProcessor, policy: ComputePolicy, *, usual: Any = None) -> None:
    """Make ``model`` (a diffusers UNet or VAE) compute attention as ``policy`` says.

    Attention.SDPA leaves it as diffusers built it, PyTorch's fused kernel, wherever that can count the scores.
    usual: the processor to put in then, for a model that may have another.
    """
    is_usual = policy.attention is Attention.SDPA and not policy.attention_float32 and not policy.device.startswith("mps")
    if not is_usual:
        model.set_attn_processor(_PROCESSORS[policy.attention](policy))
    elif usual is not None:
        model.set_attn_processor(usual)
