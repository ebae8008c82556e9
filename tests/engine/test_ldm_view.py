"""The UNet in CompVis' shape draws what diffusers' draws, and what is done to its parts takes effect."""
from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from modules.engine.ldm_layers import CrossAttention, Layer, ResBlock, SpatialTransformer, th
from modules.engine.ldm_unet import ldm_view

SIZES: dict[str, Any] = {"sample_size": 8, "block_out_channels": (32, 64), "layers_per_block": 1, "cross_attention_dim": 16, "attention_head_dim": 4, "norm_num_groups": 8,
                         "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}  # fmt: skip


@pytest.fixture
def unet() -> UNet2DConditionModel:
    torch.manual_seed(3)
    return UNet2DConditionModel(**SIZES).eval()


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    th.__dict__.pop("cat", None)


def drawn(unet: UNet2DConditionModel, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x, context = torch.randn(2, 4, size, size, generator=generator), torch.randn(2, 5, 16, generator=generator)
    with torch.no_grad():
        return unet(x, torch.tensor([500.0, 20.0]), encoder_hidden_states=context, return_dict=False)[0]


def test_it_draws_the_same_bits_whichever_way(unet: UNet2DConditionModel) -> None:
    before = drawn(unet)
    view = ldm_view(unet).diffusion_model
    assert torch.equal(drawn(unet), before) and not view.is_touched
    seen: list[int] = []
    th.cat = lambda tensors, *a, **k: (seen.append(len(tensors)), type(th).cat(th, tensors, *a, **k))[1]  # type: ignore[method-assign]
    assert view.is_touched and torch.equal(drawn(unet), before) and seen == [2] * len(view.output_blocks)
    assert ldm_view(unet).diffusion_model is view and drawn(unet, 9).shape == (2, 4, 9, 9)


def test_weights_bear_compvis_names_and_are_the_same(unet: UNet2DConditionModel) -> None:
    view = ldm_view(unet)
    names = view.state_dict()
    for name in ("input_blocks.0.0.weight", "input_blocks.1.0.in_layers.2.weight", "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "middle_block.0.emb_layers.1.bias",
                 "output_blocks.2.1.transformer_blocks.0.attn1.to_out.0.bias", "time_embed.0.weight", "out.2.weight", "input_blocks.2.0.op.weight"):  # fmt: skip
        assert f"diffusion_model.{name}" in names
    assert sum(each.numel() for each in names.values()) == sum(each.numel() for each in unet.state_dict().values())
    assert names["diffusion_model.out.2.weight"].data_ptr() == unet.conv_out.weight.data_ptr()


def test_a_replaced_attention_is_asked_and_can_be_put_back(unet: UNet2DConditionModel) -> None:
    before = drawn(unet)
    found = [(name, module) for name, module in ldm_view(unet).diffusion_model.named_modules() if "attn2" in name and type(module).__name__ == "CrossAttention"]
    shapes = []
    for _, module in found:
        assert isinstance(module, CrossAttention)

        def forward(x: torch.Tensor, context: Any = None, mask: Any = None, *, own: Any = module.forward) -> torch.Tensor:
            shapes.append((x.shape[0], context.shape[1]))
            return own(x, context=context, mask=mask) * 0.5

        module.forward = forward  # type: ignore[method-assign]
    assert not torch.equal(drawn(unet), before) and set(shapes) == {(2, 5)} and len(shapes) == len(found)
    for _, module in found:
        del module.forward
    assert torch.equal(drawn(unet), before)


@pytest.mark.parametrize("part", ["BasicTransformerBlock", "ResBlock", "CrossAttention"])
def test_a_part_that_was_made_one_of_another_class_works_as_that_class(unet: UNet2DConditionModel, part: str) -> None:
    """How token merging and agent attention put themselves into a model: a class made of the part's own, with another _forward or forward."""
    before = drawn(unet)
    found = [module for module in ldm_view(unet).diffusion_model.modules() if type(module).__name__ == part]
    own, name = type(found[0]), "forward" if part == "CrossAttention" else "_forward"
    asked = []

    def inside(self: Any, x: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        asked.append(self)
        return getattr(own, name)(self, x, *given, **named) * 0.5

    for module in found:
        module.__class__ = type("ToMeBlock", (own,), {name: inside})
    assert not torch.equal(drawn(unet), before) and set(asked) == set(found)
    for module in found:
        module.__class__ = own
    assert torch.equal(drawn(unet), before)


def test_hooks_blocks_and_the_whole_can_be_replaced(unet: UNet2DConditionModel) -> None:
    before = drawn(unet)
    view = ldm_view(unet).diffusion_model
    kinds: list[str] = []
    handles = [module.register_forward_hook(lambda module, *_: kinds.append(type(module).__name__)) for module in view.modules() if isinstance(module, ResBlock | SpatialTransformer)]
    assert torch.equal(drawn(unet), before) and kinds.count("ResBlock") == 8 and kinds.count("SpatialTransformer") == 4
    for handle in handles:
        handle.remove()
    own = view.middle_block
    view.middle_block = torch.nn.Identity()
    view.middle_block.forward = lambda h, emb=None, context=None: h  # type: ignore[method-assign]
    assert not torch.equal(drawn(unet), before)
    view.middle_block = own
    whole = view.forward
    view.forward = lambda x, timesteps=None, context=None, **more: whole(x, timesteps, context, **more) + 1  # type: ignore[method-assign]
    assert torch.allclose(drawn(unet), before + 1)
    del view.forward
    assert torch.equal(drawn(unet), before)


def test_what_fails_in_a_replaced_part_is_told_and_the_part_itself_works(unet: UNet2DConditionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before, told = drawn(unet), []
    attention = ldm_view(unet).diffusion_model.input_blocks[1][1].transformer_blocks[0].attn1
    attention.forward = lambda x, context=None, mask=None: x @ x
    monkeypatch.setattr(Layer, "failed", staticmethod(lambda code, place, error: told.append((code, place))))
    assert torch.equal(drawn(unet), before) and told == [(attention.forward, "CrossAttention")]


def test_hooks_of_the_houses_own_still_work_once(unet: UNet2DConditionModel) -> None:
    view = ldm_view(unet).diffusion_model
    calls: list[int] = []
    handle = unet.down_blocks[0].resnets[0].register_forward_pre_hook(lambda *_: calls.append(1))
    drawn(unet)
    th.cat = lambda *a, **k: type(th).cat(th, *a, **k)  # type: ignore[method-assign]
    drawn(unet)
    view.input_blocks[1][0].register_forward_hook(lambda *_: None)
    drawn(unet)
    handle.remove()
    assert len(calls) == 3


def test_a_resblocks_own_forward_written_out_draws_the_same(unet: UNet2DConditionModel) -> None:
    """As Ditail and other feature injections write it, by LDM's names."""
    before = drawn(unet)

    def forward(block: ResBlock, x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        h = block.in_layers(x) if not block.updown else block.in_layers[-1](block.h_upd(block.in_layers[:-1](x)))
        added = block.emb_layers(emb).type(h.dtype)[..., None, None]
        assert not block.use_scale_shift_norm and not block.skip_t_emb and block.dropout == 0 and torch.equal(block.x_upd(x), x)
        return block.skip_connection(x) + block.out_layers(h + added)

    blocks = [module for module in ldm_view(unet).diffusion_model.modules() if isinstance(module, ResBlock)]
    for each in blocks:
        each.forward = partial(forward, each)  # type: ignore[method-assign]
    assert torch.allclose(drawn(unet), before, atol=1e-5)
    for each in blocks:
        del each.forward
    assert torch.equal(drawn(unet), before)
