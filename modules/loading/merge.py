"""Checkpoints merged tensor by tensor into a new file: at no time is more in memory than a few tensors (for .ckpt, the result).

A1111's rules: tensors whose name holds "model" are merged, the others are A's; sums are made in float32.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from modules.library.model_file import ModelFile
from modules.loading.safetensors_file import WRITABLE, write_header, write_tensor
from modules.loading.vae import IN_CHECKPOINT
from modules.loading.weights import Weights, open_weights, stored_dtype
from modules.schema.errors import CannotLoad, InvalidValue

NO_INTERPOLATION, WEIGHTED_SUM, ADD_DIFFERENCE = METHODS = ("No interpolation", "Weighted sum", "Add difference")
_NEVER_MERGED = ("cond_stage_model.transformer.text_model.embeddings.position_ids",)   # whole numbers, the same in all
_FOR_PICTURES = {9: "inpainting", 8: "instruct-pix2pix"}    # input channels of denoisers that see a picture beside the latent


@dataclass(frozen=True, kw_only=True)
class MergeRecipe:
    """What to merge. multiplier: 0 gives A. half: float32 tensors are written as float16. vae: baked in. discard: a regular expression."""

    primary: ModelFile
    secondary: ModelFile | None = None
    tertiary: ModelFile | None = None
    method: str = WEIGHTED_SUM
    multiplier: float = 0.3
    half: bool = False
    vae: ModelFile | None = None
    discard: str = ""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidValue(f"There is no interpolation method called {self.method[:80]!r}.", f"Choose one of {', '.join(METHODS)}.", field="interp_method")
        if self.method != NO_INTERPOLATION and self.secondary is None:
            raise InvalidValue(f"{self.method} needs a secondary model (B).", "Choose one.", field="secondary_model_name")
        if self.method == ADD_DIFFERENCE and self.tertiary is None:
            raise InvalidValue("Add difference needs a tertiary model (C).", "Choose one.", field="tertiary_model_name")
        try:
            re.compile(self.discard)
        except re.error as error:
            raise InvalidValue(f"Discard weights: {self.discard[:80]!r} is no regular expression ({error}).", "Correct it, or leave it empty.",
                               field="discard_weights") from error


@dataclass(frozen=True, kw_only=True)
class PlannedTensor:
    """One tensor of the result. from_vae: its name in the VAE's file, "" where it is A's. merged: whether B (and C) go into it."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    from_vae: str = ""
    merged: bool = False

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class MergePlan:
    """Everything checked and nothing read. picture_kind: "inpainting" or "instruct-pix2pix" when A is such and B is not."""

    recipe: MergeRecipe
    tensors: tuple[PlannedTensor, ...]
    picture_kind: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of the result's tensors."""
        return sum(each.nbytes for each in self.tensors)


@contextmanager
def opened_merge(recipe: MergeRecipe) -> Iterator[Merge]:
    """The files opened and compared. Raises CannotLoad, and InvalidValue for models that do not fit together."""
    with ExitStack() as stack:
        def opened(model: ModelFile | None) -> Weights | None:
            return None if model is None else stack.enter_context(closing(open_weights(model.path)))

        interpolates = recipe.method != NO_INTERPOLATION
        a = opened(recipe.primary)
        assert a is not None
        b = opened(recipe.secondary) if interpolates else None
        c = opened(recipe.tertiary) if recipe.method == ADD_DIFFERENCE else None
        vae = opened(recipe.vae)
        yield Merge(recipe=recipe, a=a, b=b, c=c, vae=vae, plan=_planned(recipe, a, b, c, vae))


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Open files and the plan for them."""

    recipe: MergeRecipe
    a: Weights
    b: Weights | None
    c: Weights | None
    vae: Weights | None
    plan: MergePlan

    def tensors(self) -> Iterator[tuple[PlannedTensor, Tensor]]:
        """The result, one tensor at a time, in the plan's order."""
        for planned in self.plan.tensors:
            yield planned, self._tensor(planned).to(planned.dtype).contiguous()

    def write_safetensors(self, file: BinaryIO, metadata: Mapping[str, str], on_tensor: Callable[[int, int], None]) -> None:
        """Write the result to ``file`` as it is made. on_tensor(done, total): told after each; may raise to stop."""
        write_header(file, ((each.name, each.dtype, each.shape) for each in self.plan.tensors), metadata)
        for done, (_, tensor) in enumerate(self.tensors(), 1):
            write_tensor(file, tensor)
            on_tensor(done, len(self.plan.tensors))

    def write_ckpt(self, file: BinaryIO, on_tensor: Callable[[int, int], None]) -> None:
        """Write the result to ``file`` as torch's pickle. The whole result is in memory once."""
        table: dict[str, Tensor] = {}
        for done, (planned, tensor) in enumerate(self.tensors(), 1):
            table[planned.name] = tensor
            on_tensor(done, len(self.plan.tensors))
        torch.save(table, file)

    def _tensor(self, planned: PlannedTensor) -> Tensor:
        if planned.from_vae:
            assert self.vae is not None
            return _read(self.vae, planned.from_vae, planned.dtype)
        if not planned.merged:
            return _read(self.a, planned.name, planned.dtype)
        assert self.b is not None
        result = _read(self.a, planned.name, torch.float32)
        other = _read(self.b, planned.name, torch.float32)
        part = result if result.shape == other.shape else result[:, : other.shape[1]]    # the rest of the channels sees the picture: it stays A's
        if self.recipe.method == WEIGHTED_SUM:
            part.mul_(1 - self.recipe.multiplier).add_(other, alpha=self.recipe.multiplier)
        elif self.c is not None and planned.name in self.c.header.tensors:
            part.add_(other.sub_(_read(self.c, planned.name, torch.float32)), alpha=self.recipe.multiplier)
        return result


