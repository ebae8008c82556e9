"""Small pictures of small models on the processor: each call on one core.

PyTorch's threads share every single operation; where these are small they wait for each other longer than they compute, and ten times as long on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from modules.compute.hands import hands
from modules.compute.hooked import is_free
from modules.compute.replay import State, is_work_of, state_of

MOST_BYTES = 64 * 2**20                             # of weights
MOST_CELLS = 500                                    # of all latents in a call: with more, an operation is worth sharing


def is_small(model: nn.Module) -> bool:
    """Whether ``OneCore`` is for it: a few weights, in float32 on the processor."""
    weights = list(model.parameters())
    is_plain = all(each.dtype is torch.float32 and each.device.type == "cpu" for each in weights)
    return is_plain and 0 < sum(each.nbytes for each in weights) <= MOST_BYTES


class OneCore:
    """Calls ``model``, a UNet that ``is_small``. Whoever listens at it, or changed how it works, is called in the thread of the job, as if this were not there.

    plain_attention, packages: see ``Replays``.
    """

    def __init__(self, model: nn.Module, *, plain_attention: tuple[type, ...], packages: tuple[str, ...] = ("torch", "diffusers", "modules")) -> None:
        self.model = model
        self._plain_attention, self._packages = plain_attention, packages
        self._own_work: State | None = None

    def asked(self, *, records: bool, compiles: bool) -> Callable[..., Any]:
        """What to call in the pass that begins now. Nothing is recorded or compiled on the processor."""
        return self

    def __call__(self, latent: Tensor, **named: Any) -> Any:
        if latent.dim() != 4 or len(latent) * latent.shape[-2] * latent.shape[-1] > MOST_CELLS or not self._is_plain():
            return self.model(latent, **named)
        return hands().alone(partial(self.model, latent, **named))

    def forget(self) -> None:
        """There is nothing to give back."""

    def _is_plain(self) -> bool:
        """Whether the model does what it was made to do, and nobody asks for gradients."""
        if not is_free(self.model) or torch.is_grad_enabled() or torch.is_autocast_enabled():
            return False
        state = state_of(self.model, self._plain_attention)
        if state is not None and state != self._own_work:
            self._own_work = state if is_work_of(self.model, self._packages) else None
        return state is not None and self._own_work is not None
