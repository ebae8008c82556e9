"""Put a file's weights into a module that was built without any: tensor by tensor, each converted once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from modules.compute.processor_layers import cells_first, square_weights
from modules.loading.weights import TORCH_DTYPES, Weights
from modules.schema.errors import CannotLoad

_TURNED_AS_STORED = (torch.float16, torch.bfloat16)  # half as many bytes to move
AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Piece:
    """A part of a tensor in the file: one of ``of`` equal groups of its rows, or all of it with rows and columns exchanged.

    rows: (first, end), where the groups are of different sizes; end 0: the last one. swapped: its halves change places. folded: one row that stands for so many.
    above: a tensor of the same shape whose rows come first in the module's.
    """

    name: str
    index: int = 0
    of: int = 1
    transposed: bool = False
    rows: tuple[int, int] | None = None
    swapped: bool = False
    folded: int = 0
    above: str = ""

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Of the piece, from the tensor's."""
        if self.transposed:
            return whole[::-1]
        if self.rows is not None and whole:
            return ((self.rows[1] or whole[0]) - self.rows[0], *whole[1:])
        if self.above and whole:
            return (2 * whole[0], *whole[1:])
        if self.folded and len(whole) == 1:
            return (self.folded, whole[0] // self.folded)
        return (whole[0] // self.of, *whole[1:]) if whole else whole

    def cut(self, whole: Tensor) -> Tensor:
        if self.transposed:
            return whole.T.contiguous()
        if self.rows is not None:
            return whole[self.rows[0] : self.rows[1] or len(whole)]
        if self.swapped:
            return torch.cat(whole.chunk(2)[::-1])
        return whole.chunk(self.of)[self.index]


@dataclass(frozen=True, kw_only=True)
class Filling(Generic[AnyModule]):
    """A module without weights (on the meta device), and where in a file each of them lies: checked, nothing read yet.

    pieces: the module's tensor name -> where the file has it. lacks_child: they do not fill the whole module.
    """

    module: AnyModule
    pieces: Mapping[str, Piece]
    weights: Weights
    lacks_child: bool = False

    def fill(self, *, dtype: torch.dtype, device: torch.device, for_processor: bool = False) -> AnyModule:
        """Read the weights; the module is then in evaluation mode and takes no gradients.

        for_processor: ``suit_processor`` will be called on it, or was.
        """
        return self.put_in(self.read(dtype=dtype, device=device, for_processor=for_processor))

    def put_in(self, weights: dict[str, Tensor]) -> AnyModule:
        """The module with ``weights``, which ``read`` gave."""
        self.module.load_state_dict(weights, strict=not self.lacks_child, assign=True)
        return self.module.requires_grad_(False).eval()

    def read(self, *, dtype: torch.dtype, device: torch.device, for_processor: bool = False) -> dict[str, Tensor]:
        """The weights by the module's names, which gets none of them yet."""
        entries = self.weights.header.tensors
        loaded: dict[str, Tensor] = {}
        wanted = self.module.state_dict()
        turned = square_weights(self.module) if for_processor and dtype is torch.float32 else frozenset[str]()
        last, whole = "", torch.empty(0)
        for name in sorted(self.pieces, key=lambda name: entries[self.pieces[name].name].start):  # in the file's order: disks like it
            piece = self.pieces[name]
            stored = TORCH_DTYPES.get(entries[piece.name].dtype)
            if name in turned:
                kind = stored if stored in _TURNED_AS_STORED else dtype
                loaded[name] = cells_first(self.weights.read(piece.name, kind, device).reshape(wanted[name].shape))
                continue
            if piece.name != last:
                last, whole = piece.name, self.weights.read(piece.name, dtype, device)
            part = torch.cat([self.weights.read(piece.above, dtype, device), whole]) if piece.above else piece.cut(whole)
            loaded[name] = part.reshape(wanted[name].shape)
        return loaded

    def only(self, names: Collection[str]) -> Filling[AnyModule]:
        """This for some of the module's tensors."""
        return replace(self, pieces={name: self.pieces[name] for name in names}, lacks_child=True)

    def split(self, child: str) -> tuple[Filling[AnyModule], Filling[Any]]:
        """This without the module's part ``child``, and what fills that part alone."""
        start = f"{child}."
        rest = {name: piece for name, piece in self.pieces.items() if not name.startswith(start)}
        inner = {name.removeprefix(start): piece for name, piece in self.pieces.items() if name.startswith(start)}
        return replace(self, pieces=rest, lacks_child=True), Filling(module=self.module.get_submodule(child), pieces=inner, weights=self.weights)


def prepared(module: AnyModule, names: Mapping[str, str | Piece], weights: Weights, *, part: str) -> Filling[AnyModule]:
    """The filling of ``module``, checked. names: the module's tensor name -> the file's. part: "UNet", "VAE" ..., for the messages.

    Raises CannotLoad when a weight is missing, left over or of another shape.
    """
    path, shapes = weights.header.path, weights.header.shapes
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    pieces = {name: source if isinstance(source, Piece) else Piece(source) for name, source in names.items()}
    _check_names(path, part, wanted, pieces)
    for piece in pieces.values():
        if piece.above:
            _check_above(path, part, piece, shapes)
    for name, shape in wanted.items():
        _check_shape(path, pieces[name].name, pieces[name].shape(shapes[pieces[name].name]), shape)
    return Filling(module=module, pieces=pieces, weights=weights)


def _check_names(path: object, part: str, wanted: Mapping[str, object], pieces: Mapping[str, Piece]) -> None:
    missing, surplus = sorted(wanted.keys() - pieces.keys()), sorted(pieces.keys() - wanted.keys())
    if missing:
        raise CannotLoad(
            path, f"its {part} is incomplete: {len(missing)} of {len(wanted)} tensors are missing, the first is {missing[0]}", "Download the file again."
        )
    if surplus:
        raise CannotLoad(
            path, f"its {part} has {len(surplus)} tensors that this layout does not know, the first is {pieces[surplus[0]].name}", "Choose another model."
        )


def _check_above(path: object, part: str, piece: Piece, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if piece.above not in shapes:
        raise CannotLoad(path, f"its {part} is incomplete: {piece.above} is missing", "Download the file again.")
    _check_shape(path, piece.above, shapes[piece.above], shapes[piece.name])


def _check_shape(path: object, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Equal but for ones at the end: a 1x1 convolution may stand for a linear layer."""
    if found != wanted and (found[: len(wanted)] != wanted or any(size != 1 for size in found[len(wanted) :])):
        raise CannotLoad(
            path, f"tensor {name!r} is {_times(found)}, its layout needs {_times(wanted)}", "The file mixes parts of different models; choose another one."
        )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def number_places(module: nn.Module, device: torch.device) -> None:
    """transformers' modules number the places of their patches and words in buffers, which no file needs to have."""
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            module.get_submodule(owner).register_buffer(last, torch.arange(buffer.shape[-1], device=device).expand(buffer.shape), persistent=False)
