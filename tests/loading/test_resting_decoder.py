"""The VAE's decoder is in its file but for the moment when it decodes; whoever holds on to it, or changed it, keeps what they have."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.compute import processor_layers
from modules.compute.policy import ComputePolicy
from modules.loading import lean_vae, unread
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.quick_vae import SubstituteVae
from modules.loading.unread import put_back
from modules.schema.errors import CannotLoad
from tests.loading.files import checkpoint, golden_tensors, listed
from tests.short_form import one_in

EARLY = ("mid_block.", "up_blocks.0.", "up_blocks.1.", "up_blocks.2.")


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "_WORTH_IT", 0)
    monkeypatch.setattr(processor_layers, "FEWEST_OUTPUTS", 16)        # weights are put into another order as they are read


@pytest.fixture
def load(tmp_path: Path, policy: ComputePolicy) -> Callable[[], Components]:
    return lambda: load_checkpoint(listed(checkpoint(tmp_path / "model.safetensors")), policy)


@pytest.fixture
def usual(load: Callable[[], Components]) -> Any:
    """A VAE whose decoder was asked for, and stays."""
    vae: Any = load().vae
    assert vae.decoder is not None
    return vae


def latent() -> Tensor:
    return torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(3))


def decoded(vae: Any) -> Tensor:
    with torch.inference_mode():
        return vae.decode(latent(), return_dict=False)[0]


def decoder_of(vae: nn.Module) -> nn.Module:
    """Without asking for it."""
    return dict(vae.named_children())["decoder"]


def away(vae: nn.Module) -> set[str]:
    return {name for name, weight in decoder_of(vae).named_parameters() if weight.is_meta}


def everything(vae: nn.Module) -> set[str]:
    return {name for name, _ in decoder_of(vae).named_parameters()}


def test_it_is_there_while_it_decodes_only_and_draws_the_same_each_time(load: Callable[[], Components], usual: Any) -> None:
    found, wanted = load(), decoded(usual)
    vae = found.vae
    assert away(vae) == everything(vae) and vae.device.type == "cpu" and next(vae.parameters()).dtype is torch.float32
    for _ in range(3):
        assert torch.equal(decoded(vae), wanted) and not away(vae)
        found.put_vae_back()
        assert away(vae) == everything(vae) and vae.device.type == "cpu" and next(vae.parameters()).dtype is torch.float32
    vae.encode(torch.zeros(1, 3, 64, 64))  # pyright: ignore[reportArgumentType]
    assert away(vae) == everything(vae) and vae.device.type == "cpu" and not any(weight.is_meta for weight in vae.encoder.parameters())
    assert torch.equal(decoded(vae), wanted)


def test_the_encoder_is_there_while_it_encodes_only(load: Callable[[], Components]) -> None:
    found, pixels = load(), torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    vae: Any = found.vae
    encoder = dict(vae.named_children())["encoder"]
    means = []
    for _ in range(2):
        with torch.inference_mode():
            means.append(vae.encode(pixels).latent_dist.mean)
        assert not any(weight.is_meta for weight in encoder.parameters())
        found.put_vae_back()
        assert all(weight.is_meta for weight in encoder.parameters())
    assert vae.encoder is encoder               # whoever holds on to it keeps it
    found.put_vae_back()
    with torch.inference_mode():
        means.append(vae.encode(pixels).latent_dist.mean)
    assert not any(weight.is_meta for weight in encoder.parameters())
    assert torch.equal(means[0], means[1]) and torch.equal(means[0], means[2])


def test_a_small_one_stays(load: Callable[[], Components], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "_WORTH_IT", 1 << 27)
    found = load()
    decoded(found.vae)
    found.put_vae_back()
    assert not away(found.vae)


def test_a_quick_encoder_before_it_changes_nothing(load: Callable[[], Components], usual: Any) -> None:
    found = load()
    vae = SubstituteVae(found.vae, found.family.latent, quick_decoder=None, quick_encoder=nn.Identity())
    assert torch.equal(decoded(vae), decoded(usual)) and not away(found.vae)
    put_back(vae)
    assert away(found.vae) == everything(found.vae)


HOLDERS: dict[str, Callable[[Any], object]] = {
    "asks for it": lambda vae: vae.decoder.up_blocks[0], "asks for it between": lambda vae: (decoded(vae), put_back(vae), vae.decoder),
    "takes all weights": lambda vae: vae.state_dict(), "copies": lambda vae: copy.deepcopy(vae),
    "writes all weights": lambda vae: vae.load_state_dict({name: tensor.clone() for name, tensor in vae.state_dict().items()}),
}  # fmt: skip


@pytest.mark.parametrize("how", one_in(3, list(HOLDERS)))
def test_whoever_holds_it_keeps_it(how: str, load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_bands(monkeypatch)
    found = load()
    kind = type(found.vae).__mro__[1]
    HOLDERS[how](found.vae)
    own = {name: weight.data_ptr() for name, weight in decoder_of(found.vae).named_parameters()}
    for _ in range(2):
        assert torch.equal(decoded(found.vae), decoded(usual))
        found.put_vae_back()
        assert not away(found.vae)
    assert own == {name: weight.data_ptr() for name, weight in decoder_of(found.vae).named_parameters()}
    if how != "asks for it between":
        assert copy.deepcopy(found.vae).decoder is not found.vae.decoder
    for each in (found.vae, usual):
        each.state_dict()
    assert type(found.vae) is type(usual) is kind and tuple(found.vae._modules) == tuple(usual._modules)


def to_half(vae: Any) -> None:
    vae.to(torch.bfloat16)


def written(vae: Any) -> None:
    with torch.no_grad():
        next(iter(decoder_of(vae).parameters())).mul_(2)


def exchanged_data(vae: Any) -> None:
    weight = next(iter(decoder_of(vae).parameters()))
    weight.data = weight.data * 2


@pytest.mark.parametrize("change", one_in(3, [written, to_half, exchanged_data]))
def test_changed_weights_are_not_lost(change: Callable[[Any], None], load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its first blocks are in the file at that moment: they are read in the type that it has by then."""
    change(usual)
    for bands in (False, True):
        if bands:
            in_bands(monkeypatch)
        found = load()
        decoded(found.vae)
        assert bool(away(found.vae)) is bands
        change(found.vae)
        found.put_vae_back()
        like = next(found.vae.parameters())
        with torch.inference_mode():
            ours, theirs = (each.decode(latent().to(like), return_dict=False)[0] for each in (found.vae, usual))
        assert torch.equal(ours, theirs)


