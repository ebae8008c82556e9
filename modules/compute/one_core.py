"""Small pictures of small models on the processor: each call on one core, and from the second one on only its bare steps.

PyTorch's threads share every single operation; where these are small they wait for each other longer than they compute, and ten times as long on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from modules.compute.hands import hands
from modules.compute.replay import Replays, cells_of
from modules.compute.steps import record_steps

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
        self._calls = Replays(
            model, plain_attention=plain_attention, own_way=lambda *_: None, record=record_steps, has_room=lambda cells: True, packages=packages, apart=on_one_core,
        )  # fmt: skip

    def asked(self, *, records: bool, compiles: bool, openvino: str = "") -> Callable[..., Any]:
        """What to call in the pass that begins now. Steps take no memory to speak of, whatever is wanted of the GPU's recordings."""
        self._calls.asked(records=True, compiles=False)
        return self

    def __call__(self, latent: Tensor, **named: Any) -> Any:
        is_little = latent.dim() == 4 and cells_of(latent) <= MOST_CELLS
        return self._calls(latent, **named) if is_little else self.model(latent, **named)

    def forget(self) -> None:
        """Give the memory of all recordings back."""
        self._calls.forget()


def on_one_core(task: Callable[[], Any]) -> Any:
    return hands().alone(task)
