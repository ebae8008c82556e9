"""A UNet computed by OpenVINO, for those who installed it: on Intel's graphics, or on the processor, there also in bfloat16 where that has instructions for it.

As with compiling nobody waits: the model is translated on a thread of its own, and pictures are drawn the usual way until its answers were held against the model's own.
OpenVINO keeps weights of its own, so before each pass the model's are looked at: with others (a LoRA) the usual way is taken, and they are translated once a second pass wants them.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from modules.compute.model_state import State
from modules.compute.replay import Kind, Replays, copied, tensors_of, with_tensors

log = logging.getLogger(__name__)

_ROOM = 2 * 2**30                                   # bytes that are left to the picture


@dataclass(frozen=True)
class Target:
    """device, precision: OpenVINO's names. close: how far an answer may be from the model's own, as a part of it."""

    device: str
    precision: str
    close: float


TARGETS = {"CPU": Target("CPU", "f32", 1e-3), "CPU in bfloat16": Target("CPU", "bf16", 0.1), "GPU": Target("GPU", "f16", 0.05)}
"""By the setting's words."""

Answer = Callable[[Sequence[Tensor]], Tensor]
Translator = Callable[[nn.Module, Sequence[Tensor], Target], Answer]


def is_installed() -> bool:
    return find_spec("openvino") is not None


def _openvino() -> Any:
    """The package without its reports of use, which it would send to its makers."""
    blocked: Any = None
    sys.modules.setdefault("openvino_telemetry", blocked)
    return import_module("openvino")


def target_names() -> list[str]:
    """Of ``TARGETS``, those that this computer has."""
    if not is_installed():
        return []
    devices = {name.partition(".")[0] for name in _openvino().Core().available_devices}
    return [name for name, target in TARGETS.items() if target.device in devices]


@dataclass(eq=False)
class _Translation:
    """of: what the model was. form: how its calls look, sizes apart. right: of each kind of call, whether the answer was the model's."""

    of: tuple[State, list[int]]
    form: Any
    answer: Answer
    right: dict[Kind, bool] = field(default_factory=dict)


class OpenVinoCalls:
    """Calls ``model``, in float32 on the processor, or has OpenVINO do it. See ``Replays`` for plain_attention. said: how it went, in a sentence; "" before."""

    def __init__(self, model: nn.Module, *, plain_attention: tuple[type, ...], translator: Translator | None = None) -> None:
        self.model = model
        self._translator = translator or translated
        self._calls = Replays(model, plain_attention=plain_attention, own_way=self._way)
        self._target: Target | None = None
        self._weights: list[int] = []
        self._found: _Translation | None = None
        self._noted: tuple[State, list[int]] | None = None
        self._thread: threading.Thread | None = None
        self._has_failed = False
        self.said = ""

    def asked(self, *, records: bool, compiles: bool, openvino: str = "") -> Callable[..., Any]:
        """What to call in the pass that begins now. openvino: a name of ``TARGETS``, or "". The rest is for GPUs."""
        target = TARGETS.get(openvino)
        if target != self._target:
            self._target, self._has_failed, self.said = target, False, ""
            self.forget()
        if target is None or self._has_failed:
            return self.model
        self._weights = weights_of(self.model)
        return self._calls.asked(records=False, compiles=True)

    def forget(self) -> None:
        """Give the memory of the translation back."""
        self._found = self._noted = None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _way(self, kind: Kind, details: State, arguments: tuple[Any, ...], named: dict[str, Any]) -> Callable[..., Any] | None:
        if self.is_busy or self._target is None:
            return None
        found, of, form = self._found, (details, self._weights), _form_of((arguments, named))
        if found is not None and found.of == of and found.form == form:
            if kind in found.right:
                return self._by(found.answer) if found.right[kind] else None
        elif found is not None and not self._is_second(of):
            return None
        self._thread = threading.Thread(target=self._prepare, args=(kind, of, form, self._target, *copied((arguments, named))), name="openvino", daemon=True)
        self._thread.start()
        return None

    def _is_second(self, of: tuple[State, list[int]]) -> bool:
        """Whether an earlier pass was made with the model as it is: one picture alone is not worth a translation of another LoRA."""
        before, self._noted = self._noted, of if self._noted is None or self._noted != of else self._noted
        return before is not None and before == of and before[0] is not of[0]

    def _by(self, answer: Answer) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> tuple[Tensor]:
            try:
                return (answer(list(tensors_of((arguments, named)))),)
            except Exception as error:              # of a driver, say
                self._fail(error)
                return self.model(*arguments, **named)

        return call

    def _prepare(self, kind: Kind, of: tuple[State, list[int]], form: Any, target: Target, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        try:
            with torch.no_grad():
                self._translate_and_hold(kind, of, form, target, arguments, named)
        except Exception as error:                  # of OpenVINO, of a driver
            self._fail(error)

    def _translate_and_hold(self, kind: Kind, of: tuple[State, list[int]], form: Any, target: Target, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Translate unless that is done, and hold the answer for this kind of call against the model's own."""
        given, found = list(tensors_of((arguments, named))), self._found
        if found is None or found.of != of or found.form != form:
            self._found = None                      # its memory first
            _need_room(self.model)
            found = _Translation(of, form, self._translator(_Flat(twin_of(self.model), arguments, named), given, target))
        own = self.model(*arguments, **named)
        is_one = isinstance(own, tuple) and len(own) == 1
        if weights_of(self.model) != of[1] or self._target is not target:
            return                                  # it changed meanwhile
        found.right[kind] = is_one and _is_close(found.answer(given), own[0], target.close)
        self._found = found
        right = "The next steps are computed by it." if found.right[kind] else "Its answers for this size, or with what was changed about the model, are others than the model's: these are computed the usual way."
        self.said = f"OpenVINO has translated the model for {target.device} ({target.precision}). {right}"
        log.info("%s", self.said)

    def _fail(self, error: Exception) -> None:
        self.forget()
        self._has_failed = True
        self.said = f"OpenVINO failed, and the model is computed the usual way: {str(error).strip().partition(chr(10))[0][:300] or type(error).__name__}"
        log.warning("%s", self.said)


def weights_of(model: nn.Module) -> list[int]:
    """A number for each weight and buffer that is another one when values in it have changed."""
    return [_sum_of_bits(each.detach()) for each in (*model.parameters(), *model.buffers())]


def _sum_of_bits(tensor: Tensor) -> int:
    """In the order in which it lies in memory, and by NumPy: a tenth of the time that PyTorch takes."""
    bits = tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True)).contiguous().view(-1).view(torch.uint8).numpy()
    return int(bits.view(np.uint64 if bits.size % 8 == 0 else np.uint8).sum(dtype=np.uint64))


