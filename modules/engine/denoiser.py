"""The denoiser as samplers see it: (x, sigma) -> guided x0. Counts its calls, which is what prompt editing goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from modules.engine.control import Control
from modules.engine.flow_predictor import FlowPredictor
from modules.engine.guidance import RowWeights, as_long, combine, first_parts, is_plain
from modules.engine.hooks import CancelView, DenoiserCall, GenerationHooks, Interrupted, is_over
from modules.engine.noise_levels import NoiseLevels
from modules.engine.predictor import Predictor
from modules.engine.resolved import SamplingOptions


class StepConditioningLike(Protocol):
    """What the prompt rooms give for one step; see encode_prompt."""

    @property
    def cond(self) -> Tensor: ...
    @property
    def cond_weights(self) -> RowWeights: ...
    @property
    def uncond(self) -> Tensor: ...
    @property
    def vector_cond(self) -> Tensor | None: ...
    @property
    def vector_uncond(self) -> Tensor | None: ...


class ConditioningLike(Protocol):
    def at(self, step: int) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How an inpainting pass keeps what is not masked: applied to the prediction, or to what the model sees at each step.

    apply: (latent, sigma, timestep) -> latent.
    """

    apply: Callable[[Tensor, float, float], Tensor]
    before_denoising: bool = False


@dataclass(frozen=True, kw_only=True)
class DenoiserSetup:
    """Everything that stays the same during one pass. total_steps: the denoiser calls that the pass expects."""

    predictor: Predictor | FlowPredictor
    conditioning: ConditioningLike
    guidance_scale: float
    total_steps: int
    options: SamplingOptions
    hooks: GenerationHooks
    cancel: CancelView
    needs_uncond: bool = False
    by_timestep: bool = False                       # A1111 compares NGMS with the timestep in its timestep samplers
    split_guidance: bool = False
    keeps_length: bool = False                      # see ``ModelFamily``
    empty_prompt: Tensor | None = None              # (1, T, C): the padding of pad_cond_uncond
    image_cond: Tensor | None = None
    image_guidance: float = 1.0                     # pix2pix: how strongly the picture in ``image_cond`` guides
    blend: Blend | None = None
    control: Control | None = None
    steps: int = 0
    preview_content: str = "Combined"


Succession = Callable[[int, float], DenoiserSetup | None]
"""Asked with (call, sigma) before each call: None, or the setup of the model that takes over from here on."""


