"""Tiling and token merging: what they do to a model while they are on, and that nothing is left of them."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from modules.engine.tiling import tiled
from modules.engine.token_merging import find_merge, merged_tokens


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 32), down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=16, attention_head_dim=4, layers_per_block=1,
    ).eval()


def answer(unet: UNet2DConditionModel, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return unet(x, torch.tensor([500.0]), encoder_hidden_states=torch.ones(len(x), 7, 16), return_dict=False)[0]


def test_tiled_convolutions_have_no_border() -> None:
    """Shifting the picture round its edges shifts the result, and nothing else."""
    layers, x = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)), torch.randn(1, 2, 6, 5)
    with tiled((layers,)), torch.no_grad():
        assert torch.allclose(layers(x.roll((2, 1), (2, 3))), layers(x).roll((2, 1), (2, 3)), atol=1e-6)
    with torch.no_grad():
        assert not torch.allclose(layers(x.roll((2, 1), (2, 3))), layers(x).roll((2, 1), (2, 3)), atol=1e-3)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_either(unet: UNet2DConditionModel, fails: bool) -> None:
    x = torch.randn(2, 4, 8, 8)
    before = answer(unet, x)
    try:
        with tiled((unet,)), merged_tokens(unet, 0.5):
            assert not torch.allclose(answer(unet, x), before, atol=1e-4)
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert torch.equal(answer(unet, x), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())


def test_off_is_off(unet: UNet2DConditionModel) -> None:
    x = torch.randn(1, 4, 8, 8)
    before = answer(unet, x)
    with tiled((unet,), wanted=False), merged_tokens(unet, 0.0):
        assert torch.equal(answer(unet, x), before)


def test_merging_works_at_full_resolution_only(unet: UNet2DConditionModel) -> None:
    lengths: list[int] = []
    blocks = [module for module in unet.modules() if type(module).__name__ == "BasicTransformerBlock"]
    handles = [block.attn1.to_q.register_forward_hook(lambda module, given, out: lengths.append(out.shape[1])) for block in blocks]
    with merged_tokens(unet, 0.5):
        answer(unet, torch.randn(1, 4, 8, 8))
    for handle in handles:
        handle.remove()
    assert sorted(set(lengths)) == [16, 32]         # 4x4 untouched; 8x8 halved


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9)])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_what_was_not_merged_comes_back_as_it_was(height: int, width: int, ratio: float) -> None:
    tokens = torch.randn(2, height * width, 5)
    merge = find_merge(tokens, height, width, ratio)
    restored = merge.restored(merge.shortened(tokens))
    changed = (restored != tokens).any(dim=-1).sum(dim=1)
    count = merge.merged.shape[1]
    assert count == min(len(merge.sources), int(height * width * ratio))
    assert (changed <= 2 * count).all()


def test_equal_tokens_lose_nothing() -> None:
    tokens = torch.randn(1, 1, 5).expand(1, 64, 5)
    merge = find_merge(tokens, 8, 8, 0.5)
    assert torch.allclose(merge.restored(merge.shortened(tokens)), tokens, atol=1e-6)
