"""Small pictures of small models on the processor: each call on one core and, once a pause allowed to record it, without Python between its operations.

PyTorch's threads share every single operation; where these are small they wait for each other longer than they compute, and ten times as long on a busy machine.
What is recorded is TorchScript's trace: the same operations with the same numbers, on the weights where they lie. As in ``replay``, it is only used while
nothing about the model has changed; whoever listens at the model, or changed how it works, is called as if this were not there.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._fuser import optimized_execution
from torch.jit._trace import TracerWarning

from modules.compute.hands import hands
from modules.compute.hooked import is_free, watch
from modules.compute.products import only_torch
from modules.compute.replay import Kind, State, details_of, is_work_of, state_of

log = logging.getLogger(__name__)
MOST_BYTES = 64 * 2**20                             # of weights
MOST_CELLS = 500                                    # of all latents in a call: with more, an operation is worth sharing
_PAUSE = 0.5                                        # seconds without a call, after which one is recorded
_MOST_KINDS = 8                                     # sizes, batches and lengths of prompts
_NAMES = {"timestep", "encoder_hidden_states", "added_cond_kwargs", "return_dict"}
Plain = tuple[Tensor, Tensor, Tensor]
"""Latents (B, C, h, w), their timesteps (B,), their texts (B, T, width)."""
Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def is_small(model: nn.Module) -> bool:
    """Whether ``OneCore`` is for it: a few weights, in float32 on the processor."""
    weights = list(model.parameters())
    is_plain = all(each.dtype is torch.float32 and each.device.type == "cpu" for each in weights)
    return is_plain and 0 < sum(each.nbytes for each in weights) <= MOST_BYTES


@dataclass(frozen=True, eq=False)
class _Recording:
    """state: of the model and its weights; details: of its attributes."""

    state: State
    details: State
    way: Way


class OneCore:
    """Calls ``model``, a UNet that ``is_small``. The first call of a kind goes by Python and wishes for a recording.

    plain_attention, packages: see ``Replays``. pause: see ``_PAUSE``.
    """

    def __init__(
        self, model: nn.Module, *, plain_attention: tuple[type, ...], packages: tuple[str, ...] = ("torch", "diffusers", "modules"), pause: float = _PAUSE,
    ) -> None:  # fmt: skip
        self.model = model
        self._plain_attention, self._packages, self._pause = plain_attention, packages, pause
        self._records = False
        self._known: dict[Kind, _Recording] = {}
        self._sure: set[Kind] = set()
        self._own_work: State | None = None
        self._wanted: set[Kind] = set()
        self._refused: set[Kind] = set()
        self._last_call = 0.0
        self._thread: threading.Thread | None = None

    def asked(self, *, records: bool, compiles: bool) -> Callable[..., Any]:
        """What to call in the pass that begins now. compiles: nothing is, on the processor."""
        self._sure.clear()
        if not records:
            self.forget()
        self._records = records
        return self

    def __call__(self, latent: Tensor, **named: Any) -> Any:
        state = self._state() if latent.dim() == 4 and _cells(latent) <= MOST_CELLS else None
        if state is None:
            return self.model(latent, **named)
        watch(self.model)                           # whoever moves it brings it
        self._last_call = time.monotonic()
        plain = _plain(latent, named)
        way = None if plain is None else self._recorded(plain, state)
        if plain is None or way is None:
            return hands().alone(partial(_by_torch, self.model, latent, **named))
        return (hands().alone(partial(way, *plain)),)

    @property
    def count(self) -> int:
        """How many recordings there are."""
        return len(self._known)

    @property
    def is_busy(self) -> bool:
        """Whether a recording is waited for, or made."""
        return self._thread is not None and self._thread.is_alive()

    def forget(self) -> None:
        """Drop all recordings, and those that were wished for."""
        self._wanted.clear()
        self._known.clear()

    def _state(self) -> State | None:
        """What the model is now; None where it is to be called as ever: somebody listens at it, changed what it does, or asks for gradients."""
        if not is_free(self.model) or torch.is_grad_enabled() or torch.is_autocast_enabled():
            return None
        state = state_of(self.model, self._plain_attention)
        if state is not None and state != self._own_work:
            if not is_work_of(self.model, self._packages):
                return None
            self._own_work = state
        return state

    def _recorded(self, plain: Plain, state: State) -> Way | None:
        """How such a call was recorded, where that is still what the model does; else it is wished for."""
        kind = tuple(each.shape for each in plain)
        known = self._known.get(kind)
        if known is not None and known.state == state and self._is_sure(kind, known):
            return known.way
        self._known.pop(kind, None)
        if self._records and kind not in self._refused and len(self._known) < _MOST_KINDS:
            self._wanted.add(kind)
            if not self.is_busy:
                # no daemon: the end of the program waits for it, for torch cannot be left in the middle
                self._thread = threading.Thread(target=self._record_in_pauses, name="record", daemon=False)
                self._thread.start()
        return None

    def _is_sure(self, kind: Kind, known: _Recording) -> bool:
        """Whether the attributes are what they were as well; looked at once in each pass."""
        if kind not in self._sure and known.details == details_of(self.model):
            self._sure.add(kind)
        return kind in self._sure

    def _record_in_pauses(self) -> None:
        """Record what is wished for, whenever nothing was called for a while; ends when the program does."""
        with torch.no_grad():
            while self._wanted and threading.main_thread().is_alive():
                began = self._last_call
                if time.monotonic() - began < self._pause:
                    time.sleep(self._pause / 5)
                    continue
                for kind in list(self._wanted):
                    self._record(kind, began)

    def _record(self, kind: Kind, began: float) -> None:
        """A recording for this kind of call, unless the model is called, and so perhaps changed, in the meantime: then later."""
        found = None
        try:
            state, details = self._state(), details_of(self.model)
            if state is not None:
                found = _Recording(state, details, recorded(self.model, kind))
        except Exception as error:                  # of TorchScript, of operations that do not fit into it, of weights that went meanwhile
            log.info("a small model's steps cannot be recorded, and go the usual way: %s", str(error).strip().partition("\n")[0])
        if self._last_call != began:
            return
        if found is None:
            self._refused.add(kind)
        elif kind in self._wanted:
            self._known[kind] = found
        self._wanted.discard(kind)


class _Plainly(nn.Module):
    """The model as TorchScript reads it: tensors in, a tensor out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        (found,) = self.model(latent, timestep=timestep, encoder_hidden_states=text, added_cond_kwargs=None, return_dict=False)
        return found  # type: ignore[no-any-return]


