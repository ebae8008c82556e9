"""What stands between A1111's CFGDenoiser and the model: k-diffusion's wrapper, or that of its timestep samplers.

Extensions replace its ``forward``, or ``sd_model.apply_model`` below it, to call the model in a way of their own (tile by tile, ...).
The engine asks ``prediction`` at each call; where nothing was replaced it calls the model itself. Extensions that want one more look
at the model (for a guidance of their own) call it too: inside of a call of ours it is that call's model, control units and all.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from modules.engine.noise_levels import Levels, noise_levels
from modules.engine.predictor import Predictor

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


@dataclass(frozen=True)
class Call:
    """The call under way. size: (rows, height, width) of its latents."""

    predictor: Predictor
    sigma: float
    size: tuple[int, ...]
    control: Any
    is_cond: Tensor | None


class InnerModel(torch.nn.Module):
    """Base of the four. inner_model: ``sd_model``."""

    inner_model: Any
    quantize = False

    def __init__(self, model: Any, *_: Any, **__: Any) -> None:
        super().__init__()
        self.__dict__["inner_model"], self.__dict__["call"] = model, None

    call: Call | None

    @property
    def sigmas(self) -> Tensor:
        """(1000,) rising."""
        alphas = self.inner_model.alphas_cumprod
        return ((1 - alphas) / alphas) ** 0.5

    @property
    def log_sigmas(self) -> Tensor:
        return self.sigmas.log()

    @property
    def sigma_min(self) -> Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        return self.sigmas[-1]

    @property
    def _levels(self) -> Levels:
        return noise_levels(self.inner_model.alphas_cumprod) if self.call is None else self.call.predictor.levels

    def sigma_to_t(self, sigma: Tensor, quantize: Any = None) -> Tensor:
        levels = self._levels
        return torch.tensor([levels.timestep(float(each)) for each in sigma.flatten()], device=sigma.device).view(sigma.shape)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        return self._levels.sigma_at(t).to(t.device)

    def get_sigmas(self, n: int | None = None) -> Tensor:
        """(n + 1,) falling, evenly apart in timesteps, 0 at the end; without n every trained one."""
        count = len(self.sigmas)
        falling = self.sigmas.flip(0) if n is None else self.t_to_sigma(torch.linspace(count - 1, 0, n, device=self.sigmas.device))
        return torch.cat([falling, falling.new_zeros(1)])

    def get_scalings(self, sigma: Tensor) -> tuple[Tensor, ...]:
        """What the model's answer and its input are multiplied by, (c_out, c_in); with (c_skip, ...) before it where it predicts the velocity."""
        root = (sigma**2 + 1) ** 0.5
        return (1 / root**2, -sigma / root, 1 / root) if getattr(self.inner_model, "parameterization", "eps") == "v" else (-sigma, 1 / root)

    @property
    def is_touched(self) -> bool:
        return "forward" in self.__dict__ or any(getattr(self, name) for name in _HOOKS) or apply_model_replaced(self.inner_model)

    def predicted(self, x: Tensor, sigma: float, cond: Any) -> Tensor:
        """x0 of latents, by the predictor of the call under way; by ``apply_model`` where that was replaced, or there is no such call."""
        now = self.call
        if now is None or apply_model_replaced(self.inner_model):
            timesteps = torch.full((len(x),), self._levels.timestep(sigma), device=x.device)
            predicts_v = getattr(self.inner_model, "parameterization", "eps") == "v" if now is None else now.predictor.predicts_v
            return _x0(x, self.inner_model.apply_model(x / math.sqrt(sigma**2 + 1), timesteps, cond=cond), sigma, predicts_v)
        context, vector, image = parts_of(cond)
        own_size = (len(x), *x.shape[-2:]) == now.size
        if image is not None and (image.shape[-2:] != x.shape[-2:] or now.predictor.unet.config.in_channels == x.shape[1]):
            image = None            # A1111 hands an empty one to models that take none
        marks = now.is_cond if own_size else None
        return now.predictor(x, sigma, context, vector=vector, image_cond=image, control=now.control if own_size else None, is_cond=marks)

    def exactly(self, sigma: float) -> float:
        """The sigma of the call under way where ``sigma`` is it, rounded by a tensor's number type."""
        now = self.call
        return now.sigma if now is not None and math.isclose(sigma, now.sigma, rel_tol=1e-3) else sigma

    def asked(self, x: Tensor, sigma: float, cond: dict[str, Any]) -> Tensor:
        """x0 of ``x``, by whatever stands here now."""
        raise NotImplementedError


