"""The only code that moves modules between devices. Once attached, a part comes to the device whenever it is called.

Three ways: all of a model stays on the device; one part at a time is there; or the largest part passes block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from modules.compute.block_traffic import CopiedBlocks, MovedBlocks, Traffic
from modules.compute.hooked import Watcher
from modules.compute.policy import ComputePolicy, Residency

Mover = Callable[[nn.Module, torch.device], object]


class Placement(Protocol):
    """Where a model's parts are while they are used and while they wait."""

    @property
    def device(self) -> torch.device:
        """Where a resident part computes."""
        ...

    def attach(self, part: nn.Module, *entrances: nn.Module, left: Callable[[], object] | None = None) -> None:
        """From now on, a call of ``part`` (or of one of its ``entrances``) brings it and its inputs to the device first.

        left: called before it goes home.
        """
        ...

    def resident(self, part: nn.Module) -> AbstractContextManager[None]:
        """``part`` is on the device inside this context, for work that is no call of it. Nesting is allowed."""
        ...

    def beside(self, part: nn.Module, *, leaves: bool = False) -> AbstractContextManager[None]:
        """``part``, of no model (a control network), is on the device inside this context, beside whichever part is there.

        leaves: it goes home at the end, to save memory. Without that it may stay until ``release``.
        """
        ...

    def release(self) -> None:
        """Send home whatever waits on the device: before another model comes, or after an error."""
        ...

    @property
    def keeps_all(self) -> bool:
        """Whether all parts stay on the device; elsewhere they wait at home."""
        ...


def move(part: nn.Module, device: torch.device) -> None:
    """The ordinary mover."""
    part.to(device)


class KeepResident:
    """Everything was loaded to the device, and stays."""

    keeps_all = True

    def __init__(self, device: torch.device | str = "cpu", *, home: torch.device | str = "cpu", mover: Mover = move) -> None:
        self.device = torch.device(device)
        self._home = torch.device(home)
        self._move = mover

    def attach(self, part: nn.Module, *entrances: nn.Module, left: Callable[[], object] | None = None) -> None:
        pass

    @contextmanager
    def resident(self, part: nn.Module) -> Iterator[None]:
        yield

    @contextmanager
    def beside(self, part: nn.Module, *, leaves: bool = False) -> Iterator[None]:
        if not is_on(part, self.device):
            self._move(part, self.device)
        try:
            yield
        finally:
            if leaves and self.device != self._home:
                self._move(part, self._home)

    def release(self) -> None:
        pass


class Arrival(Watcher):
    """Brings a part to the device when it is called, and what it is called with."""

    def __init__(self, come: Callable[[], object], device: torch.device) -> None:
        self._come, self._device = come, device

    def __call__(self, module: nn.Module, args: Any = (), kwargs: Any = None) -> tuple[Any, Any]:
        self._come()
        return _on(args, self._device), _on(kwargs or {}, self._device)


class OffloadBetweenStages:
    """One part is on the device at a time; it goes home when the next one comes, so that steps in a row cost no transfer.

    traffic: what brings parts; by default copies of them to a GPU, for the ordinary mover.
    """

    keeps_all = False

    def __init__(self, device: torch.device | str, *, home: torch.device | str = "cpu", mover: Mover = move, traffic: Traffic | None = None) -> None:
        self.device = torch.device(device)
        if traffic is None and mover is move and self.device.type in ("cuda", "xpu"):
            traffic = CopiedBlocks(self.device, ahead=False)
        self._traffic: Traffic = traffic or MovedBlocks(self.device, torch.device(home), mover)
        self._left: dict[int, Callable[[], object]] = {}
        self._here: nn.Module | None = None
        self._in_use: list[nn.Module] = []
        self._guests: list[nn.Module] = []      # control networks that came along

    def attach(self, part: nn.Module, *entrances: nn.Module, left: Callable[[], object] | None = None) -> None:
        if left is not None:
            self._left[id(part)] = left
        for entrance in entrances or (part,):
            entrance.register_forward_pre_hook(Arrival(lambda: self._bring(part), self.device), with_kwargs=True)

    @contextmanager
    def resident(self, part: nn.Module) -> Iterator[None]:
        self._bring(part)
        self._in_use.append(part)
        try:
            yield
        finally:
            self._in_use.pop()
            if self._in_use:
                self._bring(self._in_use[-1])  # the outer use goes on

    @contextmanager
    def beside(self, part: nn.Module, *, leaves: bool = False) -> Iterator[None]:
        if part not in self._guests:
            self._guests.append(part)
            self._come(part)
        try:
            yield
        finally:
            if leaves and part in self._guests:
                self._guests.remove(part)
                self._traffic.leave(part)

    def _bring(self, part: nn.Module) -> None:
        if self._here is part:
            return
        self.release()
        self._here = part  # noted before the move: one that fails half way (out of memory) is then sent home as a whole
        self._come(part)

    def _come(self, part: nn.Module) -> None:
        try:
            self._traffic.bring(part)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        here, self._here = self._here, None
        leaving, self._guests = [*self._guests, *(() if here is None else (here,))], []
        for part in leaving:
            self._left.get(id(part), lambda: None)()
            self._traffic.leave(part)


