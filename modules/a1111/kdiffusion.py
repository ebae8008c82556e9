"""A1111's sampler objects: ``CFGDenoiser`` and ``KDiffusionSampler``, made for each pass and kept in ``p.sampler``.

The engine's own denoiser does the work and asks here (``live_sampler.py``): a replaced or overridden ``combine_denoised``,
``forward`` or ``callback_state`` takes effect.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.inner_model import CompVisDenoiser, CompVisTimestepsDenoiser, CompVisTimestepsVDenoiser, CompVisVDenoiser, InnerModel
from modules.a1111.kdiffusion_names import BrownianTreeNoiseSampler
from modules.a1111.running import by_hand
from modules.engine.sampler_contract import Denoise


class CFGDenoiser(torch.nn.Module):
    """The denoiser as callbacks see it in ``params.denoiser``. denoise: the engine's, (x, sigma) -> x0, while a pass runs."""

    def __init__(self, sampler: Any) -> None:
        super().__init__()
        self.model_wrap: Any = None
        self.mask = None
        self.nmask = None
        self.init_latent = None
        self.steps: int | None = None
        self.total_steps: int | None = None
        self.step = 0
        self.image_cfg_scale: float | None = None
        self.padded_cond_uncond = False
        self.padded_cond_uncond_v0 = False
        self.sampler = sampler
        self.model_wrap_cfg = self
        self.p: Any = None
        self.cond_scale_miltiplier = 1.0
        self.need_last_noise_uncond = False
        self.last_noise_uncond = None
        self.mask_before_denoising = False
        self.denoise: Denoise | None = None

    kinds: tuple[type[InnerModel], type[InnerModel]] = (CompVisDenoiser, CompVisVDenoiser)

    @property
    def inner_model(self) -> Any:
        """The wrapper around the model; made when first asked for."""
        if self.model_wrap is None and (model := getattr(self.p, "sd_model", None) or getattr(self.sampler, "sd_model", None)) is not None:
            self.model_wrap = self.kinds[getattr(model, "parameterization", "eps") == "v"](model)
        return self.model_wrap

    def forward(self, x: Tensor, sigma: Tensor, uncond: Any = None, cond: Any = None, cond_scale: Any = None, s_min_uncond: Any = None, image_cond: Any = None) -> Tensor:
        """x0 after guidance. x: (B, C, h, w); sigma: (B,), all alike. What else A1111 hands over is known to the engine already."""
        if self.denoise is None:
            raise RuntimeError("CFGDenoiser can be called only while a picture is being sampled.")
        level = float(torch.as_tensor(sigma).flatten()[0])
        if not self.need_last_noise_uncond:
            return self.denoise(x, level)
        denoised, self.last_noise_uncond = self.denoise.with_uncond(x, level)
        return denoised

    def combine_denoised(self, x_out: Tensor, conds_list: Any, uncond: Any, cond_scale: float) -> Tensor:
        """x0 of cond rows (AND parts weighted) moved away from the uncond rows at the end of ``x_out``."""
        count = len(conds_list)
        uncond_rows = x_out[-count:]
        denoised = torch.clone(uncond_rows)
        for image, parts in enumerate(conds_list):
            for row, weight in parts:
                denoised[image] += (x_out[row] - uncond_rows[image]) * (weight * cond_scale)
        return denoised

    def combine_denoised_for_edit_model(self, x_out: Tensor, cond_scale: float) -> Tensor:
        """Rows with prompt and picture, with the picture, with neither. Source: Brooks et al. 2023 (arXiv:2211.09800), equation 3."""
        prompt, picture, nothing = x_out.chunk(3)
        return nothing + cond_scale * (prompt - picture) + (self.image_cfg_scale or 0.0) * (picture - nothing)

    def get_pred_x0(self, x_in: Tensor, x_out: Tensor, sigma: Tensor) -> Tensor:
        return x_out

    def pad_cond_uncond(self, cond: Any, uncond: Any) -> tuple[Any, Any]:
        """The shorter of two prompts followed by empty ones, up to the length of the other."""
        empty = self.inner_model.inner_model.cond_stage_model_empty_prompt
        missing = (cond.shape[1] - uncond.shape[1]) // empty.shape[1]
        self.padded_cond_uncond = self.padded_cond_uncond or missing != 0
        return (_longer(cond, -missing, empty), uncond) if missing < 0 else (cond, _longer(uncond, missing, empty))

    def pad_cond_uncond_v0(self, cond: Any, uncond: Any) -> tuple[Any, Any]:
        """The negative prompt cut to the length of the prompt, or its last token repeated up to it."""
        text = uncond["crossattn"] if isinstance(uncond, dict) else uncond
        missing = cond.shape[1] - text.shape[1]
        if missing:
            self.padded_cond_uncond_v0 = True
            text = torch.hstack([text, text[:, -1:].repeat(1, missing, 1)]) if missing > 0 else text[:, :missing]
        if isinstance(uncond, dict):
            uncond["crossattn"] = text
        return cond, uncond if isinstance(uncond, dict) else text

    def update_inner_model(self) -> None:
        self.model_wrap = None


