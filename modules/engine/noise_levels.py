"""The noise levels that a model was trained on, and the way between a sigma and a timestep.

Sigmas between two trained ones are joined by a straight line in log sigma, in float32: A1111's pictures depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from modules.loading.components import with_zero_terminal_snr


class Levels(Protocol):
    """The noise levels of any kind of model, rising, and the way between a sigma and a timestep."""

    @property
    def sigmas(self) -> Tensor: ...
    @property
    def stride(self) -> int: ...
    @property
    def sigma_min(self) -> float: ...
    @property
    def sigma_max(self) -> float: ...
    def __len__(self) -> int: ...
    def timestep(self, sigma: float) -> float: ...
    def sigma_at(self, timesteps: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class NoiseLevels:
    """sigmas: float32 on the CPU, rising. Timestep of entry i is ``i * stride + stride - 1`` (stride 1: i).

    quantize: timesteps are rounded to trained ones (A1111's "Enable quantization").
    """

    sigmas: Tensor
    log_sigmas: Tensor
    stride: int = 1
    quantize: bool = False

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def __len__(self) -> int:
        return len(self.sigmas)

    def timestep(self, sigma: float) -> float:
        """The timestep, 0 .. 999 and fractions between, at which the model is asked about this sigma."""
        log_sigma = torch.tensor(sigma, dtype=torch.float32).log()
        if self.quantize or self.stride > 1:
            nearest = int((log_sigma - self.log_sigmas).abs().argmin())
            return float(nearest * self.stride + self.stride - 1)
        low = int(torch.searchsorted(self.log_sigmas, log_sigma, right=True)) - 1
        low = min(max(low, 0), len(self) - 2)
        low_log, high_log = self.log_sigmas[low], self.log_sigmas[low + 1]
        weight = ((low_log - log_sigma) / (low_log - high_log)).clamp(0, 1)
        return float((1 - weight) * low + weight * (low + 1))

    def sigma_at(self, timesteps: Tensor) -> Tensor:
        """The sigmas of (possibly fractional) timesteps."""
        place = timesteps.float()
        if self.stride > 1:
            place = ((place - (self.stride - 1)) / self.stride).clamp(0, len(self) - 1)
        low, high, weight = place.floor().long(), place.ceil().long(), place.frac()
        return ((1 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()


def noise_levels(alphas_cumprod: Tensor, *, quantize: bool = False, stride: int = 1) -> NoiseLevels:
    """Levels of a model with this ``alphas_cumprod`` (N,); a stride above 1 keeps each stride-th, counted from the last."""
    alphas = alphas_cumprod.detach().to("cpu", torch.float32)[stride - 1 :: stride]
    sigmas = ((1 - alphas) / alphas) ** 0.5
    return NoiseLevels(sigmas=sigmas, log_sigmas=sigmas.log(), stride=stride, quantize=quantize)


def adjusted_alphas(alphas_cumprod: Tensor, *, downcast: bool, zero_terminal_snr: bool) -> Tensor:
    """The alphas with A1111's two options applied: rounded to half precision; stretched so that the last step is pure noise."""
    alphas = alphas_cumprod.detach().to("cpu", torch.float32)
    if downcast:
        alphas = alphas.half().float()
    return with_zero_terminal_snr(alphas) if zero_terminal_snr else alphas
