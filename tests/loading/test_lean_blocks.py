"""A loaded UNet and VAE compute what diffusers' own classes compute, in no_grad and with gradients, hooks included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from modules.compute import processor_layers
from modules.compute.hooked import Watcher
from modules.compute.processor_layers import suit_processor
from modules.loading import lean_vae
from modules.loading.lean_blocks import make_lean


@pytest.fixture(autouse=True)
def narrow_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tests are of narrow layers, which otherwise stay as they are."""
    monkeypatch.setattr(processor_layers, "FEWEST_OUTPUTS", 16)


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


@torch.no_grad()
def test_memory_is_given_back_where_the_maps_of_a_large_picture_change_their_size(unets: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr("modules.loading.lean_blocks.give_freed_blocks_back", lambda: given.append("back"))
    before = called(unets[1])
    assert not given
    monkeypatch.setattr("modules.loading.lean_blocks._FEWEST_VALUES_TO_TIDY", 0)
    assert torch.equal(called(unets[1]), before) and len(given) == 2


@pytest.mark.usefixtures("products_of")
@torch.no_grad()
def test_tokens_that_go_through_in_lots_are_the_same(unets: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lean = unets[1]
    before, widened = called(lean), lean.down_blocks[0].attentions[0].transformer_blocks[0].ff.net[0]
    monkeypatch.setattr("modules.loading.lean_blocks._INNER_VALUES", 50 * widened.proj.out_features)
    found = called(lean)
    assert (found - before).abs().max() < 1e-5 * before.abs().max()
    for part in (widened, widened.proj):
        handle = part.register_forward_hook(lambda module, arguments, output: output * 0.5)
        assert not torch.allclose(called(lean), before), type(part).__name__
        handle.remove()


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


@pytest.fixture
def vaes(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """diffusers' own VAE, and ours over the same weights: bands of few rows, taken for any picture."""
    monkeypatch.setattr("modules.loading.lean_vae._FEWEST_VALUES", 0)
    monkeypatch.setattr("modules.compute.bands._BAND_VALUES", 10_000)
    monkeypatch.setattr("modules.loading.lean_vae._ROWS_AT_ONCE", 100)
    torch.manual_seed(5)
    how: dict[str, Any] = {"norm_num_groups": 8, "down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3, "block_out_channels": (16, 32, 48)}
    plain, ours = AutoencoderKL(**how).eval().requires_grad_(False), AutoencoderKL(**how).eval().requires_grad_(False)
    for name, parameter in plain.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, mean=1.0)
    ours.load_state_dict(plain.state_dict())
    make_lean(ours)
    suit_processor(ours)
    return plain, ours


def worked(vae: Any, way: str, size: tuple[int, int] = (8, 8)) -> Tensor:
    """What ``vae`` makes of a latent, or of a picture of that many cells and some pixels more."""
    generator = torch.Generator().manual_seed(2)
    if way == "decoder":
        given = torch.randn(1, 4, *size, generator=generator) * 3
        found = vae.decode(before := given.clone(), return_dict=False)[0]
    else:
        given = torch.randn(1, 3, 4 * size[0] + 3, 4 * size[1] + 1, generator=generator)
        found = vae.encode(before := given.clone(), return_dict=False)[0].parameters
    assert torch.equal(given, before)
    return found


WAYS = pytest.mark.parametrize("way", ["decoder", "encoder"])


@pytest.mark.usefixtures("products_of")
@WAYS
@pytest.mark.parametrize("size", [(9, 13), (16, 8), (1, 30)], ids=str)
@torch.no_grad()
def test_a_picture_that_goes_through_a_vae_in_bands_is_the_same(vaes: tuple[Any, Any], way: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    bands: list[object] = []
    for own in (lean_vae._block, lean_vae.halve):
        monkeypatch.setattr(lean_vae, own.__name__, lambda *arguments, own=own: bands.append(arguments) or own(*arguments))
    wanted, found = (worked(each, way, size) for each in vaes)
    assert len(bands) == (6 if way == "decoder" else 3 + 2)
    assert (found - wanted).abs().max() < 2e-5 * wanted.abs().max()


@WAYS
@torch.no_grad()
def test_hooks_and_exchanged_parts_act_in_a_vae_that_works_in_bands(vaes: tuple[Any, Any], way: str) -> None:
    ours = vaes[1]
    before, half = worked(ours, way), getattr(ours, way)
    block = half.up_blocks[0] if way == "decoder" else half.down_blocks[0]
    size = block.upsamplers[0].conv if way == "decoder" else block.downsamplers[0].conv
    for part in (block, block.resnets[0], block.resnets[-1].norm2, size, half.conv_out):
        handle = part.register_forward_hook(lambda module, arguments, output: output * 0.5)
        assert not torch.equal(worked(ours, way), before), type(part).__name__
        handle.remove()
    block.resnets[0].forward = lambda hidden, temb: torch.zeros_like(hidden)
    assert not torch.equal(worked(ours, way), before)
    del block.resnets[0].forward
    assert torch.equal(worked(ours, way), before)


@WAYS
@torch.no_grad()
def test_an_interrupt_reaches_a_vae_that_works_in_bands(vaes: tuple[Any, Any], way: str) -> None:
    class Stops(Watcher):
        count = 0

        def __call__(self, *_: object) -> None:
            self.count += 1

    stops = Stops()
    blocks = vaes[1].decoder.up_blocks if way == "decoder" else vaes[1].encoder.down_blocks
    leaves = [each for each in blocks.modules() if next(each.children(), None) is None]
    handles = [each.register_forward_pre_hook(stops) for each in leaves]
    worked(vaes[1], way)
    for each in handles:
        each.remove()
    assert stops.count >= len(leaves)
