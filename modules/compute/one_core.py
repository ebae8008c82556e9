"""Small pictures of small models on the processor: each call on one core, and from a UNet's second one on only its bare steps.

PyTorch's threads share every single operation; where these are small they wait for each other longer than they compute, and ten times as long on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from modules.compute.hands import hands
from modules.compute.model_state import is_left_alone, is_work_of
from modules.compute.replay import Replays, cells_of
from modules.compute.steps import record_steps

Result = TypeVar("Result")

PACKAGES = ("torch", "diffusers", "modules")        # whose classes may be called in another thread than the job's
MOST_BYTES = 64 * 2**20                             # of weights
MOST_CELLS = 500                                    # of all latents in a call: with more, an operation is worth sharing
MOST_CELLS_OF_PICTURE = 256                         # of the latent of a picture that is decoded or encoded, which is made of 64 times as many pixels


def is_small(model: nn.Module, *, places: Container[str] = ("cpu",)) -> bool:
    """Whether one core is enough for it: a few weights, in float32 on the processor. places: types of device, "meta" for what is still in its file."""
    weights = list(model.parameters())
    is_plain = all(each.dtype is torch.float32 and each.device.type in places for each in weights)
    return is_plain and 0 < sum(each.nbytes for each in weights) <= MOST_BYTES


def through_vae(vae: nn.Module, given: Tensor, cells: int, work: Callable[[], Result]) -> Result:
    """What ``work`` gives, which has ``vae`` decode or encode ``given``, of so many ``cells`` as latents; done on one core where both are small and nobody listens."""
    is_little = cells <= MOST_CELLS_OF_PICTURE and given.device.type == "cpu" and not torch.is_autocast_enabled() and not torch.is_grad_enabled()
    is_for_one = is_little and is_small(vae, places=("cpu", "meta")) and is_left_alone(vae) and is_work_of(vae, PACKAGES)
    return on_one_core(work) if is_for_one else work()


class OneCore:
    """Calls ``model``, a UNet that ``is_small``. Whoever listens at it, or changed how it works, is called in the thread of the job, as if this were not there.

    plain_attention, packages: see ``Replays``.
    """

    def __init__(self, model: nn.Module, *, plain_attention: tuple[type, ...], packages: tuple[str, ...] = PACKAGES) -> None:
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


def on_one_core(task: Callable[[], Result]) -> Result:
    return hands().alone(task)