def _planned(recipe: MergeRecipe, a: Weights, b: Weights | None, c: Weights | None, vae: Weights | None) -> MergePlan:
    found: dict[str, PlannedTensor] = {}
    kinds: set[str] = set()
    for name, shape in a.header.shapes.items():
        stored = _dtype(a, name)
        merged = b is not None and "model" in name and name not in _NEVER_MERGED and name in b.header.shapes and stored.is_floating_point
        if merged:
            assert b is not None
            kinds.add(_compared(recipe, name, shape, b.header.shapes[name], c.header.shapes.get(name) if c else None))
        found[name] = PlannedTensor(name=name, shape=shape, dtype=_written_as(stored, recipe.half), merged=merged)
    if b is not None and not any(each.merged for each in found.values()):
        raise InvalidValue(f"{recipe.primary.name} and {recipe.secondary.name if recipe.secondary else 'B'} have no tensor in common.", "Choose checkpoints of one family.")
    if vae is not None:
        found |= _baked(recipe, vae, found)
    pattern = re.compile(recipe.discard) if recipe.discard else None
    kept = [each for each in found.values() if pattern is None or not pattern.search(each.name)]
    if not kept:
        raise InvalidValue(f"Discard weights: {recipe.discard[:80]!r} would leave nothing of {recipe.primary.name}.", "Name fewer weights.", field="discard_weights")
    kept.sort(key=lambda each: (-each.dtype.itemsize, each.name))    # as the format's own writer does, so that all are aligned
    return MergePlan(recipe=recipe, tensors=tuple(kept), picture_kind=next(iter(sorted(kinds - {""})), ""))


def _compared(recipe: MergeRecipe, name: str, a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...] | None) -> str:
    """What kind of model A is where it sees a picture and B does not, else "". Raises InvalidValue for shapes that do not fit."""
    first, second = recipe.primary.name, recipe.secondary.name if recipe.secondary else "B"
    if c is not None and c != b:
        raise InvalidValue(
            f"{second} (B) and {recipe.tertiary.name if recipe.tertiary else 'C'} (C) do not fit: {name} is {_shape(b)} in one and {_shape(c)} in the other.",
            "The difference of two models needs two of one kind.", field="tertiary_model_name")
    if a == b:
        return ""
    if len(a) == len(b) == 4 and a[:1] + a[2:] == b[:1] + b[2:]:
        if a[1] == 4 and b[1] in _FOR_PICTURES:
            raise InvalidValue(f"When merging an {_FOR_PICTURES[b[1]]} model with a normal one, A must be the {_FOR_PICTURES[b[1]]} model.", "Swap A and B.",
                               field="primary_model_name")
        if a[1] in _FOR_PICTURES and b[1] == 4:
            return _FOR_PICTURES[a[1]]
    raise InvalidValue(f"{first} (A) and {second} (B) do not fit: {name} is {_shape(a)} in A and {_shape(b)} in B.", "Choose checkpoints of one family.",
                       field="secondary_model_name")


def _baked(recipe: MergeRecipe, vae: Weights, found: Mapping[str, PlannedTensor]) -> dict[str, PlannedTensor]:
    """The VAE's tensors under their names in a checkpoint, in the types that they have there. Raises InvalidValue and CannotLoad."""
    baked: dict[str, PlannedTensor] = {}
    for name, shape in vae.header.shapes.items():
        inner = name.removeprefix(IN_CHECKPOINT)
        if not inner.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")):
            continue
        goal = IN_CHECKPOINT + inner
        own = found.get(goal)
        if own is not None and own.shape != shape:
            raise InvalidValue(f"The VAE {recipe.vae.name if recipe.vae else ''} does not fit {recipe.primary.name}: {inner} is {_shape(shape)} instead of {_shape(own.shape)}.",
                               "Choose another VAE.", field="bake_in_vae")
        dtype = own.dtype if own is not None else _written_as(_dtype(vae, name), recipe.half)
        baked[goal] = PlannedTensor(name=goal, shape=shape, dtype=dtype, from_vae=name)
    if IN_CHECKPOINT + "decoder.conv_in.weight" not in baked:
        raise CannotLoad(vae.header.path, "it is no VAE in the layout that checkpoints have (no tensor decoder.conv_in.weight)", "Choose another VAE.")
    return baked


def _read(weights: Weights, name: str, dtype: torch.dtype) -> Tensor:
    return weights.read(name, dtype, torch.device("cpu"))


def _dtype(weights: Weights, name: str) -> torch.dtype:
    found = stored_dtype(weights, name)
    if found is None or found not in WRITABLE:
        raise CannotLoad(weights.header.path, f"tensor {name!r} is of type {weights.header.dtypes[name]}, which cannot be merged", "Choose an fp16 or fp32 file.")
    return found


def _written_as(stored: torch.dtype, half: bool) -> torch.dtype:
    return torch.float16 if half and stored in (torch.float32, torch.float64) else stored


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def config_beside(checkpoint: Path) -> Path | None:
    """The training config that lies beside a checkpoint."""
    found = checkpoint.with_suffix(".yaml")
    return found if found.is_file() else None
