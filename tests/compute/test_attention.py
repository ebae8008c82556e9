"""Attention in chunks is attention: the same result as diffusers' own, in the UNet's form and in the VAE's."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention as AttentionLayer

from modules.compute import attention as attention_module
from modules.compute.attention import (
    ChunkedAttention,
    DeterministicAttention,
    FusedAttention,
    HeadsInTurn,
    SubQuadraticAttention,
    UnfusedAttention,
    apply_attention,
)
from modules.compute.hardware import Hardware
from modules.compute.policy import Attention, policy_from_flags
from modules.schema.flags import Flags

CPU = Hardware(kind="cpu", name="test", memory_bytes=1, cpu_count=1, reason="A test.")
MAC = Hardware(kind="mps", name="test", memory_bytes=1, cpu_count=1, reason="A test.")
PROCESSORS = [ChunkedAttention(7), ChunkedAttention(1), ChunkedAttention(score_bytes=4096), ChunkedAttention(), UnfusedAttention(), DeterministicAttention(),
              HeadsInTurn(), SubQuadraticAttention(7, 5), SubQuadraticAttention(1024), FusedAttention()]  # fmt: skip


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def both(layer: AttentionLayer, processor: object, *inputs: torch.Tensor | None, **more: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        own = layer(*inputs, **more)
        layer.set_processor(processor)  # pyright: ignore[reportArgumentType]
        return own, layer(*inputs, **more)


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda each: f"{type(each).__name__}-{each._query_chunk}")
@pytest.mark.parametrize("context_width", [None, 24])
def test_the_unets_attention_is_the_same(processor: ChunkedAttention, context_width: int | None) -> None:
    layer = AttentionLayer(query_dim=32, cross_attention_dim=context_width, heads=4, dim_head=8).eval()
    context = None if context_width is None else torch.randn(2, 11, context_width)
    own, ours = both(layer, processor, torch.randn(2, 40, 32), context)
    assert torch.allclose(own, ours, atol=1e-6)


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda each: f"{type(each).__name__}-{each._query_chunk}")
def test_the_vaes_attention_is_the_same(processor: ChunkedAttention) -> None:
    layer = AttentionLayer(
        32, heads=1, dim_head=32, rescale_output_factor=2.0, eps=1e-6, norm_num_groups=8, residual_connection=True, bias=True, upcast_softmax=True
    ).eval()
    own, ours = both(layer, processor, torch.randn(2, 32, 6, 5))
    assert own.shape == ours.shape and torch.allclose(own, ours, atol=1e-6)


@pytest.mark.parametrize("processor", [ChunkedAttention(7), UnfusedAttention(), DeterministicAttention(), HeadsInTurn(), SubQuadraticAttention(7, 5), FusedAttention()])
def test_a_mask_is_kept(processor: ChunkedAttention) -> None:
    layer = AttentionLayer(query_dim=32, heads=4, dim_head=8).eval()
    mask = torch.zeros(2, 1, 40).masked_fill_(torch.rand(2, 1, 40) < 0.5, -10_000.0)
    own, ours = both(layer, processor, torch.randn(2, 40, 32), attention_mask=mask)
    assert torch.allclose(own, ours, atol=1e-6)


def test_a_mask_may_hide_whole_chunks_of_the_prompt() -> None:
    layer = AttentionLayer(query_dim=32, heads=4, dim_head=8).eval()
    mask = torch.zeros(2, 1, 40)
    mask[:, :, :10] = -torch.inf
    own, ours = both(layer, SubQuadraticAttention(7, 5), torch.randn(2, 40, 32), attention_mask=mask)
    assert torch.allclose(own, ours, atol=1e-6)


@pytest.mark.parametrize(("rows", "keys"), [(16, 4096), (1, 2**20), (64, 2**26)])
def test_no_chunk_passes_the_limits(rows: int, keys: int) -> None:
    chunk = ChunkedAttention()._chunk(rows, keys, 4, torch.device("cpu"))
    assert chunk >= 1
    assert chunk == 1 or (2 * 4 * rows * keys * chunk <= 512 * 2**20 and rows * keys * chunk < 2**31)
    assert UnfusedAttention()._chunk(8, 4096, 4, torch.device("cpu")) >= 4096


@pytest.mark.parametrize("attention", [Attention.SDPA, Attention.PLAIN, Attention.SUB_QUADRATIC, Attention.SPLIT_V1, Attention.SPLIT])
def test_on_a_mac_no_step_passes_what_metal_can_count(attention: Attention, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit brought down to where a small layer passes it: scores are made in pieces below it, and the result is the same."""
    layer = AttentionLayer(query_dim=32, heads=4, dim_head=8).eval()
    monkeypatch.setattr(attention_module, "MAX_ELEMENTS", 1000)
    seen: list[int] = []

    def counted_bmm(first: torch.Tensor, second: torch.Tensor, real: Any = torch.bmm) -> torch.Tensor:
        found = real(first, second)
        seen.append(max(first.numel(), found.numel()))
        return found

    def counted_fused(query: torch.Tensor, key: torch.Tensor, *rest: Any, real: Any = attention_module.scaled_dot_product_attention, **more: Any) -> torch.Tensor:
        seen.append(query[..., 0].numel() * key.shape[-2])
        return real(query, key, *rest, **more)

    monkeypatch.setattr(torch, "bmm", counted_bmm)
    monkeypatch.setattr(attention_module, "scaled_dot_product_attention", counted_fused)
    model, policy = Model(), dataclasses.replace(policy_from_flags(Flags(), MAC), attention=attention)
    apply_attention(model, policy)
    own, ours = both(layer, model.processor, torch.randn(2, 40, 32), None)
    assert len(seen) > 2 and max(seen) <= 1000
    assert torch.allclose(own, ours, atol=1e-6)


def test_half_precision_that_overflows_is_a_picture_in_float32() -> None:
    """What --upcast or a newer macOS asks for: scores past 65504 do not become infinite."""
    layer = AttentionLayer(query_dim=32, heads=1, dim_head=32).eval().to(torch.bfloat16)
    policy = dataclasses.replace(policy_from_flags(Flags(), CPU), attention_float32=True, compute_dtype="bfloat16")
    model = Model()
    apply_attention(model, policy)
    inputs = torch.randn(1, 20, 32)
    _, ours = both(layer, model.processor, inputs.bfloat16(), None)
    exact = layer.float()(inputs.bfloat16().float())
    assert ours.dtype is torch.bfloat16 and torch.allclose(ours.float(), exact, atol=0.02)


class Model:
    processor: object = None

    def set_attn_processor(self, processor: object) -> None:
        self.processor = processor


@pytest.mark.parametrize("attention", Attention)
def test_every_choice_can_be_set(attention: Attention) -> None:
    model, policy = Model(), dataclasses.replace(policy_from_flags(Flags(), CPU), attention=attention, query_chunk=3)
    apply_attention(model, policy)
    assert (model.processor is None) == (attention is Attention.SDPA)
    apply_attention(model, policy_from_flags(Flags(), CPU), usual="as it was")
    assert model.processor == "as it was"
