"""A1111's ``devices`` and ``lowvram``, from the compute policy."""
from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.stubs import UNKNOWN
from modules.compute.memory import free_bytes
from modules.compute.precision import widest_float

cpu = torch.device("cpu")


class NansException(Exception):
    """A tensor holds nothing but NaN."""


def device_value(name: str) -> Any:
    """Values that the policy decides."""
    table = {
        "device": get_optimal_device, "device_interrogate": get_optimal_device, "device_gfpgan": get_optimal_device, "device_esrgan": get_optimal_device,
        "device_codeformer": get_optimal_device, "dtype": lambda: _dtype("compute_dtype"), "dtype_vae": lambda: _dtype("vae_dtype"),
        "dtype_unet": lambda: _dtype("weight_dtype"), "dtype_inference": lambda: _dtype("compute_dtype"),
        "unet_needs_upcast": lambda: current().policy.weight_dtype != current().policy.compute_dtype, "nv_rng": lambda: None,
        "backend": lambda: UNKNOWN,
    }  # fmt: skip
    return table[name]() if name in table else UNKNOWN


def _dtype(name: str) -> torch.dtype:
    text = str(getattr(current().policy, name)) if is_occupied() else "float32"
    return getattr(torch, text.removeprefix("torch."), torch.float32)


def get_optimal_device_name() -> str:
    return current().policy.device if is_occupied() else "cpu"


def get_optimal_device() -> torch.device:
    return torch.device(get_optimal_device_name())


def get_device_for(task: str) -> torch.device:
    """The CPU where --use-cpu names ``task``."""
    named = current().flags.use_cpu if is_occupied() else ()
    return cpu if task in named or "all" in named else get_optimal_device()


def has_mps() -> bool:
    return get_optimal_device_name().startswith("mps")


def has_xpu() -> bool:
    return get_optimal_device_name().startswith("xpu")


def get_available_vram() -> int:
    """Bytes that a network's next step could take: the device's own, or the computer's where it shares them."""
    from psutil import virtual_memory

    return free_bytes(get_optimal_device()) or virtual_memory().available


def torch_gc() -> None:
    """Give unused memory of the device back. As in A1111 without a look through all of Python's objects: mergers call this after each tensor."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif has_mps():
        torch.mps.empty_cache()


def enable_tf32() -> None:
    """The compute policy decides."""


first_time_calculation = enable_tf32


def autocast(disable: bool = False) -> Any:
    """torch's autocast where weights and computation differ in type."""
    kind = get_optimal_device().type
    if disable or kind != "cuda" or _dtype("compute_dtype") == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(kind, dtype=_dtype("compute_dtype"))


def without_autocast(disable: bool = False) -> Any:
    kind = get_optimal_device().type
    return torch.autocast(kind, enabled=False) if kind == "cuda" and not disable else contextlib.nullcontext()


def manual_cast(target_dtype: Any = None) -> Any:
    return contextlib.nullcontext()


def cond_cast_unet(input: Tensor) -> Tensor:
    return input.to(_dtype("weight_dtype"))


def cond_cast_float(input: Tensor) -> Tensor:
    return input.float()


def test_for_nans(x: Tensor, where: str) -> None:
    """Raises NansException when there is nothing else in ``x``, unless --disable-nan-check."""
    if current().flags.disable_nan_check or not bool(torch.isnan(x).all()):
        return
    raise NansException(f"A tensor with NaNs only came out of the {'VAE' if where == 'vae' else 'UNet'}. Try --no-half{'-vae' if where == 'vae' else ''}.")


# -- lowvram --------------------------------------------------------------------------------------------------------------


def send_everything_to_cpu() -> None:
    """Parts come to the device when they are called, and leave it by the policy."""


def setup_for_low_vram(sd_model: Any = None, use_medvram: Any = None) -> None:
    """The policy decides."""


apply = setup_for_low_vram


def is_enabled(sd_model: Any = None) -> bool:
    return current().flags.lowvram or current().flags.medvram


def is_needed(sd_model: Any = None) -> bool:
    return is_enabled()


def get_param(model: Any) -> Any:
    """The first parameter of a module, or of the module inside spandrel's descriptor."""
    inside: Any = getattr(model, "model", None)
    return next(iter((inside if hasattr(inside, "parameters") else model).parameters()))


def float64(t: Tensor) -> torch.dtype:
    """float64, or float32 where the device has none."""
    return widest_float(t)