class GuidedDenoiser:
    """See the module's first line. ``last_denoised``: what an interrupted pass gives back.

    sampling_step: the step that the sampler last told of, set by whoever listens to it: one behind ``step`` or more.
    """

    def __init__(self, setup: DenoiserSetup, succession: Succession | None = None) -> None:
        self._setup = setup
        self._succession = succession
        self.step = 0
        self.sampling_step = 0
        self.last_denoised: Tensor | None = None
        self.shown: Tensor | None = None                # what a preview shows, where that is not the guided prediction
        self.ngms_used = False
        self.padding_used = ""                          # infotext key of the padding that took place
        self._joined: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return self._evaluate(x, sigma)[0]

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        denoised, uncond = self._evaluate(x, sigma)
        return denoised, denoised if uncond is None else uncond

    def _evaluate(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor | None]:
        setup = self._setup
        if is_over(setup.cancel):
            raise Interrupted
        self._hand_over(sigma)
        setup, own = self._setup, x
        if setup.blend is not None and setup.blend.before_denoising:
            x = self._blended(setup.blend, x, sigma)
        now = setup.conditioning.at(self.step)
        call = setup.hooks.denoiser_input(self._call(x, sigma, now))
        rows = setup.hooks.denoised(call, self._predict(call, sigma, len(x)))
        cond_rows, uncond = (rows, None) if call.uncond is None else (rows[: -len(x)], rows[-len(x) :])
        if uncond is None and setup.needs_uncond:
            uncond = first_parts(cond_rows, now.cond_weights)
        scale = setup.guidance_scale
        denoised = setup.hooks.combined(call, rows, now.cond_weights, scale)
        if denoised is None:
            denoised = combine(cond_rows, None if call.uncond is None else uncond, now.cond_weights, scale)
            if setup.keeps_length and call.uncond is not None:
                denoised = as_long(denoised, first_parts(cond_rows, now.cond_weights), call.x[-len(x) :])
        if setup.image_guidance != 1.0 and call.uncond is not None:
            denoised = denoised + (rows[-len(x) :] - self._without_picture(call, sigma, len(x))) * (setup.image_guidance - 1.0)
        if setup.blend is not None and not setup.blend.before_denoising:
            denoised = self._blended(setup.blend, denoised, sigma)
        denoised = setup.hooks.guided(call, denoised)
        self.step += 1
        self.last_denoised = denoised
        if setup.preview_content == "Prompt":
            self.shown = first_parts(cond_rows, now.cond_weights)
        elif setup.preview_content == "Negative prompt":
            self.shown = denoised if uncond is None else uncond
        if own is x:
            return denoised, uncond
        hidden = own - x                            # the sampler steps from its own latent, by the noise found in the blended one
        return denoised + hidden, None if uncond is None else uncond + hidden

    def _without_picture(self, call: DenoiserCall, sigma: float, batch: int) -> Tensor:
        """The unconditional prediction of a model that is shown neither prompt nor picture.

        Source: Brooks et al. 2023, "InstructPix2Pix" (arXiv:2211.09800), equation 3.
        """
        assert call.uncond is not None and call.image_cond is not None
        nothing = torch.zeros_like(call.image_cond[-batch:])
        return self._setup.predictor(call.x[-batch:], sigma, call.uncond, vector=call.vector_uncond, image_cond=nothing)

    def _hand_over(self, sigma: float) -> None:
        successor = None if self._succession is None else self._succession(self.step, sigma)
        if successor is not None:
            self._setup, self._succession, self._joined = successor, None, None

    def _blended(self, blend: Blend, latent: Tensor, sigma: float) -> Tensor:
        return blend.apply(latent, sigma, self._setup.predictor.levels.timestep(sigma))

    def _call(self, x: Tensor, sigma: float, now: StepConditioningLike) -> DenoiserCall:
        """The rows of this evaluation: one per AND part of each image, then the images once more."""
        skips = self._skips_uncond(sigma) or self._needs_no_uncond(now.cond_weights)
        counts = torch.tensor([len(each) for each in now.cond_weights], device=x.device) if len(now.cond) != len(x) else None
        parts = x if counts is None else x.repeat_interleave(counts, dim=0)
        rows = parts if skips else torch.cat([parts, x])
        levels = self._setup.predictor.levels
        return DenoiserCall(
            x=rows,
            sigma=torch.full((len(rows),), sigma, device=x.device),
            cond=now.cond,
            uncond=None if skips else now.uncond,
            step=self.step,
            total_steps=self._setup.total_steps,
            sampling_step=self.sampling_step,
            sampling_steps=self._setup.steps,
            vector_cond=now.vector_cond,
            vector_uncond=None if skips else now.vector_uncond,
            image_cond=self._image_rows(counts, skips),
            control=self._setup.control,
            levels=levels if self._setup.by_timestep and isinstance(levels, NoiseLevels) else None,
        )

    def _image_rows(self, counts: Tensor | None, skips: bool) -> Tensor | None:
        image_cond = self._setup.image_cond
        if image_cond is None:
            return None
        parts = image_cond if counts is None else image_cond.repeat_interleave(counts, dim=0)
        return parts if skips else torch.cat([parts, image_cond])

    def _skips_uncond(self, sigma: float) -> bool:
        """A1111's two ways of saving time: no guidance in the first steps, or in every other step at low sigma (NGMS)."""
        setup, options = self._setup, self._setup.options
        if options.skip_early_cond and self.step / max(setup.total_steps, 1) <= options.skip_early_cond:
            return True
        if not options.s_min_uncond > 0 or not (self.step % 2 or options.s_min_uncond_all):
            return False
        level = setup.predictor.levels.timestep(sigma) if setup.by_timestep else sigma
        used = level < options.s_min_uncond and setup.image_guidance == 1.0
        self.ngms_used = self.ngms_used or used
        return used

    def _needs_no_uncond(self, weights: RowWeights) -> bool:
        """At scale 1 the unconditional prediction cancels out: half the work."""
        return self._setup.image_guidance == 1.0 and self._setup.guidance_scale == 1.0 and not self._setup.needs_uncond and is_plain(weights)

    def _predict(self, call: DenoiserCall, sigma: float, batch: int) -> Tensor:
        """x0 of all rows, in one model call where lengths and options allow."""
        call = self._padded(call)
        setup = self._setup
        together = setup.options.batch_cond_uncond and not setup.split_guidance
        if call.uncond is None:
            return self._rows(call, sigma, call.x, call.cond, slice(0, len(call.x)), call.vector_cond)
        if together and call.cond.shape[1] == call.uncond.shape[1]:
            vector = None if call.vector_cond is None or call.vector_uncond is None else torch.cat([call.vector_cond, call.vector_uncond])
            return self._rows(call, sigma, call.x, self._join(call.cond, call.uncond), slice(0, len(call.x)), vector)
        size = batch * 2 if together else batch
        pieces = [
            self._rows(call, sigma, call.x[at], call.cond[at], at, None if call.vector_cond is None else call.vector_cond[at])
            for at in (slice(start, min(start + size, len(call.cond))) for start in range(0, len(call.cond), size))
        ]
        last = slice(len(call.x) - batch, len(call.x))
        pieces.append(self._rows(call, sigma, call.x[last], call.uncond, last, call.vector_uncond))
        return torch.cat(pieces)

    def _rows(self, call: DenoiserCall, sigma: float, x: Tensor, context: Tensor, at: slice, vector: Tensor | None) -> Tensor:
        image_cond = None if call.image_cond is None else call.image_cond[at]
        control = call.control and call.control.active(call.sampling_step, call.sampling_steps)
        is_cond = None if control is None else (torch.arange(at.start, at.stop, device=x.device) < len(call.cond)).to(x.dtype).view(-1, 1, 1, 1)
        predictor = self._setup.hooks.prediction(self._setup.predictor)
        if call.told_sigma is None:
            return predictor(x, sigma, context, vector=vector, image_cond=image_cond, control=control, is_cond=is_cond)
        told, found = call.told_sigma[at], torch.empty_like(x)
        for level in sorted(set(told.tolist())):
            rows = told == level
            vectors, images, marks = (None if each is None else each[rows] for each in (vector, image_cond, is_cond))
            found[rows] = predictor(x[rows], level, context[rows], vector=vectors, image_cond=images, control=control, is_cond=marks)
        return found

    def _join(self, cond: Tensor, uncond: Tensor) -> Tensor:
        """cond and uncond in one tensor, made again only when prompt editing changes one of them."""
        if self._joined is None or self._joined[0] is not cond or self._joined[1] is not uncond:
            self._joined = (cond, uncond, torch.cat([cond, uncond]))
        return self._joined[2]

    def _padded(self, call: DenoiserCall) -> DenoiserCall:
        """The shorter of two prompts brought to the length of the other, where the options ask for it."""
        options, cond, uncond = self._setup.options, call.cond, call.uncond
        if uncond is None or cond.shape[1] == uncond.shape[1]:
            return call
        if options.pad_cond_uncond_v0:
            self.padding_used = "Pad conds v0"
            return replace(call, uncond=_stretched(uncond, cond.shape[1]))
        empty = self._setup.empty_prompt
        if not options.pad_cond_uncond or empty is None:
            return call
        self.padding_used = "Pad conds"
        missing = (cond.shape[1] - uncond.shape[1]) // empty.shape[1]
        if missing > 0:
            return replace(call, uncond=_with_empty(uncond, empty, missing))
        return replace(call, cond=_with_empty(cond, empty, -missing))


def _stretched(uncond: Tensor, length: int) -> Tensor:
    """Cut to ``length`` tokens, or the last one repeated up to it."""
    missing = length - uncond.shape[1]
    return uncond[:, :length] if missing <= 0 else torch.cat([uncond, uncond[:, -1:].expand(-1, missing, -1)], dim=1)


def _with_empty(prompt: Tensor, empty: Tensor, count: int) -> Tensor:
    """``prompt`` (B, T, C) followed by ``count`` empty chunks."""
    return torch.cat([prompt, empty.to(prompt).repeat(len(prompt), count, 1)], dim=1)
