"""A device of its own, "pretend", that computes on the CPU: what mixes its tensors with the CPU's, or asks it for float64, fails as on a GPU or a Mac.

PyTorch's PrivateUse1 backend written in Python: a tensor on the device holds one on the CPU, and each operation is done there. So a machine without
a GPU shows which code forgets to move a tensor, which no test on the CPU can. It shows nothing of speed, streams, number types or memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

NAME = "pretend"
INDEXED = f"{NAME}:0"
MISSING = (torch.float64, torch.complex128)     # what Metal does not have
_MAY_MIX = {"copy_", "index", "index_put_", "index_put", "_index_put_impl_"}     # positions may lie on the CPU, as with CUDA
_BELOW = ("copy_", "_to_copy", "zero_", "fill_.Scalar", "fill_.Tensor", "clone")   # what torch.tensor(...) and its like call beneath the subclass
_MAKERS = ("arange", "arange.start", "arange.start_step", "eye", "eye.m", "randperm")    # made without a size first, which a stand-in cannot change later
_KEY = "PrivateUse1"


class OnDevice(torch.Tensor):
    """``held``: the tensor on the CPU that it stands for."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnDevice:
        found = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, layout=held.layout, device=torch.device(NAME, 0),
        )  # fmt: skip
        found.held = held
        return found

    @classmethod
    def __torch_dispatch__(cls, operation: Any, _types: Any, values: Any = (), words: Any = None) -> Any:
        return _done(operation, values, words or {})

    @property
    def data(self) -> torch.Tensor:  # type: ignore[override]
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        if not isinstance(value, OnDevice):
            raise RuntimeError(f"a tensor on {NAME} was given the data of one on {value.device}")
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.held = value.held

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(f"can't convert {INDEXED} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self, **_words: Any) -> str:  # type: ignore[override]
        return f"OnDevice({self.held!r})"


_waits: Counter[str] = Counter()


def _done(operation: Any, values: Any, words: dict[str, Any]) -> Any:
    """The operation on the tensors held, if a GPU would do it. RuntimeError for tensors of two devices, TypeError for float64."""
    name = operation._schema.name.removeprefix("aten::")
    if name in ("to", "type_as"):   # in inference mode they come whole
        return operation.decompose(*values, **words)
    if name == "_to_copy":
        return _copied(operation, values[0], words)
    if name == "_has_compatible_shallow_copy_type":     # whether .data of one may be put into the other
        return isinstance(values[0], OnDevice) is isinstance(values[1], OnDevice)
    devices: set[str] = set()
    held, held_words = _held(values, devices), {key: _held(value, devices) for key, value in words.items()}
    if len(devices) > 1 and name not in _MAY_MIX:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {INDEXED} and cpu! ({operation})")
    if name == "_local_scalar_dense" or (name == "copy_" and not isinstance(values[0], OnDevice)):
        _waits[name] += 1
    found = operation(*held, **held_words)
    return values[0] if name == "copy_" else _lifted(found)


def _copied(operation: Any, source: torch.Tensor, words: dict[str, Any]) -> torch.Tensor:
    target = words.get("device") or source.device
    found = operation(_held(source, set()), **{key: value for key, value in words.items() if key not in ("device", "non_blocking", "pin_memory")})
    if target.type == NAME:
        return _lifted(found)
    _waits["_to_copy"] += 1
    return found


def _held(value: Any, devices: set[str]) -> Any:
    """What the operation gets on the CPU. devices: those of the tensors are added; a number in a tensor on the CPU may come along everywhere."""
    kind = type(value)
    if kind is OnDevice:
        devices.add(NAME)
        return value.held
    if kind is tuple or kind is list:
        return kind(_held(each, devices) for each in value)
    if isinstance(value, torch.Tensor) and value.dim():
        devices.add(value.device.type)
    return torch.device("cpu") if kind is torch.device and value.type == NAME else value


def _lifted(value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)(map(_lifted, value))
    if not isinstance(value, torch.Tensor) or isinstance(value, OnDevice):
        return value
    if value.dtype in MISSING:
        raise TypeError(f"Cannot convert a {NAME} Tensor to {value.dtype} as the device does not have it. Please use float32 instead.")
    return OnDevice(value)


def _made(operation: Any, *values: Any, device: Any = None, pin_memory: Any = None, **words: Any) -> torch.Tensor:
    return _lifted(operation(*values, **words))


def _empty(size: Any, *, dtype: Any = None, memory_format: Any = None, **_words: Any) -> torch.Tensor:
    return _lifted(torch.empty(size, dtype=dtype, memory_format=memory_format or torch.contiguous_format))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_words: Any) -> torch.Tensor:
    return _lifted(torch.empty_strided(size, stride, dtype=dtype))


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None, _dropout: float = 0.0, is_causal: bool = False, *,
    scale: float | None = None, enable_gqa: bool = False,
) -> torch.Tensor:  # fmt: skip
    """PyTorch asks the device's own code for its choice of three; a device in Python has none."""
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    weights = query @ key.transpose(-1, -2) * (scale if scale is not None else query.shape[-1] ** -0.5)
    if is_causal:
        mask = torch.ones(weights.shape[-2:], dtype=torch.bool, device=weights.device).tril()
    if mask is not None:
        weights = weights.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else weights + mask
    return torch.ops.aten._safe_softmax(weights, -1) @ value   # a row that may look at nothing gives zeros


@cache
def pretend_device() -> torch.device:
    """The device, made when it is first asked for: a process has it from then on."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(NAME)
    own, others = torch.library.Library("aten", "IMPL"), torch.library.Library("_", "IMPL")
    own.impl("empty.memory_format", _empty, _KEY)
    own.impl("empty_strided", _empty_strided, _KEY)
    own.impl("scaled_dot_product_attention", _attention, f"Autograd{_KEY}")
    for names, call in ((_BELOW, _called), (_MAKERS, _made)):
        for name in names:
            packet, _, overload = name.partition(".")
            own.impl(name, partial(call, getattr(getattr(torch.ops.aten, packet), overload or "default")), _KEY)
    others.fallback(_called, _KEY)
    _LIBRARIES.extend([own, others])
    return torch.device(INDEXED)


_LIBRARIES: list[torch.library.Library] = []    # what they registered goes when they do


def _called(operation: Any, *values: Any, **words: Any) -> Any:
    return _done(operation, values, words)


@contextmanager
def counted_waits() -> Iterator[Counter[str]]:
    """How often the CPU waited for the device inside, by operation: each is a stop for a GPU."""
    before = Counter(_waits)
    found: Counter[str] = Counter()
    yield found
    found.update(_waits - before)
