"""Where parts are during and after each use, by a mover that writes down what it was asked to move."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute.block_traffic import CopiedBlocks
from modules.compute.hardware import Hardware
from modules.compute.placement import KeepResident, OffloadBetweenStages, Placement, StreamBlocks, placement_for, travelling_blocks
from modules.compute.policy import Residency, policy_from_flags
from modules.schema.flags import Flags

DEVICE, HOME = torch.device("meta"), torch.device("cpu")


class Ledger:
    """Moves nothing; remembers where each module was sent."""

    def __init__(self) -> None:
        self.where: dict[int, torch.device] = {}
        self.moves: list[tuple[str, str]] = []
        self.fail_on: str | None = None

    def __call__(self, module: nn.Module, device: torch.device) -> None:
        name = getattr(module, "name", type(module).__name__)
        if name == self.fail_on and device == DEVICE:
            raise torch.OutOfMemoryError("no room")
        self.moves.append((name, device.type))
        for inner in module.modules():
            self.where[id(inner)] = device

    def at(self, module: nn.Module) -> torch.device:
        return self.where.get(id(module), HOME)


class Part(nn.Module):
    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__()
        self.name, self.ledger = name, ledger

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        assert self.ledger.at(self) == DEVICE, f"{self.name} computes while it is at home"
        assert x.device == DEVICE and (context is None or context.device == DEVICE), f"the input of {self.name} stayed at home"
        return x + 1


class Unet(nn.Module):
    """Laid out as diffusers' UNet is: blocks that travel, layers between that stay."""

    name = "unet"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.conv_in, self.conv_out = Part("conv_in", ledger), Part("conv_out", ledger)
        self.down_blocks = nn.ModuleList([Part("down0", ledger), Part("down1", ledger)])
        self.mid_block = Part("mid", ledger)
        self.up_blocks = nn.ModuleList([Part("up0", ledger), Part("up1", ledger)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
            x = block(x)
            assert sum(self.ledger.at(other) == DEVICE for other in travelling_blocks(self)) == 0
        return self.conv_out(x)


X = torch.zeros(2)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def offloading(ledger: Ledger, *parts: nn.Module) -> OffloadBetweenStages:
    placement = OffloadBetweenStages(DEVICE, home=HOME, mover=ledger)
    for part in parts:
        placement.attach(part)
    return placement


def streaming(ledger: Ledger, *parts: nn.Module) -> StreamBlocks:
    placement = StreamBlocks(DEVICE, home=HOME, mover=ledger)
    for part in parts:
        placement.attach(part)
    return placement


def test_nothing_moves_when_everything_stays(ledger: Ledger) -> None:
    placement, layer = KeepResident("cpu"), nn.Linear(2, 1)
    placement.attach(layer)
    with placement.resident(layer):
        layer(X)
    placement.release()
    assert ledger.moves == []


def test_one_part_at_a_time_and_steps_in_a_row_cost_no_transfer(ledger: Ledger) -> None:
    text, unet = Part("text", ledger), Part("unet", ledger)
    placement = offloading(ledger, text, unet)
    text(X)
    assert ledger.at(text) == DEVICE
    for _ in range(3):
        unet(X, context=X)
        assert (ledger.at(text), ledger.at(unet)) == (HOME, DEVICE)
    assert ledger.moves == [("text", "meta"), ("text", "cpu"), ("unet", "meta")]
    placement.release()
    assert ledger.at(unet) == HOME


def test_a_part_is_entered_by_its_halves(ledger: Ledger) -> None:
    vae = nn.Sequential(Part("encoder", ledger), Part("decoder", ledger))
    placement = OffloadBetweenStages(DEVICE, home=HOME, mover=ledger)
    placement.attach(vae, vae[0], vae[1])
    vae[1](X)
    assert ledger.at(vae) == ledger.at(vae[0]) == DEVICE


def test_an_outer_use_goes_on_after_an_inner_one(ledger: Ledger) -> None:
    unet, vae = Part("unet", ledger), Part("vae", ledger)
    placement = offloading(ledger)
    with placement.resident(unet):
        with placement.resident(vae):
            assert (ledger.at(unet), ledger.at(vae)) == (HOME, DEVICE)
        assert (ledger.at(unet), ledger.at(vae)) == (DEVICE, HOME)


def test_a_move_that_fails_leaves_a_usable_state(ledger: Ledger) -> None:
    text, unet = Part("text", ledger), Part("unet", ledger)
    offloading(ledger, text, unet)
    text(X)
    ledger.fail_on = "unet"
    with pytest.raises(torch.OutOfMemoryError):
        unet(X)
    assert ledger.at(text) == ledger.at(unet) == HOME
    ledger.fail_on = None
    unet(X)
    assert ledger.at(unet) == DEVICE


def test_an_error_during_a_use_does_no_harm(ledger: Ledger) -> None:
    unet, vae = Part("unet", ledger), Part("vae", ledger)
    placement = offloading(ledger, unet, vae)
    with pytest.raises(ZeroDivisionError), placement.resident(unet):
        raise ZeroDivisionError
    vae(X)
    assert (ledger.at(unet), ledger.at(vae)) == (HOME, DEVICE)


def test_blocks_pass_one_by_one_and_the_rest_stays(ledger: Ledger) -> None:
    unet = Unet(ledger)
    placement = streaming(ledger, unet)
    unet(X)
    unet(X)
    assert ledger.at(unet.conv_in) == ledger.at(unet.conv_out) == DEVICE
    travelled = [name for name, device in ledger.moves if device == "meta"]
    assert travelled == ["conv_in", "conv_out"] + ["down0", "down1", "mid", "up0", "up1"] * 2
    placement.release()
    assert all(ledger.at(part) == HOME for part in unet.modules())


def test_an_error_between_two_blocks_leaves_no_block_there(ledger: Ledger) -> None:
    unet = Unet(ledger)
    streaming(ledger, unet)
    ledger.fail_on = "up0"
    with pytest.raises(torch.OutOfMemoryError):
        unet(X)
    assert all(ledger.at(block) == HOME for block in travelling_blocks(unet))
    ledger.fail_on = None
    unet(X)


def test_parts_without_blocks_take_turns_under_streaming_too(ledger: Ledger) -> None:
    vae, text, unet = Part("vae", ledger), Part("text", ledger), Unet(ledger)
    placement = streaming(ledger, vae, text, unet)
    text(X)
    vae(X)
    assert (ledger.at(text), ledger.at(vae)) == (HOME, DEVICE)
    unet(X)
    assert ledger.at(vae) == HOME
    with placement.resident(vae), placement.resident(unet):
        assert ledger.at(vae) == HOME


@pytest.mark.parametrize("kind", [OffloadBetweenStages, StreamBlocks])
def test_real_moves_give_the_same_result(kind: type[OffloadBetweenStages] | type[StreamBlocks]) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 4), torch.randn(2, 4)
    expected = layer(x)
    placement: Placement = kind("cpu")
    placement.attach(layer)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize(
    ("residency", "kind"),
    [(Residency.KEEP, KeepResident), (Residency.OFFLOAD_BETWEEN_STAGES, OffloadBetweenStages), (Residency.STREAM_BLOCKS, StreamBlocks)],
)
def test_the_policy_decides(residency: Residency, kind: type) -> None:
    cpu = Hardware(kind="cpu", name="test", memory_bytes=1, cpu_count=1, reason="A test.")
    policy = dataclasses.replace(policy_from_flags(Flags(), cpu), residency=residency)
    placement = placement_for(policy)
    assert isinstance(placement, kind) and placement.device == torch.device("cpu")


@pytest.mark.parametrize("leaves", [False, True])
def test_a_control_network_comes_beside_the_part_that_is_there(ledger: Ledger, leaves: bool) -> None:
    """And goes with it, or at once where it is to save memory; after an error nothing is left on the device."""
    unet, vae, network = (Part(name, ledger) for name in ("unet", "vae", "network"))
    placement = offloading(ledger, unet, vae)
    unet(X)
    with placement.beside(network, leaves=leaves):
        network(X.to(DEVICE))
        assert ledger.at(unet) == DEVICE
    assert ledger.at(network) == (HOME if leaves else DEVICE)
    with placement.beside(network, leaves=leaves):
        pass
    assert ledger.moves.count(("network", DEVICE.type)) == (2 if leaves else 1)
    vae(X)
    assert [ledger.at(part) for part in (unet, network, vae)] == [HOME, HOME, DEVICE]
    ledger.fail_on = "network"
    with pytest.raises(torch.OutOfMemoryError), placement.beside(network):
        pass
    assert [ledger.at(part) for part in (unet, network, vae)] == [HOME] * 3


def test_a_control_network_streams_too_and_always_goes_home(ledger: Ledger) -> None:
    placement, network = StreamBlocks(DEVICE, home=HOME, mover=ledger), Unet(ledger)
    with placement.beside(network):
        network(X.to(DEVICE))
    assert all(ledger.at(module) == HOME for module in network.modules())
    assert not any(block._forward_pre_hooks for block in travelling_blocks(network))


def test_where_everything_stays_a_network_leaves_only_when_asked(ledger: Ledger) -> None:
    placement, network = KeepResident(DEVICE, home=HOME, mover=ledger), Part("network", ledger)
    with placement.beside(network):
        assert ledger.at(network) == DEVICE
    assert ledger.at(network) == DEVICE
    with placement.beside(network, leaves=True):
        pass
    assert ledger.at(network) == HOME


def test_a_transformers_layers_travel_as_a_unets_blocks_do(ledger: Ledger) -> None:
    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x_embedder = Part("in", ledger)
            self.transformer_blocks = nn.ModuleList([Part("double0", ledger), Part("double1", ledger)])
            self.single_transformer_blocks = nn.ModuleList([Part("single0", ledger)])

        def forward(self, x: Tensor) -> Tensor:
            for layer in (self.x_embedder, *self.transformer_blocks, *self.single_transformer_blocks):
                x = layer(x)
            return x

    model = Transformer()
    streaming(ledger, model)
    model(X)
    assert [name for name, device in ledger.moves if device == "meta"] == ["in", "double0", "double1", "single0"]
    assert all(ledger.at(block) == HOME for block in travelling_blocks(model))


class Copies(CopiedBlocks):
    """Copies ahead too, as on a GPU: there is only no stream to do it on."""

    def ahead(self, block: nn.Module) -> None:
        self._coming[id(block)] = self._copied(block)


def sequence() -> Any:
    torch.manual_seed(0)

    class Unet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down_blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
            self.mid_block = nn.BatchNorm1d(4)
            self.up_blocks = nn.ModuleList([nn.Linear(4, 4)])

        def forward(self, x: Tensor) -> Tensor:
            for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
                x = block(x)
            return x

    return Unet().eval().requires_grad_(False)


def test_blocks_that_come_ahead_are_those_that_compute() -> None:
    """Also after their weights were exchanged in between, as a LoRA does it; and they have their own tensors again afterwards."""
    unet, x = sequence(), torch.randn(3, 4)
    expected = unet(x)
    owners = [parameter.data_ptr() for parameter in unet.parameters()]
    placement = StreamBlocks("cpu", traffic=Copies(torch.device("cpu")))
    placement.attach(unet)
    assert torch.equal(unet(x), expected) and torch.equal(unet(x), expected)
    assert [parameter.data_ptr() for parameter in unet.parameters()] == owners
    unet.down_blocks[1].weight.data = unet.down_blocks[1].weight.data * 2
    changed = unet(x)
    assert not torch.equal(changed, expected)
    placement.release()
    assert torch.equal(unet(x), changed)


def test_a_block_that_fails_leaves_nothing_that_came_ahead() -> None:
    unet, x = sequence(), torch.randn(3, 4)
    expected = unet(x)
    traffic = Copies(torch.device("cpu"))
    StreamBlocks("cpu", traffic=traffic).attach(unet)
    handle = unet.down_blocks[1].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        unet(x)
    assert not traffic._coming and not traffic._here
    handle.remove()
    assert torch.equal(unet(x), expected)


def test_a_block_that_is_put_into_float32_meanwhile_stays_so() -> None:
    unet = sequence().to(torch.bfloat16)
    StreamBlocks("cpu").attach(unet)
    unet(torch.randn(3, 4).bfloat16())
    unet.to(torch.float32)
    assert unet(torch.randn(3, 4)).dtype is torch.float32
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float32}


