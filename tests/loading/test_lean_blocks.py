"""A loaded UNet and VAE compute what diffusers' own classes compute, in no_grad and with gradients, hooks included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from modules.loading.lean_blocks import make_lean


@pytest.fixture(scope="module")
def unets() -> tuple[Any, Any]:
    torch.manual_seed(3)
    how: dict[str, Any] = {"block_out_channels": (32, 64), "layers_per_block": 1, "cross_attention_dim": 24, "norm_num_groups": 8, "attention_head_dim": 4,
                           "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    plain, lean = UNet2DConditionModel(**how).eval(), UNet2DConditionModel(**how).eval()
    lean.load_state_dict(plain.state_dict())
    make_lean(lean)
    return plain, lean


def called(unet: Any) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, 16, 24, generator=generator), torch.randn(2, 7, 24, generator=generator)
    return unet(x, timestep=torch.tensor([500.0, 500.0]), encoder_hidden_states=text, return_dict=False)[0]


def test_a_lean_unet_gives_the_same_to_the_last_bit(unets: tuple[Any, Any]) -> None:
    with torch.no_grad():
        assert torch.equal(called(unets[0]), called(unets[1]))


def test_gradients_go_through_it(unets: tuple[Any, Any]) -> None:
    assert torch.equal(called(unets[0]), called(unets[1]))
    called(unets[1]).sum().backward()
    assert unets[1].conv_in.weight.grad is not None


def test_hooks_on_its_parts_act(unets: tuple[Any, Any]) -> None:
    """Each kind of part that extensions hook: attention and its layers, a block, a convolution."""
    lean = unets[1]
    block = lean.down_blocks[0].attentions[0].transformer_blocks[0]
    with torch.no_grad():
        before = called(lean)
        for part in (block, block.attn1, block.attn2.to_k, block.ff, lean.mid_block.resnets[0], lean.down_blocks[1].resnets[0].conv1):
            handle = part.register_forward_hook(lambda module, arguments, output: output * 0.5)
            assert not torch.equal(called(lean), before), type(part).__name__
            handle.remove()
        assert torch.equal(called(lean), before)


def test_exchanged_attention_is_asked(unets: tuple[Any, Any]) -> None:
    lean, asked = unets[1], []

    class Counting:
        def __call__(self, attn: Any, hidden_states: Tensor, **_: Any) -> Tensor:
            asked.append(attn)
            return hidden_states

    before = dict(lean.attn_processors)
    lean.set_attn_processor(Counting())
    with torch.no_grad():
        called(lean)
    lean.set_attn_processor(dict(before))
    assert len(asked) == len(before)


def test_a_lean_vae_gives_the_same_to_the_last_bit() -> None:
    torch.manual_seed(4)
    kinds: dict[str, Any] = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    vae: Any = AutoencoderKL(norm_num_groups=8, **kinds, block_out_channels=(16, 32)).eval()  # type: ignore[arg-type]
    latent = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        before = vae.decode(latent, return_dict=False)[0]
        make_lean(vae)
        assert torch.equal(vae.decode(latent, return_dict=False)[0], before)
