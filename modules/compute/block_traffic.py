"""How a block's weights come to the device for one call and go again: copied ahead on a stream of their own, dropped afterwards.

Weights do not change while a block computes, so nothing is copied back: the tensors at home stay as they are, and the block gets them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from modules.compute.memory import is_out_of_memory

log = logging.getLogger(__name__)


class Traffic(Protocol):
    """Brings blocks to the device and takes them away."""

    def bring(self, block: nn.Module) -> None:
        """``block`` can compute on the device when this returns."""
        ...

    def ahead(self, block: nn.Module) -> None:
        """``block`` comes next: begin to bring it, as far as that costs the present one nothing."""
        ...

    def leave(self, block: nn.Module) -> None:
        """``block`` is done, or failed. A block that is not there is no error."""
        ...

    def forget(self) -> None:
        """What came ahead and was not used is dropped: its weights may change before they are."""
        ...


class MovedBlocks:
    """Traffic by a mover of whole modules, without anything ahead."""

    def __init__(self, device: torch.device, home: torch.device, mover: Callable[[nn.Module, torch.device], object]) -> None:
        self._device, self._home, self._move = device, home, mover

    def bring(self, block: nn.Module) -> None:
        self._move(block, self._device)

    def ahead(self, block: nn.Module) -> None:
        pass

    def leave(self, block: nn.Module) -> None:
        self._move(block, self._home)

    def forget(self) -> None:
        pass


@dataclass(frozen=True)
class _Copies:
    """A block's tensors on the device, beside those at home. ready: None, or what the present stream waits for."""

    tensors: tuple[tuple[Tensor, Tensor], ...]      # (at home, on the device)
    ready: Any = None


class CopiedBlocks:
    """Traffic by copies. On a GPU the next block is copied on a stream of its own, from memory that the system may not swap out.

    device "cpu" makes copies too, which is slower than leaving the weights alone, and good for tests.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._backend: Any = getattr(torch, device.type) if device.type in ("cuda", "xpu") else None
        self._stream: Any = None                    # made when first needed: it belongs to the device's context
        self._coming: dict[int, _Copies] = {}
        self._here: dict[int, tuple[tuple[Tensor, Tensor], ...]] = {}  # (the module's tensor, its data at home)

    def bring(self, block: nn.Module) -> None:
        if id(block) in self._here:
            return
        copies = self._coming.pop(id(block), None) or self._copied(block)
        if copies.ready is not None:
            present = self._backend.current_stream(self._device)
            present.wait_event(copies.ready)
            for _, copy in copies.tensors:
                copy.record_stream(present)         # or the side stream might take its memory while it is still read
        owners = _tensors(block)
        self._here[id(block)] = tuple((owner, home) for owner, (home, _) in zip(owners, copies.tensors))
        for owner, (_, copy) in zip(owners, copies.tensors):
            owner.data = copy

    def ahead(self, block: nn.Module) -> None:
        if self._backend is None or id(block) in self._coming or id(block) in self._here:
            return
        try:
            self._coming[id(block)] = self._copied(block)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.debug("no memory to bring the next block ahead")

    def leave(self, block: nn.Module) -> None:
        for owner, home in self._here.pop(id(block), ()):
            # a type that was changed meanwhile (a block put into float32) is the one that stays
            owner.data = home if home.dtype == owner.dtype else owner.data.to(home.device)

    def forget(self) -> None:
        self._coming.clear()

    def _copied(self, block: nn.Module) -> _Copies:
        """Copies of the block's tensors, begun on the side stream where there is one."""
        if self._backend is None:
            return _Copies(tuple((owner.data, owner.data.to(self._device, copy=True)) for owner in _tensors(block)))
        if self._stream is None:
            self._stream = self._backend.Stream(self._device)
        for owner in _tensors(block):
            owner.data = _pinned(owner.data)
        with self._backend.stream(self._stream):
            tensors = tuple((owner.data, owner.data.to(self._device, non_blocking=True)) for owner in _tensors(block))
            ready = self._backend.Event()
            ready.record(self._stream)
        return _Copies(tensors, ready)


def _tensors(block: nn.Module) -> tuple[Tensor, ...]:
    """Parameters and buffers, in an order that stays."""
    return (*block.parameters(), *block.buffers())


def _pinned(tensor: Tensor) -> Tensor:
    """``tensor`` where the system may not move it, from where copies need not be waited for; as it is where that cannot be had."""
    if tensor.device.type != "cpu" or tensor.is_pinned():
        return tensor
    try:
        return tensor.pin_memory()
    except RuntimeError:
        return tensor