def two_parts() -> tuple[Any, Any, OffloadBetweenStages]:
    """Parts that come as copies and leave them behind, as on a GPU."""
    text, unet = sequence(), sequence()
    placement = OffloadBetweenStages("cpu", traffic=CopiedBlocks(torch.device("cpu"), ahead=False))
    placement.attach(text)
    placement.attach(unet)
    return text, unet, placement


def test_a_part_goes_home_without_being_copied() -> None:
    text, unet, _ = two_parts()
    x, owners = torch.randn(3, 4), [parameter.data_ptr() for parameter in text.parameters()]
    text(x)
    assert not {parameter.data_ptr() for parameter in text.parameters()} & set(owners)
    unet(x)
    assert [parameter.data_ptr() for parameter in text.parameters()] == owners


@pytest.mark.parametrize("how", [
    lambda weight: weight.data.mul_(2), lambda weight: setattr(weight, "data", weight.data * 2), lambda weight: weight.data[0].add_(0.001),
], ids=["in its place", "exchanged", "a little"])  # fmt: skip
def test_what_was_changed_on_the_device_is_not_lost(how: Any) -> None:
    """By an extension, or a LoRA that was put in while the part was there."""
    text, unet, placement = two_parts()
    x = torch.randn(3, 4)
    text(x)
    how(text.down_blocks[1].weight)
    changed, weight = text(x), text.down_blocks[1].weight.data.clone()
    unet(x)
    assert torch.equal(text.down_blocks[1].weight.data, weight)
    assert torch.equal(text(x), changed)
    placement.release()
    assert torch.equal(text.down_blocks[1].weight.data, weight)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.bfloat16, torch.float64, torch.uint8, torch.bool])
def test_weights_of_every_type_come_and_go_and_changes_stay(dtype: torch.dtype) -> None:
    part = nn.Module()
    part.register_buffer("kept", torch.tensor([[1, 0, 1]]).to(dtype))
    part.register_buffer("scalar", torch.tensor(1).to(dtype))
    part.register_buffer("empty", torch.zeros(0).to(dtype))
    traffic = CopiedBlocks(torch.device("cpu"), ahead=False)
    home = part.kept.data_ptr()
    traffic.bring(part)
    assert part.kept.data_ptr() != home
    traffic.leave(part)
    assert part.kept.data_ptr() == home
    traffic.bring(part)
    part.kept.copy_(torch.tensor([[1, 1, 1]]).to(dtype))
    traffic.leave(part)
    assert part.kept.float().tolist() == [[1.0, 1.0, 1.0]]


def test_who_asked_is_told_before_a_part_leaves() -> None:
    text, unet, _ = two_parts()
    heard: list[str] = []
    placement = OffloadBetweenStages("cpu")
    placement.attach(text, left=lambda: heard.append("left"))
    placement.attach(unet)
    text(torch.randn(3, 4))
    assert not heard
    unet(torch.randn(3, 4))
    assert heard == ["left"]
