"""The checkpoint in use: loaded once, exchanged whole, with the VAE that is asked for, in the memory of one model."""

from __future__ import annotations

import copy
import logging
import os
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from modules.compute import processor_layers
from modules.compute.placement import KeepResident, OffloadBetweenStages, StreamBlocks
from modules.compute.policy import Attention, ComputePolicy, Residency
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.encode_prompt import encode_empty_prompt
from modules.engine.resolved import SamplingOptions
from modules.library.catalogue import Catalogue
from modules.loading import unread
from modules.loading.checkpoint import load_checkpoint
from modules.loading.checkpoints import Checkpoints
from modules.loading.components import Components, TextEncoder
from modules.loading.weights import SafetensorsWeights
from modules.schema.errors import CannotLoad, OutOfMemory, UnknownName
from tests.loading.files import catalogue_of, checkpoint, golden_tensors, listed, pickled, vae_tensors


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "models" / "Stable-diffusion"
    checkpoint(folder / "first.safetensors")
    changed = {name: tensor * (1.01 if "middle_block" in name else 1) for name, tensor in golden_tensors().items()}
    checkpoint(folder / "second.safetensors", changed)
    (tmp_path / "models" / "VAE").mkdir()
    save_file(vae_tensors(0.5), tmp_path / "models" / "VAE" / "soft.safetensors")
    return catalogue_of(tmp_path)


@pytest.fixture
def checkpoints(catalogue: Catalogue, policy: ComputePolicy) -> Checkpoints:
    return Checkpoints(catalogue, policy)


def load(checkpoints: Checkpoints, catalogue: Catalogue, name: str, **how: str) -> Components:
    return checkpoints.load(catalogue.find_checkpoint(name), **how)  # pyright: ignore[reportArgumentType]


def last_convolution(components: Components) -> Tensor:
    return components.vae.decoder.conv_out.weight


