"""The only code that moves modules between devices: ``with placement.resident(module): ...`` around each use.

Three ways: all of a model stays on the device; one part at a time is there; or the largest part passes block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from modules.compute.policy import ComputePolicy, Residency

Mover = Callable[[nn.Module, torch.device], object]


class Placement(Protocol):
    """Where a model's parts are while they are used and while they wait."""

    @property
    def device(self) -> torch.device:
        """Where a resident module computes: its inputs belong there."""
        ...

    def resident(self, module: nn.Module) -> AbstractContextManager[None]:
        """``module`` can compute on ``device`` inside this context. Nesting is allowed; an error leaves a usable state."""
        ...

    def release(self) -> None:
        """Send home whatever waits on the device: before another model comes, or after an error."""
        ...


def move(module: nn.Module, device: torch.device) -> None:
    """The ordinary mover."""
    module.to(device)


class KeepResident:
    """Everything was loaded to the device, and stays."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    @contextmanager
    def resident(self, module: nn.Module) -> Iterator[None]:
        yield

    def release(self) -> None:
        pass


class OffloadBetweenStages:
    """One part is on the device at a time; it goes home when the next one comes, so that steps in a row cost no transfer."""

    def __init__(self, device: torch.device | str, *, home: torch.device | str = "cpu", mover: Mover = move) -> None:
        self.device = torch.device(device)
        self._home = torch.device(home)
        self._move = mover
        self._here: nn.Module | None = None
        self._in_use: list[nn.Module] = []

    @contextmanager
    def resident(self, module: nn.Module) -> Iterator[None]:
        self._bring(module)
        self._in_use.append(module)
        try:
            yield
        finally:
            self._in_use.pop()
            if self._in_use:
                self._bring(self._in_use[-1])  # the outer use goes on

    def _bring(self, module: nn.Module) -> None:
        if self._here is module:
            return
        self.release()
        # noted before the move: one that fails half way (out of memory) is then sent home as a whole
        self._here = module
        try:
            self._move(module, self.device)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        if self._here is not None:
            here, self._here = self._here, None
            self._move(here, self._home)


class StreamBlocks:
    """As OffloadBetweenStages, but a module made of large blocks passes through the device block by block.

    blocks: the parts of a module that travel alone; what lies between them stays on the device during the use.
    """

    def __init__(
        self,
        device: torch.device | str,
        *,
        home: torch.device | str = "cpu",
        mover: Mover = move,
        blocks: Callable[[nn.Module], tuple[nn.Module, ...]] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._home = torch.device(home)
        self._move = mover
        self._blocks = blocks or unet_blocks
        self._whole = OffloadBetweenStages(device, home=home, mover=mover)

    @contextmanager
    def resident(self, module: nn.Module) -> Iterator[None]:
        blocks = self._blocks(module)
        if not blocks:
            with self._whole.resident(module):
                yield
            return
        self._whole.release()
        travellers = {id(block) for block in blocks}
        handles: list[Any] = []
        try:
            for part in module.children():
                for stationary in _parts_outside(part, travellers):
                    self._move(stationary, self.device)
            for block in blocks:
                handles.append(block.register_forward_pre_hook(self._arrive))
                handles.append(block.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._move(module, self._home)

    def _arrive(self, block: nn.Module, _: Any) -> None:
        self._move(block, self.device)

    def _leave(self, block: nn.Module, *_: Any) -> None:
        self._move(block, self._home)

    def release(self) -> None:
        self._whole.release()


def unet_blocks(module: nn.Module) -> tuple[nn.Module, ...]:
    """The down, middle and up blocks of diffusers' UNet; none for any other module."""
    found = []
    for name, child in module.named_children():
        if name in ("down_blocks", "up_blocks") and isinstance(child, nn.ModuleList):
            found += list(child)
        elif name == "mid_block":
            found.append(child)
    return tuple(found) if len(found) > 1 else ()


def _parts_outside(part: nn.Module, travellers: set[int]) -> Iterator[nn.Module]:
    """``part`` itself, or those of its children that hold no traveller."""
    if id(part) in travellers:
        return
    if not any(id(inner) in travellers for inner in part.modules()):
        yield part
        return
    for child in part.children():
        yield from _parts_outside(child, travellers)


def placement_for(policy: ComputePolicy) -> Placement:
    """The placement that a model's policy asks for. One per loaded model: it knows which of its parts is where."""
    if policy.residency is Residency.OFFLOAD_BETWEEN_STAGES:
        return OffloadBetweenStages(policy.device)
    if policy.residency is Residency.STREAM_BLOCKS:
        return StreamBlocks(policy.device)
    return KeepResident(policy.device)
