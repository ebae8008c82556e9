"""How the weights of a block, or of a whole part, come to the device and go again: copied on a stream of their own, dropped afterwards.

Weights seldom change on the device, so nothing is copied back: the tensors at home stay as they are, and the block gets them again. Whatever did change is
found out, and goes home as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from modules.compute.hardware import machine_memory
from modules.compute.memory import is_out_of_memory

log = logging.getLogger(__name__)
_PINNED_AT_ONCE, _ALIGNED = 128 * 2**20, 64         # bytes
_USUAL_TYPES = (torch.float16, torch.bfloat16, torch.float32)


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


@dataclass(frozen=True)
class _Visit:
    """A block on the device. tensors: (the module's, its data at home, its copy); lengths: of the copies as they came, None: it is only there for one call."""

    tensors: tuple[tuple[Tensor, Tensor, Tensor], ...]
    lengths: Tensor | None

    def unchanged(self) -> list[bool]:
        """Of each tensor, whether its copy has the values it came with; which waits for the device."""
        if self.lengths is None:
            return [True] * len(self.tensors)
        return (_lengths([copy for _, _, copy in self.tensors]) == self.lengths).tolist()


class CopiedBlocks:
    """Traffic by copies. On a GPU the next block is copied on a stream of its own, from memory that the system may not swap out.

    ahead: for blocks that come for one call each, the next one on that stream; without it, for parts that stay: changes of their values are looked for. pins: bytes of memory at home that may be made such, by default a quarter of the machine's.
    device "cpu" makes copies too, which is slower than leaving the weights alone, and good for tests.
    """

    def __init__(self, device: torch.device, *, ahead: bool = True, pins: int | None = None) -> None:
        self._device, self._is_ahead = device, ahead
        self._may_pin = machine_memory() // 4 if pins is None else pins
        self._pinned: set[int] = set()              # blocks whose memory at home was made such, once: later only a LoRA's would be, for a while
        self._backend: Any = getattr(torch, device.type) if device.type in ("cuda", "xpu") else None
        self._stream: Any = None                    # made when first needed: it belongs to the device's context
        self._coming: dict[int, _Copies] = {}
        self._here: dict[int, _Visit] = {}

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
        for owner, (_, copy) in zip(owners, copies.tensors):
            owner.data = copy
        lengths = None if self._is_ahead else _lengths([copy for _, copy in copies.tensors])
        self._here[id(block)] = _Visit(tuple((owner, home, copy) for owner, (home, copy) in zip(owners, copies.tensors)), lengths)

    def ahead(self, block: nn.Module) -> None:
        if self._backend is None or not self._is_ahead or id(block) in self._coming or id(block) in self._here:
            return
        try:
            self._coming[id(block)] = self._copied(block)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.debug("no memory to bring the next block ahead")

    def leave(self, block: nn.Module) -> None:
        visit = self._here.pop(id(block), None)
        if visit is None:
            return
        for (owner, home, copy), same in zip(visit.tensors, visit.unchanged()):
            if self._backend is not None and home.device.type == self._device.type:
                continue                            # a tensor of another part too, which was here before: it goes with that
            # another type (a block put into float32), another tensor (a LoRA's), other values: that is what stays
            stays = same and owner.dtype == home.dtype and owner.data_ptr() == copy.data_ptr()
            owner.data = home if stays else owner.data.to(home.device)

    def forget(self) -> None:
        self._coming.clear()

    def _copied(self, block: nn.Module) -> _Copies:
        """Copies of the block's tensors, begun on the side stream where there is one."""
        if self._backend is None:
            return _Copies(self._pairs(block, copy=True))
        if id(block) not in self._pinned:
            self._pinned.add(id(block))
            self._may_pin -= _pin(_tensors(block), self._may_pin)
        if not self._is_ahead:
            return _Copies(self._pairs(block, non_blocking=True))
        if self._stream is None:
            self._stream = self._backend.Stream(self._device)
        with self._backend.stream(self._stream):
            tensors = self._pairs(block, non_blocking=True)
            ready = self._backend.Event()
            ready.record(self._stream)
        return _Copies(tensors, ready)

    def _pairs(self, block: nn.Module, *, copy: bool = False, non_blocking: bool = False) -> tuple[tuple[Tensor, Tensor], ...]:
        return tuple((owner.data, owner.data.to(self._device, copy=copy, non_blocking=non_blocking)) for owner in _tensors(block))


def _tensors(block: nn.Module) -> tuple[Tensor, ...]:
    """Parameters and buffers, in an order that stays."""
    return (*block.parameters(), *block.buffers())


def _lengths(tensors: Sequence[Tensor]) -> Tensor:
    """Of each as a vector: numbers that change with its values. float32, in the order of ``tensors``."""
    usual = [each for each in tensors if each.dtype in _USUAL_TYPES]
    found = iter(torch._foreach_norm(usual, 2, torch.float32) if usual else ())    # pyright: ignore[reportPrivateImportUsage]
    lengths = [next(found) if each.dtype in _USUAL_TYPES else _bytes_sum(each) for each in tensors]
    return torch.stack(lengths) if lengths else torch.zeros(0)


def _bytes_sum(tensor: Tensor) -> Tensor:
    """Of other types: whole numbers, and those without arithmetic, as float8."""
    return tensor.reshape(-1).view(torch.uint8).sum(dtype=torch.float64).float() if tensor.numel() else torch.zeros((), device=tensor.device)


def _pin(tensors: Sequence[Tensor], at_most: int) -> int:
    """Put what lies in ordinary memory where the system may not move it, from where copies need not be waited for; returns how many bytes that was.

    What there is no room for stays as it is. Many together in one piece: PyTorch takes such memory in powers of two.
    """
    taken = size = 0                                # size: of what is waiting
    waiting: list[Tensor] = []
    for tensor in (each for each in tensors if each.device.type == "cpu" and each.numel() and each.is_contiguous() and not each.is_pinned()):
        if taken + size + _room(tensor) > at_most:
            break
        if size + _room(tensor) > _PINNED_AT_ONCE:
            taken += _pin_together(waiting)
            waiting, size = [], 0
        waiting.append(tensor)
        size += _room(tensor)
    return taken + _pin_together(waiting)


def _pin_together(tensors: Sequence[Tensor]) -> int:
    size = sum(map(_room, tensors))
    if not size:
        return 0
    try:
        piece = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    except RuntimeError as error:                   # no driver for it, or the system gives no more
        log.debug("memory was not pinned: %s", error)
        return 0
    place = 0
    for tensor in tensors:
        pinned = piece[place : place + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        pinned.copy_(tensor.data)
        tensor.data = pinned
        place += _room(tensor)
    return size


def _room(tensor: Tensor) -> int:
    """Bytes, up to the next place where any type may begin."""
    return -(-tensor.nbytes // _ALIGNED) * _ALIGNED