def _cells(latent: Tensor) -> int:
    return len(latent) * latent.shape[-2] * latent.shape[-1]


def _plain(latent: Tensor, named: dict[str, Any]) -> Plain | None:
    """The arguments, where these are all there are."""
    if named.keys() != _NAMES or named["added_cond_kwargs"] is not None or named["return_dict"] is not False:
        return None
    tensors = (latent, named["timestep"], named["encoder_hidden_states"])
    fit = all(isinstance(each, Tensor) and each.dtype is torch.float32 and each.dim() and len(each) == len(latent) for each in tensors)
    return tensors if fit else None


def _by_torch(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """TorchScript would take what NumPy multiplied for values that never change."""
    with only_torch():
        return call(*arguments, **named)


def recorded(model: nn.Module, kind: Kind) -> Way:
    """The trace of ``model`` for arguments of these shapes. Raises where it does not give the model's own numbers, for other values too."""
    warnings.filterwarnings("ignore", category=TracerWarning)               # what they warn of is compared below
    plainly = _Plainly(model)
    example, *others = ((torch.randn(kind[0]), torch.full(kind[1], timestep), torch.randn(kind[2])) for timestep in (500.0, 3.0, 961.5))
    traced: Any = _by_torch(torch.jit.trace, plainly, example, check_trace=False)

    def way(latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        with optimized_execution(False):            # else it is rearranged, which changes the last bits
            return traced(latent, timestep, text)  # type: ignore[no-any-return]

    for each in (example, *others):
        if not torch.equal(hands().alone(partial(way, *each)), hands().alone(partial(_by_torch, plainly, *each))):
            raise RuntimeError("what was recorded computes something else")
    return way