class CompVisDenoiser(InnerModel):
    """forward(x, sigma, cond=...) -> x0."""

    def forward(self, input: Tensor, sigma: Tensor, cond: Any = None, **_: Any) -> Tensor:
        told = torch.as_tensor(sigma).flatten()
        levels = sorted(set(told.tolist()))
        if len(levels) == 1:
            return self.predicted(input, self.exactly(levels[0]), cond)
        found = torch.empty_like(input)
        for level in levels:
            rows = told == level
            found[rows] = self.predicted(input[rows], self.exactly(level), _rows(cond, rows))
        return found

    def asked(self, x: Tensor, sigma: float, cond: dict[str, Any]) -> Tensor:
        return self(x, torch.full((len(x),), sigma, device=x.device), cond=cond)


class CompVisVDenoiser(CompVisDenoiser):
    """The same for models that predict the velocity."""


class CompVisTimestepsDenoiser(InnerModel):
    """forward(x, timesteps, cond=...) -> noise; x is scaled to the model's own range."""

    def forward(self, input: Tensor, timesteps: Tensor, cond: Any = None, **_: Any) -> Tensor:
        sigma = self.exactly(float(self._levels.sigma_at(torch.as_tensor(timesteps).flatten()[:1].float().cpu())))
        x = input * math.sqrt(sigma**2 + 1)
        return (x - self.predicted(x, sigma, cond)) / sigma

    def asked(self, x: Tensor, sigma: float, cond: dict[str, Any]) -> Tensor:
        timesteps = torch.full((len(x),), self._levels.timestep(sigma), device=x.device)
        return x - sigma * self(x / math.sqrt(sigma**2 + 1), timesteps, cond=cond)


class CompVisTimestepsVDenoiser(CompVisTimestepsDenoiser):
    """The same for models that predict the velocity."""


class LevelsAlone(CompVisDenoiser):
    """The noise levels as schedules of extensions ask a model for them."""

    def __init__(self, model: Any, levels: Levels) -> None:
        super().__init__(model)
        self.__dict__["levels"] = levels

    @property
    def sigmas(self) -> Tensor:
        return self._levels.sigmas

    @property
    def _levels(self) -> Levels:
        found: Levels = self.__dict__["levels"]
        return found


@contextmanager
def calling(inner: InnerModel, call: Call) -> Iterator[None]:
    before = inner.call
    inner.__dict__["call"] = call
    try:
        yield
    finally:
        inner.__dict__["call"] = before


def prediction(inner: InnerModel, predictor: Predictor) -> Callable[..., Tensor]:
    """``predictor`` by way of ``inner``, in the form in which the engine calls it."""

    def predicted(
        x: Tensor, sigma: float, context: Tensor, *, vector: Tensor | None = None, image_cond: Tensor | None = None, control: Any = None, is_cond: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        image = x.new_zeros(len(x), 5, 1, 1) if image_cond is None else image_cond
        cond: dict[str, Any] = {"c_crossattn": [context], "c_concat": [image]} if vector is None else {"crossattn": context, "vector": vector, "c_concat": [image]}
        with calling(inner, Call(predictor, sigma, (len(x), *x.shape[-2:]), control, is_cond)):
            found = inner.asked(x, sigma, cond)
        if not isinstance(found, Tensor) or found.shape != x.shape:
            raise ValueError("it gave no latents of the batch's shape")
        return found

    return predicted


def parts_of(cond: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """(text, vector, picture) of A1111's cond dicts; a tensor or a list is the text alone."""
    if not isinstance(cond, dict):
        return _tensor(cond), None, None
    context = _tensor(cond["crossattn"] if "crossattn" in cond else cond["c_crossattn"])
    vector = cond.get("vector", cond.get("c_adm"))
    image = cond.get("c_concat")
    return context, None if vector is None else _tensor(vector), None if not image and not isinstance(image, Tensor) else _tensor(image)


def apply_model_replaced(model: Any) -> bool:
    """Whether somebody put an ``apply_model`` of their own on ``sd_model``."""
    found = getattr(model, "__dict__", {}).get("apply_model")
    return found is not None and getattr(found, "__func__", None) is not type(model).apply_model


def _tensor(value: Any) -> Tensor:
    """A list joined; of lists too: A1111 never opens the c_concat of a model that reads no picture, so that extensions hand over [[picture]]."""
    return torch.cat([_tensor(each) for each in value], 1) if isinstance(value, list | tuple) else value


def _rows(cond: Any, rows: Tensor) -> Any:
    """The chosen rows of A1111's cond dicts."""
    if isinstance(cond, dict):
        return {key: _rows(value, rows) for key, value in cond.items()}
    return [_rows(each, rows) for each in cond] if isinstance(cond, list | tuple) else cond[rows]


def _x0(x: Tensor, output: Tensor, sigma: float, predicts_v: bool) -> Tensor:
    if not predicts_v:
        return x - sigma * output
    root = math.sqrt(sigma**2 + 1)
    return x / root**2 - output * (sigma / root)