def test_the_loaded_one_is_given_again_at_once(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    assert checkpoints.current is None and checkpoints.components is None
    first = load(checkpoints, catalogue, "first")
    assert load(checkpoints, catalogue, "first") is first
    assert checkpoints.current and checkpoints.current.stem == "first"


def test_its_title_bears_the_hash_soon_after(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    load(checkpoints, catalogue, "first")
    assert catalogue.wait(10)
    assert checkpoints.current and checkpoints.current.title.startswith("first.safetensors [")


def test_the_old_model_is_gone_before_the_new_one_is_read(
    checkpoints: Checkpoints, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = weakref.ref(load(checkpoints, catalogue, "first").unet)
    gone: list[bool] = []
    read = SafetensorsWeights.read

    def watching(self: SafetensorsWeights, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        gone.append(old() is None)
        return read(self, name, dtype, device)

    monkeypatch.setattr(SafetensorsWeights, "read", watching)
    second = load(checkpoints, catalogue, "second")
    assert gone and all(gone)
    assert second.checkpoint.stem == "second"


def test_a_changed_file_is_loaded_again(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    first = load(checkpoints, catalogue, "first")
    path, before = first.checkpoint.path, first.unet.conv_out.bias.clone()
    checkpoint(path, {name: tensor * (2 if name.endswith("out.2.bias") else 1) for name, tensor in golden_tensors().items()})
    os.utime(path, ns=(1, 1))
    assert not torch.equal(load(checkpoints, catalogue, "first").unet.conv_out.bias, before)


def test_prompts_are_encoded_anew_for_a_file_that_was_written_again_under_its_name(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    cache = ConditioningCache()

    def encoded() -> Tensor:
        return encode_empty_prompt(load(checkpoints, catalogue, "first"), SamplingOptions(), cache=cache)

    before = encoded()
    path = load(checkpoints, catalogue, "first").checkpoint.path
    checkpoint(path, {name: tensor * (2 if name.endswith("final_layer_norm.weight") else 1) for name, tensor in golden_tensors().items()})
    os.utime(path, ns=(1, 1))
    assert not torch.equal(encoded(), before)


def test_what_is_loaded_stays_usable_when_its_file_is_gone(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    first = load(checkpoints, catalogue, "first")
    first.checkpoint.path.unlink()
    assert load(checkpoints, catalogue, "first") is first and len(catalogue.hash_of_loaded(first.checkpoint)) in (0, 64)
    load(checkpoints, catalogue, "second")
    with pytest.raises(CannotLoad, match="the file is gone"):
        load(checkpoints, catalogue, "first")


def test_as_many_are_kept_as_are_allowed_and_the_one_unused_longest_goes(checkpoints: Checkpoints, catalogue: Catalogue, tmp_path: Path) -> None:
    checkpoint(tmp_path / "models" / "Stable-diffusion" / "third.safetensors")
    catalogue.refresh()
    found = {name: catalogue.find_checkpoint(name) for name in ("first", "second", "third")}
    first, second = checkpoints.load(found["first"], keep=2), checkpoints.load(found["second"], keep=2)
    assert checkpoints.load(found["first"], keep=2) is first and checkpoints.components is first
    checkpoints.load(found["third"], keep=2)
    assert [each.stem for each in checkpoints.kept] == ["third", "first"]
    assert second.unet.conv_in.weight.is_meta and not first.unet.conv_in.weight.is_meta
    assert checkpoints.load(found["first"], keep=1) is first and [each.stem for each in checkpoints.kept] == ["first"]
    checkpoints.unload()
    assert first.unet.conv_in.weight.is_meta and checkpoints.current is None


def test_a_failure_in_the_middle_of_reading_leaves_none_and_the_next_load_works(
    checkpoints: Checkpoints, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(checkpoints, catalogue, "first")
    with monkeypatch.context() as patched:

        def failing(self: SafetensorsWeights, into: memoryview) -> None:
            raise CannotLoad(self.header.path, "reading it failed: Input/output error", "Check the disk.")

        patched.setattr(SafetensorsWeights, "_read_exactly", failing)
        with pytest.raises(CannotLoad, match="second"):
            load(checkpoints, catalogue, "second")
    assert checkpoints.components is None and checkpoints.current is None
    assert load(checkpoints, catalogue, "first").checkpoint.stem == "first"


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_is_said_with_a_remedy(
    error: Exception, checkpoints: Checkpoints, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Tensor:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(SafetensorsWeights, "read", failing)
        with pytest.raises(OutOfMemory, match=r"first\.safetensors"):
            load(checkpoints, catalogue, "first")
    assert load(checkpoints, catalogue, "first").checkpoint.stem == "first"


def test_the_vae_is_exchanged_and_the_rest_stays(checkpoints: Checkpoints, catalogue: Catalogue) -> None:
    own = load(checkpoints, catalogue, "first")
    soft = load(checkpoints, catalogue, "first", vae="soft.safetensors")
    assert soft.unet is own.unet and soft.vae_file and soft.vae_file.name == "soft.safetensors"
    assert torch.equal(last_convolution(soft), last_convolution(own) * 0.5)
    assert load(checkpoints, catalogue, "first", vae="soft.safetensors") is soft
    back = load(checkpoints, catalogue, "first", vae="None")
    assert back.vae_file is None and torch.equal(last_convolution(back), last_convolution(own))
    with pytest.raises(UnknownName, match="missing"):
        load(checkpoints, catalogue, "first", vae="missing")
    assert checkpoints.components is back


def test_a_vae_beside_the_checkpoint_is_taken_by_itself(checkpoints: Checkpoints, catalogue: Catalogue, tmp_path: Path) -> None:
    pickled(tmp_path / "models" / "Stable-diffusion" / "second.vae.pt", {"state_dict": {**vae_tensors(0.25), "loss.logvar": torch.zeros(1)}})
    catalogue.refresh()
    second = load(checkpoints, catalogue, "second")
    assert second.vae_file and second.vae_file.name == "second.vae.pt"
    assert load(checkpoints, catalogue, "first").vae_file is None


@pytest.mark.parametrize("damage", ["lora", "cut", "empty"])
def test_a_bad_vae_names_itself_and_the_model_in_use_stays(
    damage: str, checkpoints: Checkpoints, catalogue: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "models" / "VAE" / "bad.safetensors"
    if damage == "lora":
        save_file({"lora_unet_x.lora_down.weight": torch.zeros(1, 1)}, path)
    else:
        content = (tmp_path / "models" / "VAE" / "soft.safetensors").read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    catalogue.refresh()
    first = load(checkpoints, catalogue, "first")
    for name in ("first", "second"):
        with pytest.raises(CannotLoad, match=r"bad\.safetensors"):
            load(checkpoints, catalogue, name, vae="bad.safetensors")
        assert checkpoints.components is first


def test_a_vae_in_diffusers_layout_is_the_same_vae(
    golden: Components, catalogue: Catalogue, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    old_names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for name, renamed in (("new", {}), ("old", old_names)):
        tensors = {}
        for key, tensor in golden.vae.state_dict().items():
            for new, old in renamed.items() if ".attentions." in key else ():
                key = key.replace(f".{new}.", f".{old}.")
            tensors[key] = tensor
        save_file(tensors, tmp_path / "models" / "VAE" / f"{name}.safetensors")
        catalogue.refresh()
        loaded = load(checkpoints, catalogue, "first", vae=f"{name}.safetensors")
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(loaded.modules()[-1].parameters(), golden.modules()[-1].parameters()))


def test_one_line_is_logged(checkpoints: Checkpoints, catalogue: Catalogue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="modules.loading"):
        load(checkpoints, catalogue, "first")
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("loaded")]
    assert line.startswith("loaded first in ") and line.endswith(" MB, float32")


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_a_file_that_is_overwritten_or_cut_harms_nothing_loaded_from_it(ending: str, tmp_path: Path, policy: ComputePolicy) -> None:
    """Of the type that it runs in: a file mapped into memory would end the program here."""
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in golden_tensors().items()}
    path = checkpoint(tmp_path / "fp32.safetensors", tensors)
    if ending == ".ckpt":
        path = pickled(path.with_suffix(ending), tensors)
    components = load_checkpoint(listed(path), policy)
    before = predicted(components)
    path.write_bytes(b"cut")
    assert torch.equal(predicted(components), before)


def overwritten(path: Path, other: bytes) -> None:
    path.write_bytes(other)


def exchanged(path: Path, other: bytes) -> None:
    path.with_suffix(".new").write_bytes(other)
    path.with_suffix(".new").replace(path)


def gone(path: Path, other: bytes) -> None:
    path.unlink()


FIRST_USES: tuple[Callable[[Components], object], ...] = (
    lambda parts: parts.text_encoders[0].module, lambda parts: parts.vae.encode(torch.zeros(1, 3, 64, 64)),  # pyright: ignore[reportArgumentType]
    lambda parts: parts.vae.decode(torch.zeros(1, 4, 8, 8)), lambda parts: parts.vae.decoder,  # pyright: ignore[reportArgumentType]
    lambda parts: parts.vae.state_dict())  # fmt: skip


def test_what_waits_for_its_first_use_is_read_from_the_file_that_was_loaded_or_not_at_all(
    tmp_path: Path, policy: ComputePolicy, golden: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text encoder and the VAE's halves, of a file that something is done to in between."""
    monkeypatch.setattr(processor_layers, "FEWEST_OUTPUTS", 16)        # weights are put into another order as they are read
    other = checkpoint(tmp_path / "other.safetensors", {name: tensor * 2 for name, tensor in golden_tensors().items()}).read_bytes()

    def loaded(name: str) -> Components:
        return load_checkpoint(listed(checkpoint(tmp_path / f"{name}.safetensors")), policy)

    for done in (exchanged, gone):
        found = loaded(done.__name__)
        assert next(found.text_encoders[0].built.parameters()).is_meta and found.vae.device.type == "cpu"
        done(found.checkpoint.path, other)
        for ours, theirs in zip(found.modules(), golden.modules()):
            assert all(torch.equal(here, there) for here, there in zip(ours.parameters(), theirs.parameters(), strict=True))
        assert not any(tensor.is_meta for tensor in loaded(done.__name__).vae.state_dict().values())
        assert tuple(found.vae.state_dict()) == tuple(copy.deepcopy(loaded(done.__name__).vae).state_dict()) == tuple(golden.vae.state_dict())
    for content in (other, other[: len(other) // 2], b""):
        found = loaded("overwritten")
        overwritten(found.checkpoint.path, content)
        for first_use in FIRST_USES:
            with pytest.raises(CannotLoad, match=r"overwritten\.safetensors"):
                first_use(found)


@pytest.mark.parametrize("attention", [Attention.SUB_QUADRATIC, Attention.SPLIT, Attention.PLAIN, Attention.SDPA_NO_MEMORY_EFFICIENT])
def test_every_attention_predicts_the_same_noise(attention: Attention, golden: Components, policy: ComputePolicy) -> None:
    other = load_checkpoint(golden.checkpoint, replace(policy, attention=attention, query_chunk=5))
    torch.manual_seed(0)
    x, context = torch.randn(2, 4, 8, 16), torch.randn(2, 77, 64)
    with torch.inference_mode():
        expected = golden.unet(x, torch.tensor([500.0, 20.0]), encoder_hidden_states=context, return_dict=False)[0]
        found = other.unet(x, torch.tensor([500.0, 20.0]), encoder_hidden_states=context, return_dict=False)[0]
        assert torch.allclose(expected, found, atol=1e-4)
        assert torch.allclose(golden.vae.decode(x, return_dict=False)[0], other.vae.decode(x, return_dict=False)[0], atol=1e-4)


def test_channels_last_and_offloading_draw_the_same(golden: Components, policy: ComputePolicy) -> None:
    asked = replace(policy, channels_last=True, residency=Residency.OFFLOAD_BETWEEN_STAGES)
    other = load_checkpoint(golden.checkpoint, asked)
    assert isinstance(other.placement, OffloadBetweenStages)
    assert other.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    x, context = torch.ones(1, 4, 8, 8), torch.ones(1, 77, 64)
    with torch.inference_mode():
        found = other.unet(x, torch.tensor([500.0]), encoder_hidden_states=context, return_dict=False)[0]
        expected = golden.unet(x, torch.tensor([500.0]), encoder_hidden_states=context, return_dict=False)[0]
    assert torch.allclose(expected, found, atol=1e-4)


def predicted(components: Components) -> Tensor:
    torch.manual_seed(0)
    x, context = torch.randn(2, 4, 8, 16), torch.randn(2, 77, 64)
    with torch.inference_mode():
        return components.unet(x, torch.tensor([500.0, 20.0]), encoder_hidden_states=context, return_dict=False)[0]


def test_weights_in_8_bits_take_less_and_draw_nearly_the_same(checkpoints: Checkpoints, catalogue: Catalogue, policy: ComputePolicy) -> None:
    """Switched on, the model is read again with its large weights in float8; switched off, it is what it was, to the last bit."""
    model = catalogue.find_checkpoint("first")
    usual = predicted(checkpoints.load(model))
    small = checkpoints.load(model, policy=replace(policy, float8_weights=True))
    found = predicted(small)
    stored = {parameter.dtype for parameter in small.unet.parameters()}
    assert torch.float8_e4m3fn in stored and small.unet.conv_in.weight.dtype is torch.float32
    assert checkpoints.load(model, policy=replace(policy, float8_weights=True)) is small
    error = float((found - usual).norm() / usual.norm())
    assert 0 < error < 0.1
    assert torch.equal(predicted(checkpoints.load(model, policy=policy)), usual)


def test_another_attention_needs_no_reading(checkpoints: Checkpoints, catalogue: Catalogue, policy: ComputePolicy, caplog: pytest.LogCaptureFixture) -> None:
    model = catalogue.find_checkpoint("first")
    usual = predicted(checkpoints.load(model))
    caplog.set_level(logging.INFO, logger="modules.loading")
    other = checkpoints.load(model, policy=replace(policy, attention=Attention.SUB_QUADRATIC, query_chunk=5))
    assert {type(each).__name__ for each in other.unet.attn_processors.values()} == {"SubQuadraticAttention"}
    assert torch.allclose(predicted(other), usual, atol=1e-4)
    again = checkpoints.load(model, policy=policy)
    assert torch.equal(predicted(again), usual) and not any("loaded" in record.getMessage() for record in caplog.records)


def test_little_free_memory_brings_the_model_block_by_block(golden: Components, policy: ComputePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured when the weights are read; a flag that asked for a mode has the last word."""
    automatic = replace(policy, residency_is_asked=False)
    monkeypatch.setattr("modules.loading.checkpoint.free_bytes", lambda device: 2**20)
    found = load_checkpoint(golden.checkpoint, automatic)
    assert isinstance(found.placement, StreamBlocks) and found.policy is not None and found.policy.split_guidance
    assert torch.equal(predicted(found), predicted(golden))
    assert isinstance(load_checkpoint(golden.checkpoint, policy).placement, KeepResident)


def test_a_text_encoder_goes_back_to_its_file_between_prompts(tmp_path: Path, policy: ComputePolicy, golden: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as is asked, to the last bit; not with weights that somebody changed, nor from under somebody who holds it."""
    monkeypatch.setattr(unread, "_WORTH_IT", 0)

    def loaded(name: str) -> TextEncoder:
        return load_checkpoint(listed(checkpoint(tmp_path / f"{name}.safetensors")), policy).text_encoders[0]

    def is_there(encoder: TextEncoder) -> bool:
        return not any(weight.is_meta for weight in encoder.built.parameters())

    found = loaded("plain")
    for _ in range(3):
        pairs = zip(found.module.parameters(), golden.text_encoders[0].module.parameters(), strict=True)
        assert all(torch.equal(here, there) for here, there in pairs) and found.width == golden.text_encoders[0].width
        found.put_back()
        assert not is_there(found) and not found.built.embeddings.position_ids.is_meta  # type: ignore[union-attr]
    changed, written = loaded("changed"), loaded("written")
    own = next(changed.module.parameters())
    before, own.data = own.data, own.data + 1           # as a LoRA does it
    with torch.no_grad():
        next(written.module.parameters()).zero_()
    held = loaded("held")
    held.kept()
    for each in (changed, written, held):
        each.put_back()
        assert is_there(each)
    own.data = before
    changed.put_back()
    assert not is_there(changed)
    gone(tmp_path / "plain.safetensors", b"")
    assert found.module is found.built and is_there(found)
    overwritten(tmp_path / "changed.safetensors", b"")
    with pytest.raises(CannotLoad, match=r"changed\.safetensors"):
        assert changed.module


def test_a_small_text_encoder_stays(policy: ComputePolicy, tmp_path: Path) -> None:
    encoder = load_checkpoint(listed(checkpoint(tmp_path / "small.safetensors")), policy).text_encoders[0]
    encoder.module.parameters()
    encoder.put_back()
    assert not next(encoder.built.parameters()).is_meta
