"""k_diffusion.sampling, as far as extensions' own samplers call it: schedules by their formulas, steps' arithmetic, and the engine's samplers in its form."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import trange

from modules.a1111.ldm_names import append_dims
from modules.a1111.stubs import is_stub
from modules.engine.brownian import BrownianNoise
from modules.engine.sampler_contract import SamplerSpec, StepInfo, Tuning
from modules.engine.sampler_registry import find_sampler
from modules.engine.schedules import karras_sigmas, polyexponential_sigmas

NAMES = {
    "sample_euler": "Euler", "sample_euler_ancestral": "Euler a", "sample_heun": "Heun", "sample_lms": "LMS", "sample_dpm_2": "DPM2",
    "sample_dpm_2_ancestral": "DPM2 a", "sample_dpmpp_2s_ancestral": "DPM++ 2S a", "sample_dpmpp_sde": "DPM++ SDE", "sample_dpmpp_2m": "DPM++ 2M",
    "sample_dpmpp_2m_sde": "DPM++ 2M SDE", "sample_dpmpp_3m_sde": "DPM++ 3M SDE",
}  # fmt: skip


def _here(device: Any) -> Any:
    """The device, where this machine has it: extensions name CUDA without asking."""
    return "cpu" if torch.device(device).type == "cuda" and not torch.cuda.is_available() else device


def append_zero(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(1)])


def get_sigmas_karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0, device: Any = "cpu") -> Tensor:
    """(n + 1,) falling, 0 at the end."""
    return karras_sigmas(n, float(sigma_min), float(sigma_max), rho).to(_here(device))


def get_sigmas_exponential(n: int, sigma_min: float, sigma_max: float, device: Any = "cpu") -> Tensor:
    return get_sigmas_polyexponential(n, sigma_min, sigma_max, 1.0, device)


def get_sigmas_polyexponential(n: int, sigma_min: float, sigma_max: float, rho: float = 1.0, device: Any = "cpu") -> Tensor:
    return polyexponential_sigmas(n, float(sigma_min), float(sigma_max), rho).to(_here(device))


def get_sigmas_vp(n: int, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3, device: Any = "cpu") -> Tensor:
    """Of a variance preserving process. Source: Song et al. 2021 (arXiv:2011.13456)."""
    t = torch.linspace(1, eps_s, n, device=_here(device))
    return append_zero(torch.sqrt(torch.exp(beta_d * t**2 / 2 + beta_min * t) - 1))


def to_d(x: Tensor, sigma: Any, denoised: Tensor) -> Tensor:
    """dx / dsigma."""
    return (x - denoised) / append_dims(torch.as_tensor(sigma, device=x.device), x.ndim)


def get_ancestral_step(sigma_from: Any, sigma_to: Any, eta: float = 1.0) -> tuple[Any, Any]:
    """(the sigma to step down to, the sigma of the noise that is added then)."""
    if not eta:
        return sigma_to, 0.0
    up = min(sigma_to, eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5)
    return (sigma_to**2 - up**2) ** 0.5, up


class TorchForSampling:
    """``k_diffusion.sampling.torch``: torch, with a ``randn_like`` that gives the pass's noise by its seeds while there is one, as A1111's."""

    def __init__(self) -> None:
        self.noise: Callable[[], Tensor] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def randn_like(self, x: Tensor, **named: Any) -> Tensor:
        found = None if self.noise is None else self.noise()
        return found.to(x) if found is not None and found.shape == x.shape else torch.randn_like(x, **named)

    @contextmanager
    def seeded(self, noise: Callable[[], Tensor] | None) -> Iterator[None]:
        before, self.noise = self.noise, noise
        try:
            yield
        finally:
            self.noise = before


in_sampling = TorchForSampling()


def default_noise_sampler(x: Tensor) -> Callable[[Any, Any], Tensor]:
    return lambda sigma, sigma_next: in_sampling.randn_like(x)


class BrownianTreeNoiseSampler:
    """(sigma, sigma_next) -> noise like ``x``, the same for the same two. seed: one number, or one for each image."""

    def __init__(self, x: Tensor, sigma_min: Any, sigma_max: Any, seed: Any = None, transform: Callable[[Any], Any] = lambda value: value, cpu: bool = False) -> None:
        self._transform, self._like = transform, x
        self._is_whole = not isinstance(seed, list | tuple)
        seeds: Sequence[int] = [random.getrandbits(32) if seed is None else int(seed)] if self._is_whole else [int(each) for each in seed]
        shape = x.shape if self._is_whole else x.shape[1:]
        low, high = (float(transform(torch.as_tensor(each))) for each in (sigma_min, sigma_max))
        self.tree = BrownianNoise(
            shape=shape, sigma_min=low, sigma_max=high, seeds=seeds, randn=lambda seed, shape: torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)))

    def __call__(self, sigma: Any, sigma_next: Any) -> Tensor:
        low, high = (float(self._transform(torch.as_tensor(each))) for each in (sigma, sigma_next))
        found = self.tree(low, high)
        return (found[0] if self._is_whole else found).to(self._like)


class _Denoise:
    """The engine's form of ``model(x, sigma, **extra_args)``."""

    def __init__(self, model: Any, extra_args: dict[str, Any]) -> None:
        self._model, self._extra = model, extra_args

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return self._model(x, x.new_full((len(x),), sigma), **self._extra)

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("k-diffusion's samplers know nothing of the prediction without the prompt.")