class StreamBlocks:
    """As OffloadBetweenStages, but a part made of large blocks passes through the device block by block, the next one while one computes.

    blocks: those pieces of a part that travel alone, in the order of their use; what lies between them stays on the device once it came.
    traffic: what brings them; by default copies for the ordinary mover, else the mover itself.
    """

    keeps_all = False

    def __init__(
        self,
        device: torch.device | str,
        *,
        home: torch.device | str = "cpu",
        mover: Mover = move,
        blocks: Callable[[nn.Module], tuple[nn.Module, ...]] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._home = torch.device(home)
        self._move = mover
        self._blocks = blocks or travelling_blocks
        self._traffic: Traffic = traffic or (CopiedBlocks(self.device) if mover is move else MovedBlocks(self.device, self._home, mover))
        self._whole = OffloadBetweenStages(device, home=home, mover=mover)
        self._opened: nn.Module | None = None  # the part whose pieces between the blocks are on the device

    def attach(self, part: nn.Module, *entrances: nn.Module, left: Callable[[], object] | None = None) -> None:
        blocks = () if entrances else self._blocks(part)
        if not blocks:
            self._whole.attach(part, *entrances, left=left)
            return
        part.register_forward_pre_hook(lambda _, args, kwargs: self._enter(part, args, kwargs), with_kwargs=True)
        part.register_forward_hook(lambda *_: self._traffic.forget(), always_call=True)
        self._hooked(blocks)

    def _hooked(self, blocks: tuple[nn.Module, ...]) -> list[Any]:
        """Each block comes before its call and leaves after it, also where that failed."""
        following = dict(zip(map(id, blocks), blocks[1:]))

        def come(block: nn.Module, _: Any) -> None:
            self._traffic.bring(block)
            if id(block) in following:
                self._traffic.ahead(following[id(block)])

        handles = []
        for block in blocks:
            handles += [block.register_forward_pre_hook(come), block.register_forward_hook(lambda block, *_: self._traffic.leave(block), always_call=True)]
        return handles

    def _enter(self, part: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        self._traffic.forget()
        self._open(part)
        return _on(args, self.device), _on(kwargs, self.device)

    @contextmanager
    def resident(self, part: nn.Module) -> Iterator[None]:
        if not self._blocks(part):
            with self._whole.resident(part):
                yield
            return
        self._open(part)
        yield

    @contextmanager
    def beside(self, part: nn.Module, *, leaves: bool = False) -> Iterator[None]:
        blocks = self._blocks(part)
        with ExitStack() as stack:
            stack.callback(self._move, part, self._home)
            for handle in self._hooked(blocks):
                stack.callback(handle.remove)
            stack.callback(self._traffic.forget)
            for piece in _between(part, blocks):
                self._move(piece, self.device)
            yield

    def _open(self, part: nn.Module) -> None:
        """Bring what lies between the blocks; little enough to stay when other parts come."""
        self._whole.release()
        if self._opened is part:
            return
        self.release()
        self._opened = part
        pieces = _between(part, self._blocks(part))
        try:
            for piece in pieces:
                self._move(piece, self.device)
            self._move_own(part, self.device)
        except BaseException:
            self.release()
            raise

    def _move_own(self, part: nn.Module, device: torch.device) -> None:
        """Tensors that belong to ``part`` itself and to none of its pieces, as some transformers have."""
        if self._move is move:
            for own in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
                own.data = own.data.to(device)

    def release(self) -> None:
        self._traffic.forget()
        self._whole.release()
        if self._opened is not None:
            opened, self._opened = self._opened, None
            self._move(opened, self._home)


_LISTS_OF_BLOCKS = ("down_blocks", "up_blocks", "transformer_blocks", "single_transformer_blocks", "noise_refiner", "context_refiner", "layers")


def travelling_blocks(part: nn.Module) -> tuple[nn.Module, ...]:
    """The down, middle and up blocks of diffusers' UNet, or a transformer's layers, in the order of their use; none for any other module."""
    found: list[nn.Module] = []
    for name in ("down_blocks", "mid_block", *_LISTS_OF_BLOCKS[1:]):
        child = getattr(part, name, None)
        if isinstance(child, nn.ModuleList):
            found += list(child)
        elif name == "mid_block" and isinstance(child, nn.Module):
            found.append(child)
    return tuple(found) if len(found) > 1 else ()


def _between(part: nn.Module, blocks: tuple[nn.Module, ...]) -> list[nn.Module]:
    """What of ``part`` lies between its travelling ``blocks``; all of it where it has none."""
    if not blocks:
        return [part]
    travellers = {id(block) for block in blocks}
    return [piece for child in part.children() for piece in _pieces_outside(child, travellers)]


def _pieces_outside(piece: nn.Module, travellers: set[int]) -> Iterator[nn.Module]:
    """``piece`` itself, or those of its children that hold no traveller."""
    if id(piece) in travellers:
        return
    if not any(id(inner) in travellers for inner in piece.modules()):
        yield piece
        return
    for child in piece.children():
        yield from _pieces_outside(child, travellers)


def is_on(part: nn.Module, device: torch.device) -> bool:
    """Whether all of ``part`` is on ``device``; what waits in its file, on the meta device, does not count."""
    own = tuple(part.parameters())
    return bool(own) and all(each.is_meta or (each.device.type == device.type and device.index in (None, each.device.index)) for each in own)


def _on(value: Any, device: torch.device) -> Any:
    """``value`` with every tensor in it on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _on(inner, device) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_on(inner, device) for inner in value)
    return value


def placement_for(policy: ComputePolicy) -> Placement:
    """The placement that a model's policy asks for. One per loaded model: it knows which of its parts is where."""
    if policy.residency is Residency.OFFLOAD_BETWEEN_STAGES:
        return OffloadBetweenStages(policy.device)
    if policy.residency is Residency.STREAM_BLOCKS:
        return StreamBlocks(policy.device)
    return KeepResident(policy.device)
