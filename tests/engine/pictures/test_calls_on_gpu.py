"""What the engine does with recorded calls, and with parts that were sent away when memory ran out; no GPU is needed for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute.placement import KeepResident, OffloadBetweenStages, is_on
from modules.compute.replay import Replays
from modules.engine.generate import generate
from modules.engine.rescue import _others_away  # pyright: ignore[reportPrivateUsage]
from modules.loading.components import Components
from tests.golden.cases import case
from tests.golden.stages import components, policy, resolved_request


class Part(nn.Linear):
    """Goes where it is sent in name only, for there is no GPU."""

    def __init__(self, *, has_room: bool = True) -> None:
        super().__init__(2, 2)
        self.sent: list[str] = []
        self.has_room = has_room

    def to(self, *where: Any, **_: Any) -> Any:
        if not self.has_room:
            raise torch.OutOfMemoryError("no room")
        self.sent.append(str(where[0]))
        return self


def with_parts(placement: Any, *parts: nn.Module) -> Any:
    unet, vae, *texts = parts
    encoders = tuple(SimpleNamespace(module=each, built=each) for each in texts)
    return replace(components(), unet=unet, vae=vae, text_encoders=encoders, placement=placement)


def test_parts_that_were_sent_away_are_brought_back() -> None:
    parts = [Part() for _ in range(3)]
    with_parts(KeepResident("cuda:0"), *parts).gather()
    assert [each.sent for each in parts] == [["cuda:0"]] * 3
    with_parts(KeepResident("cpu"), *parts).gather()        # they are there
    with_parts(OffloadBetweenStages("cuda:0", mover=lambda *_: None), *parts).gather()      # which moves them itself
    assert [each.sent for each in parts] == [["cuda:0"]] * 3


def test_what_moved_half_way_is_not_there() -> None:
    """Memory may run out in the middle of it. What still waits in its file does not count."""
    part = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert is_on(part, torch.device("cpu")) and not is_on(part, torch.device("cuda:0"))
    part[1].to("meta")
    assert is_on(part, torch.device("cpu")) and not is_on(part, torch.device("cuda:0"))
    assert not is_on(nn.ReLU(), torch.device("cpu"))


def test_a_try_that_failed_leaves_no_part_half_way() -> None:
    """While an error is on its way its tensors still hold the memory: bringing parts back then would fail, and hide it."""
    parts = [Part() for _ in range(3)]
    found = with_parts(KeepResident("cuda:0"), *parts)
    models: Any = SimpleNamespace(now=SimpleNamespace(components=found))
    with pytest.raises(ValueError, match="the try"), _others_away(models):
        for each in parts:
            each.has_room = False
        raise ValueError("the try")
    for each in parts:
        each.has_room = True
    found.gather()
    assert [each.sent for each in parts[1:]] == [["cpu", "cuda:0"]] * 2


def recorded(parts: Components, record: Callable[..., Any]) -> Components:
    from diffusers.models.attention_processor import AttnProcessor2_0

    calls = Replays(parts.unet, plain_attention=(AttnProcessor2_0,), own_way=lambda *_: None, record=record, has_room=lambda cells: True)
    return replace(parts, calls=calls)


def test_recordings_are_asked_for_by_the_policy_and_forgotten_when_memory_runs_out() -> None:
    tries: list[int] = []

    def record(work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor]) -> Callable[[], object]:
        tries.append(1)
        work()
        return work

    request = resolved_request(case("sampler-euler-a"))
    found = recorded(components(), record)
    usual = generate(request, found, policy=policy())
    assert not tries
    again = generate(request, found, policy=replace(policy(), records_calls=True))
    assert tries and found.calls is not None and found.calls.count == 1
    assert again.images[0].picture.size == usual.images[0].picture.size
    found.forget_recordings()
    assert found.calls.count == 0


def test_an_exchanged_denoiser_is_not_called_by_the_old_ones_recordings() -> None:
    def record(work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor]) -> Callable[[], object]:
        raise AssertionError("the old denoiser was called")

    found = recorded(components(), record)
    other = replace(found, unet=copy.deepcopy(found.unet))
    generate(resolved_request(case("sampler-euler-a")), other, policy=replace(policy(), records_calls=True))