def in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any picture is decoded as a large one is."""
    monkeypatch.setattr(lean_vae, "_FEWEST_VALUES", 0)
    monkeypatch.setattr(lean_vae, "_FEWEST_VALUES_OF_LARGE", 0)


def test_the_first_blocks_weights_are_gone_before_the_last_maps_are_made(load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_bands(monkeypatch)
    found, wanted = load(), decoded(usual)
    gone: list[set[str]] = []
    monkeypatch.setattr(lean_vae, "convolve_plainly", lambda *arguments, own=lean_vae.convolve_plainly: (gone.append(away(found.vae)), own(*arguments))[1])
    for _ in range(2):                                  # of one batch
        assert torch.equal(decoded(found.vae), wanted)
    expected = {name for name in everything(found.vae) if name.startswith(EARLY)}
    assert gone == [expected, expected] and 0 < len(expected) < len(everything(found.vae))
    found.put_vae_back()
    assert away(found.vae) == everything(found.vae)


def test_a_smaller_picture_does_without(load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_vae, "_FEWEST_VALUES", 0)
    found = load()
    assert torch.equal(decoded(found.vae), decoded(usual)) and not away(found.vae)


def test_tiles_read_what_is_not_there(load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_bands(monkeypatch)
    vae: Any = load().vae
    for each in (vae, usual):
        each.tile_latent_min_size, each.tile_sample_min_size, each.use_tiling = 8, 64, True
    assert torch.equal(decoded(vae), decoded(usual)) and away(vae)
    with torch.inference_mode():
        assert torch.equal(vae.tiled_decode(latent(), return_dict=False)[0], usual.tiled_decode(latent(), return_dict=False)[0]) and away(vae)


def test_who_asks_from_another_thread_while_it_decodes_keeps_it(load: Callable[[], Components], usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_bands(monkeypatch)
    found, held = load(), []

    def ask(*_: object) -> None:
        other = threading.Thread(target=lambda: held.append(found.vae.decoder))
        other.start()
        other.join(10)

    monkeypatch.setattr(lean_vae, "convolve_plainly", lambda *arguments, own=lean_vae.convolve_plainly: (ask(), own(*arguments))[1])
    assert torch.equal(decoded(found.vae), decoded(usual)) and held
    found.put_vae_back()
    assert not away(found.vae)


def test_gradients_go_through_one_that_was_read_without(load: Callable[[], Components]) -> None:
    vae: Any = load().vae
    decoded(vae)
    x = latent().requires_grad_(True)
    vae.decode(x, return_dict=False)[0].sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_a_file_that_is_gone_or_exchanged_is_still_there_and_an_overwritten_one_is_refused(load: Callable[[], Components], usual: Any) -> None:
    wanted, other = decoded(usual), b"other"
    for done in (Path.unlink, lambda path: (path.with_suffix(".new").write_bytes(other), path.with_suffix(".new").replace(path))):
        found = load()
        decoded(found.vae)
        found.put_vae_back()
        done(found.checkpoint.path)
        assert torch.equal(decoded(found.vae), wanted)
    found = load()
    decoded(found.vae)
    found.put_vae_back()
    save_file({name: tensor * 2 for name, tensor in golden_tensors().items()}, found.checkpoint.path)
    written_over = found.checkpoint.path.read_bytes()
    found = load()
    found.checkpoint.path.write_bytes(written_over)
    for use in (decoded, lambda vae: vae.decoder, lambda vae: vae.state_dict()):
        with pytest.raises(CannotLoad, match=r"model\.safetensors.*overwritten"):
            use(found.vae)
    assert away(found.vae) == everything(found.vae)