def twin_of(model: nn.Module) -> nn.Module:
    """``model`` as its library builds it, with the same weights: nothing of how this program computes its layers."""
    kind: Any = type(model)
    with torch.device("meta"):
        twin = kind.from_config(model.config)
    twin.load_state_dict(model.state_dict(), assign=True)
    return twin.requires_grad_(False).eval()


class _Flat(nn.Module):
    """A model's call with nothing but its tensors as arguments; the rest is as in the call that it is made from."""

    def __init__(self, model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        super().__init__()
        self.model, self._nesting = model, (arguments, named)

    def forward(self, *tensors: Tensor) -> Tensor:
        given = iter(tensors)
        arguments, named = with_tensors(self._nesting, lambda _: next(given))
        return self.model(*arguments, **named)[0]


def translated(model: nn.Module, given: Sequence[Tensor], target: Target) -> Answer:
    """``model`` by OpenVINO, for any number of rows and any size; the widths are those of ``given``."""
    openvino = _openvino()
    warnings.filterwarnings("ignore", category=TracerWarning)     # about sizes; the answers are held against the model's
    with torch.random.fork_rng(devices=[]):         # its own examples must not change what is drawn next
        graph = openvino.convert_model(model, example_input=tuple(given), input=[_any_size(each) for each in given])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": target.precision}
    if target.device == "CPU":
        hints["INFERENCE_NUM_THREADS"] = str(torch.get_num_threads())
    request = openvino.Core().compile_model(graph, target.device, hints).create_infer_request()
    lock = threading.Lock()

    def answer(tensors: Sequence[Tensor]) -> Tensor:
        with lock:
            return torch.from_numpy(request.infer([each.contiguous().numpy() for each in tensors])[0].copy())

    return answer


def _any_size(tensor: Tensor) -> list[int]:
    """Its shape with -1 for what differs from call to call: all but the width of a text, or a latent's channels."""
    fixed = 1 if tensor.dim() == 4 else tensor.dim() - 1
    return [size if axis == fixed and tensor.dim() > 1 else -1 for axis, size in enumerate(tensor.shape)]


def _form_of(value: Any) -> Any:
    """How a call looks, sizes apart; to be compared."""
    return with_tensors(value, lambda each: (each.dim(), each.dtype))


def _is_close(found: Tensor, own: Tensor, close: float) -> bool:
    return found.shape == own.shape and bool((found - own).norm() <= close * own.norm())


def _need_room(model: nn.Module) -> None:
    """Raise MemoryError unless there is room for the weights a second time, and once more while they are translated."""
    from psutil import virtual_memory

    needed, free = 2 * sum(each.nbytes for each in model.parameters()) + _ROOM, virtual_memory().available
    if free < needed:
        raise MemoryError(f"it needs {needed / 1e9:.1f} GB for weights of its own, and {free / 1e9:.1f} GB are free. Close other programs, or set OpenVINO to Off.")