def _longer(cond: Any, count: int, empty: Tensor) -> Any:
    """``cond`` followed by ``count`` empty prompts."""
    if isinstance(cond, dict):
        cond["crossattn"] = _longer(cond["crossattn"], count, empty)
        return cond
    return torch.cat([cond, empty.repeat(cond.shape[0], count, 1)], dim=1) if count else cond


class CFGDenoiserKDiffusion(CFGDenoiser):
    """A1111's name for the denoiser of k-diffusion's samplers."""


class CFGDenoiserTimesteps(CFGDenoiser):
    """A1111's name for the denoiser of its timestep samplers. Latents come in the model's own range, with timesteps, and noise goes out."""

    kinds = (CompVisTimestepsDenoiser, CompVisTimestepsVDenoiser)
    _asked: tuple[float, float] | None = None       # (timestep, sigma) of the call under way: a timestep is rounded

    def __init__(self, sampler: Any) -> None:
        super().__init__(sampler)
        self.mask_before_denoising = True

    @property
    def alphas(self) -> Any:
        return getattr(self.inner_model.inner_model, "alphas_cumprod", None)

    def in_its_form(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """What ``forward`` is handed for latents of ``sigma``."""
        timesteps = self.inner_model.sigma_to_t(torch.full((len(x),), sigma, device=x.device))
        self._asked = float(timesteps[0]), sigma
        return x / math.sqrt(sigma**2 + 1), timesteps

    def forward(self, x: Tensor, sigma: Tensor, uncond: Any = None, cond: Any = None, cond_scale: Any = None, s_min_uncond: Any = None, image_cond: Any = None) -> Tensor:
        timestep = float(torch.as_tensor(sigma).flatten()[0])
        asked = self._asked if self._asked is not None and abs(self._asked[0] - timestep) < 1e-3 else None
        level = float(self.inner_model.t_to_sigma(torch.tensor([timestep]))) if asked is None else asked[1]
        own = x * math.sqrt(level**2 + 1)
        noise = (own - super().forward(own, torch.tensor([level], dtype=torch.float64))) / level
        if self.last_noise_uncond is not None:
            self.last_noise_uncond = (own - self.last_noise_uncond) / level
        return noise

    def get_pred_x0(self, x_in: Tensor, x_out: Tensor, sigma: Tensor) -> Tensor:
        known = self.alphas.to(x_in.device)[sigma.to(dtype=torch.int)][:, None, None, None]
        return (x_in - (1 - known).sqrt() * x_out) / known.sqrt()


class Sampler:
    """What ``p.sampler`` is to extensions. funcname: the sampler's name, k-diffusion's name of it, or a function of k-diffusion's form."""

    def __init__(self, funcname: Any) -> None:
        self.funcname = funcname
        self.func = funcname
        self.extra_params: list[str] = []
        self.sampler_noises = None
        self.stop_at = None
        self.eta: float | None = None
        self.config: Any = None
        self.last_latent: Any = None
        self.s_min_uncond = None
        self.s_churn = 0.0
        self.s_tmin = 0.0
        self.s_tmax = float("inf")
        self.s_noise = 1.0
        self.eta_option_field = "eta_ancestral"
        self.eta_infotext_field = "Eta"
        self.eta_default = 1.0
        self.conditioning_key = "crossattn"
        self.p: Any = None
        self.model_wrap_cfg: Any = None
        self.sampler_extra_args: Any = None
        self.options: dict[str, Any] = {}

    sd_model: Any = None
    own_wrap: Any = None        # what a sampler of an extension's own made in its ``__init__``

    @property
    def model_wrap(self) -> Any:
        return self.model_wrap_cfg.inner_model if self.own_wrap is None else self.own_wrap

    @model_wrap.setter
    def model_wrap(self, wrap: Any) -> None:
        self.own_wrap = wrap

    def callback_state(self, d: dict[str, Any]) -> None:
        """After each step: x, i, sigma, sigma_hat, denoised; what is changed in place counts."""

    def initialize(self, p: Any) -> dict[str, Any]:
        self.p = p
        return {}

    def number_of_needed_noises(self, p: Any) -> int:
        return int(p.steps)

    def create_noise_sampler(self, x: Tensor, sigmas: Tensor, p: Any) -> Any:
        """For the SDE samplers: along the path of each picture's seed, so that a batch's pictures are those that are made alone."""
        if current().settings.get("no_dpmpp_sde_batch_determinism"):
            return None
        positive, first = sigmas[sigmas > 0], int(p.iteration) * int(p.batch_size)
        return BrownianTreeNoiseSampler(x, positive.min(), sigmas.max(), seed=list(p.all_seeds[first : first + int(p.batch_size)]))

    def add_infotext(self, p: Any) -> None:
        """That prompts were padded."""
        for attribute, key in (("padded_cond_uncond", "Pad conds"), ("padded_cond_uncond_v0", "Pad conds v0")):
            if getattr(self.model_wrap_cfg, attribute):
                p.extra_generation_params[key] = True

    def launch_sampling(self, steps: int, func: Callable[[], Any]) -> Any:
        """What ``func`` gives, the model being ready for ``model_wrap_cfg`` while it runs. last_latent and sampler_extra_args are set by then."""
        return func() if self.model_wrap_cfg.denoise is not None else by_hand(self.p).launched(self, int(steps), func)

    def get_sigmas(self, p: Any, steps: int) -> Any:
        """(steps + 1,) of the schedule that ``p`` names."""
        return by_hand(p).sigmas(p, self, int(steps))

    def sample(self, p: Any, x: Any, conditioning: Any, unconditional_conditioning: Any, steps: Any = None, image_conditioning: Any = None) -> Any:
        """From noise (B, C, h, w) of standard deviation 1 to latents, while ``p`` makes its pictures."""
        return by_hand(p).by_sampler(p, self, x, None, conditioning, unconditional_conditioning, steps, image_conditioning)

    def sample_img2img(
        self, p: Any, x: Any, noise: Any, conditioning: Any, unconditional_conditioning: Any, steps: Any = None, image_conditioning: Any = None,
    ) -> Any:  # fmt: skip
        """From latents ``x``, taken back into noise as far as ``p.denoising_strength`` says."""
        return by_hand(p).by_sampler(p, self, x, noise, conditioning, unconditional_conditioning, steps, image_conditioning)


class KDiffusionSampler(Sampler):
    """A1111's wrapper of a k-diffusion sampler."""

    def __init__(self, funcname: Any, sd_model: Any = None, options: Any = None) -> None:
        super().__init__(funcname)
        self.options = options or {}
        self.sd_model = sd_model
        self.model_wrap_cfg = CFGDenoiserKDiffusion(self)


class CompVisSampler(Sampler):
    """A1111's wrapper of its timestep samplers."""

    def __init__(self, funcname: Any, sd_model: Any = None) -> None:
        super().__init__(funcname)
        self.eta_option_field, self.eta_infotext_field, self.eta_default = "eta_ddim", "Eta DDIM", 0.0
        self.sd_model = sd_model
        self.model_wrap_cfg = CFGDenoiserTimesteps(self)

    def get_timesteps(self, p: Any, steps: int) -> Tensor:
        """(steps,) rising, evenly apart."""
        return torch.clip(torch.arange(0, 1000, 1000 // steps) + 1, 0, 999)
