"""The one place that calls the UNet: noisy latents of one sigma in, predicted clean latents out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from modules.engine.control import Control, Evaluation
from modules.engine.image_prompt import ImagePromptUnit, image_prompted
from modules.engine.noise_levels import NoiseLevels
from modules.engine.reference import ReferenceUnit, referring

LCM_STRIDE = 20                                     # LCM was distilled on every 20th timestep
_LCM_SIGMA_DATA = 0.5
_LCM_TIMESTEP_SCALE = 10.0


def added_conditions(vector: Tensor | None) -> dict[str, Tensor] | None:
    """``vector`` as diffusers' UNet takes it. That joins the two and embeds the second; ours is joined and embedded already (see loading/unet)."""
    return None if vector is None else {"text_embeds": vector[:, :0], "time_ids": vector}


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Calls ``unet`` (or ``call`` in its place) and turns what it predicts into x0.

    predicts_v: the output is the velocity of Salimans & Ho 2022; otherwise it is the noise.
    whole_timesteps: a velocity is read as one of the timestep below; A1111's UniPC, which asks between timesteps, does so.
    lcm: latent consistency models pull x0 towards the input at low timesteps.
    compute_dtype: what the model runs in; latents go in and come out as float32.
    """

    unet: Any
    levels: NoiseLevels
    compute_dtype: torch.dtype
    predicts_v: bool = False
    whole_timesteps: bool = False
    lcm: bool = False
    call: Callable[..., Any] | None = None

    def __call__(
        self, x: Tensor, sigma: float, context: Tensor, *, vector: Tensor | None = None, image_cond: Tensor | None = None,
        control: Control | None = None, is_cond: Tensor | None = None,
    ) -> Tensor:
        """x: (R, C, h, w) of standard deviation sqrt(sigma^2 + 1). context: (R, T, width). vector: (R, V), SDXL's. Returns x0, float32.

        is_cond: (R, 1, 1, 1), which rows have the prompt; ``control`` asks.
        """
        timestep = self.levels.timestep(sigma)
        shrink = 1 / math.sqrt(sigma**2 + 1)
        scaled = x * shrink
        output = self._call_unet(scaled, timestep, context, vector, image_cond, control, is_cond)
        if self.predicts_v:
            known = float(self.levels.sigmas[int(timestep)]) if self.whole_timesteps else sigma
            root = math.sqrt(known**2 + 1)
            denoised = x.mul(1 - sigma * known / root * shrink).sub_(output, alpha=sigma / root)
        else:
            denoised = torch.sub(x, output, alpha=sigma)
        return self._towards_input(denoised, x, timestep) if self.lcm else denoised

    def _call_unet(
        self, latent: Tensor, timestep: float, context: Tensor, vector: Tensor | None, image_cond: Tensor | None,
        control: Control | None, is_cond: Tensor | None,
    ) -> Tensor:
        x = latent if image_cond is None else torch.cat([latent, image_cond.to(latent.dtype)], dim=1)
        timesteps = torch.full((x.shape[0],), timestep, device=x.device, dtype=torch.float32)
        added = added_conditions(vector)
        call, evaluate = None, self.call or self.unet
        if control is not None:
            level = float(self.levels.sigma_at(torch.tensor([round(timestep)])))
            marks = torch.ones(len(x), 1, 1, 1, device=x.device) if is_cond is None else is_cond
            call = Evaluation(x=x.to(self.compute_dtype), timesteps=timesteps, context=context, vector=vector, is_cond=marks, sigma=level)
        extra: dict[str, Any] = {}
        if control is not None and call is not None:
            call = control.told(call)
            context, extra = call.context, control.unet_arguments(call)
            added = added if call.vector is None else {"text_embeds": call.vector[:, :0], "time_ids": call.vector}
        inputs = {
            "timestep": timesteps, "encoder_hidden_states": context.to(self.compute_dtype), "added_cond_kwargs": added, "return_dict": False,
        }  # fmt: skip
        if control is None or call is None:
            (output,) = evaluate(x.to(self.compute_dtype), **inputs)
        else:
            with self._shown(control, call, inputs):
                (output,) = evaluate(control.model_input(x).to(self.compute_dtype), **inputs, **extra)
        output = output.float()
        if control is None or call is None or not control.corrects:
            return output
        root = math.sqrt(1 + call.sigma**2)
        scale = call.sigma / root if self.predicts_v else call.sigma
        clean = latent / root if self.predicts_v else latent * root      # x0 = clean - scale * output
        return (clean - control.corrected(call, clean - output * scale)) / scale

    @contextmanager
    def _shown(self, control: Control, call: Evaluation, inputs: dict[str, Any]) -> Iterator[None]:
        """While the UNet draws with pictures before its eyes."""
        prompts = [unit for unit in control.units if isinstance(unit, ImagePromptUnit)]
        references = [unit for unit in control.units if isinstance(unit, ReferenceUnit)]
        with ExitStack() as stack:
            if prompts:
                stack.enter_context(image_prompted(prompts, call))
            if references:
                stack.enter_context(referring(self.unet, references, replace(call, x=control.model_input(call.x)), **inputs))
            yield

    @staticmethod
    def _towards_input(denoised: Tensor, x: Tensor, timestep: float) -> Tensor:
        """Source: Luo et al. 2023, "Latent Consistency Models" (arXiv:2310.04378), boundary condition."""
        scaled = timestep * _LCM_TIMESTEP_SCALE
        keep = _LCM_SIGMA_DATA**2 / (scaled**2 + _LCM_SIGMA_DATA**2)
        return denoised * (scaled / math.sqrt(scaled**2 + _LCM_SIGMA_DATA**2)) + x * keep
