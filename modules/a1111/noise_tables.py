"""The numbers of CompVis' models about their noise and latents, as extensions read them from ``sd_model`` for samplers and noise of their own."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from modules.loading.components import Components


class NoiseTables:
    """Tables are (1000,) float32, on the processor. A schedule that is put into ``alphas_cumprod`` holds until the next run begins, as in A1111."""

    first_stage_key = "jpg"
    v_posterior = 0.0

    @property
    @abstractmethod
    def components(self) -> Components:
        """The parts of the checkpoint."""

    @property
    def alphas_cumprod(self) -> Tensor:
        return self.components.alphas_cumprod

    @alphas_cumprod.setter
    def alphas_cumprod(self, values: Tensor) -> None:
        own = self.components.alphas_cumprod
        if self._kept is None or self._kept[0] is not own:
            self.as_loaded()
            self.__dict__["_schedule_kept"] = own, own.clone()
        own.copy_(torch.as_tensor(values).detach().reshape(own.shape))      # in place: the engine reads this one at each pass

    @property
    def _kept(self) -> tuple[Tensor, Tensor] | None:
        return self.__dict__.get("_schedule_kept")

    def as_loaded(self) -> None:
        """A run begins: the schedule is the checkpoint's again."""
        if self._kept is not None:
            changed, original = self._kept
            changed.copy_(original)
            self.__dict__["_schedule_kept"] = None

    @property
    def alphas_cumprod_original(self) -> Tensor:
        own = self.alphas_cumprod
        return self._kept[1] if self._kept is not None and self._kept[0] is own else own

    @property
    def alphas_cumprod_prev(self) -> Tensor:
        alphas = self.alphas_cumprod
        return torch.cat([alphas.new_ones(1), alphas[:-1]])

    @property
    def betas(self) -> Tensor:
        return 1 - self.alphas_cumprod / self.alphas_cumprod_prev

    @property
    def sqrt_alphas_cumprod(self) -> Tensor:
        return self.alphas_cumprod.sqrt()

    @property
    def sqrt_one_minus_alphas_cumprod(self) -> Tensor:
        return (1 - self.alphas_cumprod).sqrt()

    @property
    def sqrt_recip_alphas_cumprod(self) -> Tensor:
        return self.alphas_cumprod.rsqrt()

    @property
    def sqrt_recipm1_alphas_cumprod(self) -> Tensor:
        return (1 / self.alphas_cumprod - 1).sqrt()

    @property
    def num_timesteps(self) -> int:
        return len(self.alphas_cumprod)

    @property
    def linear_start(self) -> float:
        return float(self.betas[0])

    @property
    def linear_end(self) -> float:
        return float(self.betas[-1])

    @property
    def scale_factor(self) -> float:
        """What latents are multiplied by when they were encoded."""
        return float(self.components.family.latent.scale)

    @property
    def channels(self) -> int:
        """Of a latent."""
        return int(self.components.family.latent.channels)

    latent_channels = channels