def _in_its_form(name: str, spec: SamplerSpec) -> Callable[..., Tensor]:
    def sample(
        model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, callback: Any = None, disable: Any = None, eta: float = 1.0, s_churn: float = 0.0,
        s_tmin: float = 0.0, s_tmax: float = float("inf"), s_noise: float = 1.0, noise_sampler: Any = None, **_more: Any,
    ) -> Tensor:  # fmt: skip
        """x at the first of ``sigmas`` -> x at the last."""
        positive = sigmas[sigmas > 0]
        if noise_sampler is None and spec.brownian and len(positive):
            noise_sampler = BrownianTreeNoiseSampler(x, positive.min(), positive.max())
        noise = noise_sampler or default_noise_sampler(x)

        def told(step: StepInfo) -> None:
            if callback is not None:
                sigma = x.new_tensor(step.sigma)
                hat = sigma if step.sigma_hat is None else x.new_tensor(step.sigma_hat)
                callback({"x": step.denoised if step.x is None else step.x, "i": step.index, "sigma": sigma, "sigma_hat": hat, "denoised": step.denoised})

        with torch.no_grad():
            return spec.function(
                _Denoise(model, extra_args or {}), x, sigmas, noise=lambda sigma, sigma_next: noise(x.new_tensor(sigma), x.new_tensor(sigma_next)), on_step=told,
                tuning=Tuning(eta=eta, s_churn=s_churn, s_tmin=s_tmin, s_tmax=s_tmax, s_noise=s_noise))

    sample.__name__ = sample.__qualname__ = name
    return sample


restart_sampler, sample_lcm = _in_its_form("restart_sampler", find_sampler("Restart")), _in_its_form("sample_lcm", find_sampler("LCM"))
SAMPLERS = {name: _in_its_form(name, find_sampler(own)) for name, own in NAMES.items()}
SAMPLING: dict[str, Any] = {
    **SAMPLERS, "torch": in_sampling, "trange": trange, "append_zero": append_zero, "get_sigmas_karras": get_sigmas_karras, "get_sigmas_exponential": get_sigmas_exponential,
    "get_sigmas_polyexponential": get_sigmas_polyexponential, "get_sigmas_vp": get_sigmas_vp, "to_d": to_d, "get_ancestral_step": get_ancestral_step,
    "default_noise_sampler": default_noise_sampler, "BrownianTreeNoiseSampler": BrownianTreeNoiseSampler,
}  # fmt: skip


# what each is asked for beside its sigmas, in A1111's table
EXTRA_PARAMS: dict[str, list[str]] = {
    **{name: ["s_churn", "s_tmin", "s_tmax", "s_noise"] for name in ("sample_euler", "sample_heun", "sample_dpm_2")},
    **{name: ["s_noise"] for name in ("sample_dpm_fast", "sample_dpm_2_ancestral", "sample_dpmpp_2s_ancestral", "sample_dpmpp_sde", "sample_dpmpp_2m_sde", "sample_dpmpp_3m_sde")},
}


def put_in_its_place(func: Any) -> Callable[..., Any] | None:
    """What an extension put into ``k_diffusion.sampling`` for a sampler, known there or new; None for the house's own. func: a name, the engine's or k-diffusion's."""
    name = next((name for name, own in NAMES.items() if own == func), func)
    if not isinstance(name, str) or not name.startswith("sample_"):
        return None
    found = vars(sys.modules["k_diffusion.sampling"]).get(name) if "k_diffusion.sampling" in sys.modules else None
    return found if callable(found) and found is not SAMPLERS.get(name) and not is_stub(found) else None


def engine_name(function: Any) -> str | None:
    """The engine's name of one of the samplers above."""
    return NAMES.get(getattr(function, "__name__", "")) if any(function is each for each in SAMPLERS.values()) else None
