"""What control units do to one evaluation of the UNet: residuals added inside it, and corrections of what it predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import reduce
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

from modules.loading.control_kinds import ControlKind
from modules.loading.control_network import ControlNetwork, Residuals

_SOFTER = 0.825                                     # each block away from the middle counts this much less, in the soft modes
_SOFT_ADAPTER = (0.25, 0.62, 0.825, 1.0)
_BLOCKS = 13                                        # of an SD1 network; SDXL's ten take the first ten factors
_MASK_EDGE = 0.5
_CELL = 8                                           # pixels of a latent cell
_MASK_AND_PICTURE = 5                               # channels that inpainting models are shown


class Emphasis(Enum):
    """Whose word counts more, the prompt's or the picture's."""

    BALANCED = "Balanced"
    PROMPT = "My prompt is more important"
    CONTROL = "ControlNet is more important"


@dataclass(frozen=True, kw_only=True)
class Window:
    """The share of the steps in which a unit acts; both ends belong to it."""

    start: float = 0.0
    end: float = 1.0

    def holds(self, step: int, steps: int) -> bool:
        """step: how many steps the sampler had told of before this evaluation; steps: of the whole pass."""
        done = step / steps if steps else 0.0
        return self.start <= done <= self.end


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One call of the UNet. x: (R, C, h, w) as the UNet sees it. is_cond: (R, 1, 1, 1), 1 for rows with the prompt, 0 for those without.

    sigma: noise level of the trained timestep nearest to this one: x is (x0 + sigma * noise) / sqrt(1 + sigma^2).
    """

    x: Tensor
    timesteps: Tensor
    context: Tensor
    vector: Tensor | None
    is_cond: Tensor
    sigma: float


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a unit may ask for when a pass begins.

    encode: pixels (1, 3, H, W) in 0 .. 1 -> the latent (1, 4, h, w); a picture is encoded once per job. stream: the noise of the pass's control units.
    unet: of the model that the pass begins with.
    shown_channels: what the model is shown besides latents, 5 for inpainting models. last_alpha: of the cumulative alphas, that of the last timestep.
    """

    encode: Callable[[Tensor], Tensor]
    stream: Any
    unet: Any = None
    is_sdxl: bool = False
    shown_channels: int = 0
    last_alpha: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlUnit:
    """A unit during one pass, which does nothing: the kinds of units override what they do."""

    window: Window = Window()

    def prepared(self, begin: Beginning) -> Self:
        """The unit with its picture encoded, if it needs that."""
        return self

    def told(self, call: Evaluation) -> Evaluation:
        """The evaluation with what it adds to the prompt."""
        return call

    def residuals(self, call: Evaluation) -> Residuals | None:
        """What it adds inside the UNet."""
        return None

    def corrected(self, call: Evaluation, x0: Tensor) -> Tensor:
        """What it makes of the predicted x0 (R, 4, h, w)."""
        return x0

    def started(self, noise: Tensor) -> Tensor:
        """What it makes of the noise (B, 4, h, w) that the pass begins with."""
        return noise


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkUnit(ControlUnit):
    """A ControlNet or T2I-Adapter with its hint picture.

    hint: (1 or B, C, H, W), 0 .. 1; for inpainting networks the masked pixels are -1.
    hint_kind: the kind that a union network is told, None for none.
    person: an IP-Adapter's tokens (1, T, width), for the rows with the prompt and for those without, that the network reads in its place (InstantID).
    soft: weaken the blocks far from the middle (the modes other than balanced, and line maps in a hires pass).
    block_weights: takes the place of weight and softness; blocks beyond its length add nothing.
    region: (1, 1, H, W), 0 .. 1: where it acts.
    late: a hires pass: the original no longer tells the rows with the prompt from those without, and acts on all.
    """

    network: ControlNetwork
    hint: Tensor
    weight: float = 1.0
    emphasis: Emphasis = Emphasis.BALANCED
    soft: bool = False
    block_weights: tuple[float, ...] | None = None
    region: Tensor | None = None
    hint_kind: int | None = None
    person: tuple[Tensor, Tensor] | None = None
    late: bool = False

    def residuals(self, call: Evaluation) -> Residuals:
        found = self.network(call.x, call.timesteps, self._read(call), self.hint, call.vector, self.hint_kind)
        if self.network.kind is ControlKind.T2I_ADAPTER:
            inside = self._weighted(found.inside, self._scales(len(found.inside)), call.is_cond)
            return replace(found, inside=tuple(inside))
        return Residuals(skips=tuple(self._weighted(found.skips, self._scales(len(found.skips)), call.is_cond)))

    def _read(self, call: Evaluation) -> Tensor:
        """What it reads beside the hint, (R, T, width)."""
        if self.person is None:
            return call.context
        shown, hidden = (each.to(call.context) for each in self.person)
        return torch.where(call.is_cond.view(-1, 1, 1) > _MASK_EDGE, shown, hidden)

    def _scales(self, count: int) -> Sequence[float]:
        if self.block_weights is not None:
            return self.block_weights
        if not (self.soft or self.emphasis is not Emphasis.BALANCED):
            return [self.weight] * count
        if self.network.kind is ControlKind.T2I_ADAPTER:
            return [self.weight * scale for scale in _SOFT_ADAPTER]
        return [self.weight * _SOFTER ** (_BLOCKS - 1 - block) for block in range(count)]

    def _weighted(self, tensors: Sequence[Tensor], scales: Sequence[float], is_cond: Tensor) -> list[Tensor]:
        only_cond = (self.emphasis is Emphasis.CONTROL or self.network.pools) and not self.late
        found = []
        for tensor, scale in zip(tensors, scales):
            if only_cond:
                tensor = tensor * (is_cond.to(tensor.dtype) * scale)
            elif scale != 1.0:                      # a pass over each of them less, in the usual case
                tensor = tensor * scale
            if self.region is not None:
                tensor = tensor * interpolate(self.region.to(tensor), size=tensor.shape[-2:], mode="bilinear")
            found.append(tensor.mean(dim=(2, 3), keepdim=True) if self.network.pools else tensor)
        return found + [torch.zeros(1, 1, 1, 1, device=is_cond.device)] * (len(tensors) - len(found))


@dataclass(frozen=True, kw_only=True, eq=False)
class RestoringUnit(ControlUnit):
    """Inpainting without a network's help: outside of the mask every prediction is the known picture.

    known: (1 or B, 4, h, w), the encoded picture, or in its place ``picture`` (1, 3, H, W), encoded when the pass begins.
    mask: (1, 1, H, W) in pixels, 1 where it is painted.
    """

    mask: Tensor
    known: Tensor | None = None
    picture: Tensor | None = None
    weight: float = 1.0

    def prepared(self, begin: Beginning) -> RestoringUnit:
        return self if self.picture is None else replace(self, known=begin.encode(self.picture))

    def corrected(self, call: Evaluation, x0: Tensor) -> Tensor:
        assert self.known is not None
        painted = max_pool2d(self.mask.to(x0), (_CELL + 2, _CELL + 2), stride=(_CELL, _CELL), padding=1)
        return torch.lerp(x0, x0 * painted + rows(self.known, x0) * (1 - painted), min(max(self.weight, 0.0), 1.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class StartUnit(ControlUnit):
    """The noise that a pass begins with is what the highest noise leaves of a known picture (1, 3, H, W), encoded when the pass begins.

    share: (known picture's, noise's), of the model's last trained timestep.
    """

    picture: Tensor
    known: Tensor | None = None
    share: tuple[float, float] = (0.0, 1.0)

    def prepared(self, begin: Beginning) -> StartUnit:
        return replace(self, known=begin.encode(self.picture), share=(begin.last_alpha**0.5, (1 - begin.last_alpha) ** 0.5))

    def started(self, noise: Tensor) -> Tensor:
        if self.known is None or self.known.shape[-2:] != noise.shape[-2:]:
            return noise
        return self.share[0] * rows(self.known, noise) + self.share[1] * noise


@dataclass(frozen=True, kw_only=True, eq=False)
class ColourUnit(ControlUnit):
    """Every prediction takes the blurred colours of a known picture (tile_colorfix).

    known: (1 or B, 4, h, w), or in its place ``picture`` (1, 3, H, W), encoded when the pass begins. radius: of the blur, in cells.
    sharpness: 0, or how much detail the unconditional prediction loses (0 .. 1). late: a hires pass, where none does.
    """

    radius: int
    known: Tensor | None = None
    picture: Tensor | None = None
    sharpness: float = 0.0
    weight: float = 1.0
    late: bool = False

    def prepared(self, begin: Beginning) -> ColourUnit:
        return self if self.picture is None else replace(self, known=begin.encode(self.picture))

    def corrected(self, call: Evaluation, x0: Tensor) -> Tensor:
        assert self.known is not None
        found = x0 - blurred(x0, self.radius) + blurred(rows(self.known, x0), self.radius)
        if self.sharpness and not self.late:
            dull = self.sharpness * blurred(found, self.radius) + (1 - self.sharpness) * found
            found = call.is_cond * found + (1 - call.is_cond) * dull
        return torch.lerp(x0, found, min(max(self.weight, 0.0), 1.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownUnit(ControlUnit):
    """An inpainting checkpoint is shown a unit's masked picture in place of its own. picture: (1, 3, H, W), 0 .. 1; mask: (1, 1, H, W)."""

    picture: Tensor
    mask: Tensor
    shown: Tensor | None = None

    def prepared(self, begin: Beginning) -> ShownUnit:
        if begin.shown_channels != _MASK_AND_PICTURE:
            return self
        painted = (self.mask > _MASK_EDGE).to(self.picture)
        grey = self.picture * (1 - painted) + 0.5 * painted     # the VAE's zero
        return replace(self, shown=torch.cat([max_pool2d(painted, _CELL), begin.encode(grey).cpu()], dim=1))


