"""The steps of a training: noise is put on latents, the denoiser says what it takes for noise, and what learns moves so that it errs less.

Source: Gal et al. 2022, "An Image is Worth One Word" (arXiv:2208.01618); the loss is that of the model's own training (Ho et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modules.compute.memory import free_memory, is_out_of_memory, spare_bytes
from modules.engine.hooks import CancelView
from modules.engine.image_conditioning import everything_masked
from modules.engine.predictor import added_conditions
from modules.engine.training.learners import Learner
from modules.engine.training.optimiser import Optimiser
from modules.engine.training.pictures import Batch, Chance, PictureSet
from modules.engine.training.rates import Rates
from modules.families.family import Prediction
from modules.schema.errors import InvalidValue, OutOfMemory

if TYPE_CHECKING:
    from modules.loading.components import Components

_MOST_SPOILT = 20           # steps in a row whose error is no number
_KEPT_PER_CELL = 1.2e6      # bytes that SD 1.5's UNet remembers for gradients of a latent's cell, in float32, with room beside it: measured 0.6e6 (tests/bench/training.py)
_USUAL_PARAMETERS = 860e6   # of that UNet


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """first: steps that were done before, of ``steps`` in all. accumulates: batches whose gradients make one step. clipping: "disabled", "value" or "norm", by ``clip_rates``."""

    steps: int
    first: int = 0
    rates: Rates
    accumulates: int = 1
    clipping: str = "disabled"
    clip_rates: Rates | None = None


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """After a step. done: steps in all. place: of this one in its epoch, which has ``of``. text: the prompt of the batch's first picture."""

    done: int
    loss: float
    rate: float
    epoch: int
    place: int
    of: int
    text: str


