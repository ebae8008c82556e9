"""Results that are no numbers: found wherever they are in a tensor, and computed again in float32 where that helps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)
WITHOUT_FLOAT64 = ("mps", "xpu")        # kinds of device


class NotFinite(WebuiError):
    """A model gave NaN or infinity."""

    status = 500


def is_finite(tensor: Tensor) -> bool:
    """Whether every value of ``tensor`` is a number. Waits for the device once."""
    return bool(torch.isfinite(tensor).all())


def widest_float(tensor: Tensor) -> torch.dtype:
    """float64, or float32 where the tensor's device has none: Metal, and some of Intel's graphics."""
    return torch.float32 if tensor.device.type in WITHOUT_FLOAT64 else torch.float64


def check_finite(tensor: Tensor, *, what: str, remedy: str) -> Tensor:
    """``tensor``, unless it holds anything but numbers: then NotFinite. what: "The denoiser's output"."""
    if is_finite(tensor):
        return tensor
    share = 1 - torch.isfinite(tensor).float().mean().item()
    raise NotFinite(f"{what} is not a number in {share:.0%} of its values.", remedy)


def finite_or_upcast(
    module: nn.Module, compute: Callable[[torch.dtype], Tensor], *, what: str, remedy: str, types: Sequence[str] = ("float32",)
) -> Tensor:
    """What ``compute`` gives; if that is no number, what it gives once more, and then with ``module`` in one of ``types`` after the other.

    compute: gets the type in which ``module`` wants its input. ``module`` stays in the type that helped: what
    overflows twice will overflow again. Raises NotFinite when none of them helps.
    """
    dtype = first = next(module.parameters()).dtype
    result = compute(dtype)
    if not is_finite(result):
        log.warning("%s is not a number; it is computed again", what)
        result = compute(dtype)
    for name in types:
        wider = getattr(torch, name)
        if dtype is torch.float32 or dtype is wider or is_finite(result):
            break
        log.warning("%s is not a number in %s; it is computed again in %s, and so from now on", what, str(dtype).removeprefix("torch."), name)
        module.to(wider)
        dtype, result = wider, compute(wider)
    if dtype is not first and not is_finite(result):
        module.to(first)                            # what did not help is not kept
    return check_finite(result, what=what, remedy=remedy)