def blurred(latent: Tensor, radius: int) -> Tensor:
    """The mean over squares of 2 * radius + 1 cells, edges repeated."""
    return avg_pool2d(pad(latent, (radius,) * 4, mode="replicate"), radius * 2 + 1, stride=1)


def rows(known: Tensor, like: Tensor) -> Tensor:
    """``known`` once for each row of ``like``; rows of a batch lie in the order cond, uncond."""
    return known.to(like).repeat(-(-len(like) // len(known)), 1, 1, 1)[: len(like)]


def inpaint_hint(picture: Tensor, mask: Tensor) -> Tensor:
    """The hint of an inpainting network: (B, 3, H, W) with -1 where ``mask`` (B, 1, H, W) is set."""
    painted = (mask > _MASK_EDGE).to(picture)
    return picture * (1 - painted) - painted


@dataclass(frozen=True, kw_only=True)
class Control:
    """The units of one pass, in order."""

    units: tuple[ControlUnit, ...]

    @property
    def corrects(self) -> bool:
        """Whether a unit changes predictions."""
        return any(isinstance(unit, RestoringUnit | ColourUnit) for unit in self.units)

    def prepared(self, begin: Beginning) -> Control:
        return Control(units=tuple(unit.prepared(begin) for unit in self.units))

    def started(self, noise: Tensor) -> Tensor:
        """The noise (B, 4, h, w) with which the pass begins."""
        for unit in self.units:
            noise = unit.started(noise)
        return noise

    def model_input(self, x: Tensor) -> Tensor:
        """What the UNet itself is shown: x (R, C, h, w), an inpainting model's masked picture replaced by a unit's."""
        for unit in self.units:
            if isinstance(unit, ShownUnit) and unit.shown is not None:
                x = torch.cat([x[:, : -unit.shown.shape[1]], rows(unit.shown, x)], dim=1)
        return x

    def active(self, step: int, steps: int) -> Control | None:
        """Those whose window holds now; None when there is none."""
        units = tuple(unit for unit in self.units if unit.window.holds(step, steps))
        return Control(units=units) if units else None

    def told(self, call: Evaluation) -> Evaluation:
        """The evaluation with what units add to the prompt; networks and UNet are both asked with it."""
        for unit in self.units:
            call = unit.told(call)
        return call

    def unet_arguments(self, call: Evaluation) -> dict[str, Any]:
        """What UNet2DConditionModel is called with besides its own inputs."""
        found = [each for each in (unit.residuals(call) for unit in self.units) if each is not None]
        skips = _summed([each.skips for each in found if each.skips])
        sizes = level_sizes(call.x.shape[-2:], 4)
        inside = _summed([[_fitted(each, sizes[level]) for each, level in zip(unit.inside, unit.levels)] for unit in found if unit.inside])
        arguments: dict[str, Any] = {}
        if skips:
            dtype = call.x.dtype
            arguments["down_block_additional_residuals"] = tuple(each.to(dtype) for each in skips[:-1])
            arguments["mid_block_additional_residual"] = skips[-1].to(dtype)
        if inside:
            arguments["down_intrablock_additional_residuals"] = [each.to(call.x.dtype).expand(len(call.x), -1, -1, -1) for each in inside]
        return arguments

    def corrected(self, call: Evaluation, x0: Tensor) -> Tensor:
        for unit in self.units:
            x0 = unit.corrected(call, x0)
        return x0


def level_sizes(size: Sequence[int], levels: int) -> list[tuple[int, int]]:
    """(height, width) at each level of the UNet, each the half of the one before, rounded up."""
    found = [(size[0], size[1])]
    while len(found) < levels:
        found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
    return found


def _fitted(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """In that size; a single cell counts for the whole picture."""
    here = tensor.shape[-2:]
    return tensor if here in ((1, 1), size) else interpolate(tensor, size=size, mode="nearest")


def _summed(groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Block by block."""
    if not groups:
        return []
    return [reduce(torch.add, parts) for parts in zip(*groups)]