def train(
    learner: Learner, pictures: PictureSet, plan: TrainingPlan, components: Components, *, optimiser: Optimiser, chance: Chance,
    told: Callable[[StepReport], None], cancel: CancelView,
) -> int:
    """Learn until all steps are done, the rates end or somebody interrupts; returns how many steps are done in all.

    told: after each step, with nothing of the training in the model's way. Raises InvalidValue where errors stop being numbers.
    """
    accumulates = min(plan.accumulates, pictures.count // pictures.batch_size)
    per_epoch = pictures.count // pictures.batch_size // accumulates
    steps = _Steps(learner, plan, components, optimiser.of_torch, chance.noise)
    done = plan.first
    while done < plan.steps and not _is_ended(cancel):
        batches = pictures.epoch()
        for place in range(per_epoch):
            rate = plan.rates.at(done)
            if rate is None or done >= plan.steps or _is_ended(cancel):
                return done
            group = [next(batches) for _ in range(accumulates)]
            loss = steps.step(group, done, rate)
            done += 1
            told(StepReport(done=done, loss=loss, rate=rate, epoch=done // per_epoch, place=place, of=per_epoch, text=group[-1].texts[0]))
    return done


def _is_ended(cancel: CancelView) -> bool:
    """Waits while the job is paused. There is nothing to skip in a training."""
    cancel.hold()
    return cancel.interrupted or cancel.stopping


class _Steps:
    def __init__(self, learner: Learner, plan: TrainingPlan, components: Components, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
        self._learner, self._plan, self._components, self._optimiser, self._generator = learner, plan, components, optimiser, generator
        self._dtype = next(components.unet.parameters()).dtype
        device = components.placement.device.type
        self._scaler = torch.amp.GradScaler(device, enabled=device == "cuda" and self._dtype is torch.float16)
        self._parameters = sum(each.numel() for each in components.unet.parameters())
        self._sparing = False               # memory ran out before
        self._shown: dict[tuple[int, int], Tensor | None] = {}
        self._spoilt = 0

    def step(self, batches: list[Batch], done: int, rate: float) -> float:
        """The sum of the batches' errors, as they were before it."""
        for each in self._optimiser.param_groups:
            each["lr"] = rate
        total = sum(self._learnt(batch, 1 / len(batches)) for batch in batches)
        self._check(total)
        self._clip(done)
        if total == total:
            self._scaler.step(self._optimiser)
            self._scaler.update()
        self._optimiser.zero_grad(set_to_none=True)
        return total

    def _learnt(self, batch: Batch, share: float) -> float:
        """The batch's error, whose gradients are added. What memory does not hold is computed again with less of it. Raises OutOfMemory."""
        if not self._remembers(batch):
            return self._with_gradients(batch, share, remembering=False)
        try:
            return self._with_gradients(batch, share, remembering=True)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.with_traceback(None)
        self._sparing = True
        self._optimiser.zero_grad(set_to_none=True)         # the way back may have ended half way
        free_memory()
        return self._with_gradients(batch, share, remembering=False)

    def _remembers(self, batch: Batch) -> bool:
        """Whether what blocks compute is kept for the way back, because there is room for it."""
        cells = batch.latents[:, 0].numel()
        needed = cells * _KEPT_PER_CELL * self._parameters / _USUAL_PARAMETERS * self._dtype.itemsize / 4
        return not self._sparing and needed <= spare_bytes(self._components.placement.device)

    def _with_gradients(self, batch: Batch, share: float, *, remembering: bool) -> float:
        try:
            with torch.enable_grad(), self._learner.at_work(), nullcontext() if remembering else _checkpointed(self._components.unet):
                loss = self._loss(batch) * share
                if loss.requires_grad:      # a prompt that does not name what learns teaches nothing
                    self._scaler.scale(loss).backward()
                return loss.item()
        except Exception as error:
            if remembering or not is_out_of_memory(error):
                raise
            error.with_traceback(None)
            raise OutOfMemory("Memory ran out in a training step.", "Choose a smaller width and height, or a smaller batch size; more accumulation steps make up for it.") from None

    def _loss(self, batch: Batch) -> Tensor:
        parts, device = self._components, self._components.placement.device
        latents = batch.latents.to(device)
        side = parts.family.latent.downscale
        size = latents.shape[-1] * side, latents.shape[-2] * side
        context, vector = self._learner.read(batch.texts, size)
        noise = torch.randn(latents.shape, generator=self._generator).to(device)
        timesteps = torch.randint(0, len(parts.alphas_cumprod), (len(latents),), generator=self._generator)
        alpha = parts.alphas_cumprod[timesteps].to(device)[:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        wanted = noise if parts.prediction is Prediction.EPSILON else alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        wrong = (self._said(noisy, timesteps.to(device), context, vector, size) - wanted).square()
        return (wrong if batch.weights is None else wrong * batch.weights.to(device)).mean()

    def _said(self, noisy: Tensor, timesteps: Tensor, context: Tensor, vector: Tensor | None, size: tuple[int, int]) -> Tensor:
        if size not in self._shown:
            with torch.no_grad():
                self._shown[size] = everything_masked(self._components, 1, *size, seed=0)
        shown = self._shown[size]
        inputs = noisy if shown is None else torch.cat([noisy, shown.to(noisy).expand(len(noisy), -1, -1, -1)], dim=1)
        (output,) = self._components.unet(
            inputs.to(self._dtype), timestep=timesteps, encoder_hidden_states=context.to(noisy.device, self._dtype), added_cond_kwargs=added_conditions(vector),
            return_dict=False)
        return output.float()

    def _check(self, loss: float) -> None:
        self._spoilt = self._spoilt + 1 if loss != loss else 0
        if self._spoilt >= _MOST_SPOILT:
            raise InvalidValue(
                f"The training was stopped: the error of {_MOST_SPOILT} steps in a row was no number.",
                "Choose a smaller learning rate, and begin with a copy that was saved before; --no-half helps where a model overflows.", field="learn_rate")

    def _clip(self, done: int) -> None:
        rates = self._plan.clip_rates
        limit = rates.at(done) if rates is not None else None
        if self._plan.clipping == "disabled" or limit is None:
            return
        self._scaler.unscale_(self._optimiser)
        clip: Callable[..., Any] = torch.nn.utils.clip_grad_value_ if self._plan.clipping == "value" else torch.nn.utils.clip_grad_norm_
        clip(self._learner.parameters, limit)


@contextmanager
def _checkpointed(unet: Any) -> Iterator[None]:
    """Blocks are computed a second time on the way back instead of being remembered: a third of the memory."""
    unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        unet.disable_gradient_checkpointing()
