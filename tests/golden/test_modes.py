"""A1111's pictures in every attention mode and every memory mode: what saves memory changes no picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from modules.compute.block_traffic import CopiedBlocks
from modules.compute.placement import OffloadBetweenStages, Placement, StreamBlocks
from modules.compute.policy import Attention
from modules.engine.generate import generate
from modules.engine.hooks import GenerationResult
from modules.loading.attending import attending
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from tests.golden.cases import case
from tests.golden.stages import components, loras, policy, psnr, resolved_request, shelf

pytestmark = pytest.mark.golden
ENOUGH = 45.0           # dB
CASES = ("steps-1", "sampler-euler-a", "hires-lanczos", "inpaint-original")
MODES: dict[str, dict[str, Any]] = {
    "sdp": {"attention": Attention.SDPA, "attention_float32": True},
    "sdp-no-mem": {"attention": Attention.SDPA_NO_MEMORY_EFFICIENT},
    "Doggettx": {"attention": Attention.SPLIT},
    "sub-quadratic": {"attention": Attention.SUB_QUADRATIC, "query_chunk": 16, "key_chunk": 10},
    "V1": {"attention": Attention.SPLIT_V1},
    "InvokeAI": {"attention": Attention.SPLIT_INVOKE},
    "None": {"attention": Attention.PLAIN},
    "on a Mac": {"attention": Attention.SDPA, "device": "mps"},     # its processor, which is chosen by the device's name
}
LONG = pytest.mark.long
FRESH: list[Components] = []


def fresh() -> Components:
    """The tiny checkpoint for this file alone: modes are set on its modules."""
    if not FRESH:
        FRESH.append(load_checkpoint(components().checkpoint, policy()))
    return FRESH[0]


def drawn(name: str, parts: Components, **how: Any) -> GenerationResult:
    return generate(resolved_request(case(name)), parts, policy=policy(), embeddings=shelf(), loras=loras(), **how)


@pytest.mark.parametrize("name", [CASES[0], *(pytest.param(name, marks=LONG) for name in CASES[1:])])
@pytest.mark.parametrize("mode", MODES)
def test_attention_in_every_mode_draws_a1111s_picture(mode: str, name: str) -> None:
    found = drawn(name, attending(fresh(), replace(policy(), **MODES[mode])))
    assert [psnr(ours.picture, theirs) for ours, theirs in zip(found.images, case(name).images())] >= [ENOUGH] * len(found.images)
    attending(replace(fresh(), policy=replace(policy(), attention=Attention.PLAIN)), policy())      # and back to the usual one


class OtherMemory:
    """A device whose memory is another part of the computer's: what computes must have been copied there, and everything else not."""

    device, home = torch.device("cpu"), torch.device("cpu", 0)

    def __init__(self) -> None:
        self.there: set[int] = set()
        self.moves = 0

    def __call__(self, part: nn.Module, device: torch.device) -> None:
        self.moves += 1
        for module in part.modules():
            (self.there.add if device == self.device else self.there.discard)(id(module))
        for parameter in part.parameters():
            parameter.data = parameter.data.clone()

    def watch(self, part: nn.Module) -> None:
        for module in part.modules():
            if next(module.parameters(recurse=False), None) is not None:
                module.register_forward_pre_hook(self._check)

    def _check(self, module: nn.Module, _: Any) -> None:
        assert id(module) in self.there, f"{type(module).__name__} computes while its weights are at home"


def with_turns() -> tuple[Components, Callable[[], bool]]:
    memory = OtherMemory()
    return _placed(OffloadBetweenStages(memory.device, home=memory.home, mover=memory), memory.watch), lambda: memory.moves > 3


class WatchedBlocks(CopiedBlocks):
    brought = 0

    def bring(self, block: nn.Module) -> None:
        at_home = {id(parameter): parameter.data_ptr() for parameter in block.parameters()}
        super().bring(block)
        WatchedBlocks.brought += 1
        assert all(parameter.data_ptr() != at_home[id(parameter)] for parameter in block.parameters())


def with_blocks() -> tuple[Components, Callable[[], bool]]:
    device = torch.device("cpu")
    WatchedBlocks.brought = 0
    return _placed(StreamBlocks(device, traffic=WatchedBlocks(device)), lambda part: None), lambda: WatchedBlocks.brought >= 7


def _placed(placement: Placement, watch: Callable[[nn.Module], None]) -> Components:
    parts = load_checkpoint(components().checkpoint, policy())
    found = replace(parts, placement=placement).attached()
    for part in found.modules():
        watch(part)
    return found


@pytest.mark.parametrize("name", ["lora-img2img", *(pytest.param(name, marks=LONG) for name in CASES)])
@pytest.mark.parametrize("mode", [with_turns, with_blocks], ids=["medvram", "lowvram"])
def test_memory_modes_change_nothing(mode: Callable[[], tuple[Components, Callable[[], bool]]], name: str) -> None:
    """To the last bit: with LoRAs put in and taken out, with img2img's and the hires pass's ways through the VAE."""
    parts, travelled = mode()
    before = [parameter.clone() for module in parts.modules() for parameter in module.parameters()]
    usual, found = drawn(name, fresh()), drawn(name, parts)
    assert [image.picture.tobytes() for image in found.images] == [image.picture.tobytes() for image in usual.images]
    assert travelled()
    parts.placement.release()
    assert all(torch.equal(now, old) for now, old in zip((parameter for module in parts.modules() for parameter in module.parameters()), before))



@pytest.mark.parametrize("mode", [with_turns, with_blocks], ids=["medvram", "lowvram"])
@pytest.mark.parametrize("place", ["unet.up_blocks.1", *(pytest.param(name, marks=LONG) for name in ("unet.mid_block", "vae.decoder", "text"))])
def test_after_an_error_in_the_middle_the_next_picture_is_the_same(mode: Callable[[], tuple[Components, Callable[[], bool]]], place: str) -> None:
    parts, _ = mode()
    part, _, path = place.partition(".")
    module = {"unet": parts.unet, "vae": parts.vae, "text": parts.text_encoders[0].module}[part].get_submodule(path)

    def fail(*_: Any) -> None:
        raise ValueError("a fault in the middle")

    handle = module.register_forward_hook(fail)
    with pytest.raises(ValueError, match="a fault"):
        drawn(CASES[0], parts)
    handle.remove()
    usual, found = drawn(CASES[0], fresh()), drawn(CASES[0], parts)
    assert [image.picture.tobytes() for image in found.images] == [image.picture.tobytes() for image in usual.images]
