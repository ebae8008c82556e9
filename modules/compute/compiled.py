"""``torch.compile`` that nobody waits for: a kind of call is compiled on a thread of its own, and pictures are drawn the usual way until that is done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from modules.compute.model_state import State
from modules.compute.replay import Kind, copied

log = logging.getLogger(__name__)
_MOST_KINDS = 8                                     # sizes and batches of one model; each takes a minute or more, and memory
Compiler = Callable[[nn.Module], Callable[..., Any]]


class Compiled:
    """The compiled form of ``model`` for those kinds of call that are ready. One kind is compiled at a time, the first call of it begins.

    What was compiled reads the model's attributes (tiling, attention) as they were: once they are others, it is compiled again behind the pictures.

    Where compiling fails (no C compiler, no Triton), calls go the usual way from then on. said: how it went, in a sentence; "" before.
    """

    def __init__(self, model: nn.Module, *, compiler: Compiler | None = None) -> None:
        self._model = model
        self._compiler = compiler or _by_torch
        self.said = ""
        self._ways: dict[Kind, tuple[State, Callable[..., Any]]] = {}
        self._thread: threading.Thread | None = None
        self._failed = False

    def __call__(self, kind: Kind, details: State, arguments: tuple[Any, ...], named: dict[str, Any]) -> Callable[..., Any] | None:
        """What gives the result of such a call; None: not yet, or not at all."""
        of, found = self._ways.get(kind, (None, None))
        if found is not None and of == details:
            return found
        if not self.is_busy and not self._failed and (found is not None or len(self._ways) < _MOST_KINDS):
            example = copied((arguments, named))
            self._thread = threading.Thread(target=self._compile, args=(kind, details, *example), name="compile", daemon=True)
            self._thread.start()
        return None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def ready(self) -> int:
        """How many kinds of call are compiled."""
        return len(self._ways)

    def _compile(self, kind: Kind, details: State, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        try:
            way = self._compiler(self._model)
            with torch.no_grad():                   # as the pictures are drawn
                way(*arguments, **named)
        except Exception as error:                  # of Dynamo, Inductor, Triton, a C compiler
            self._failed = True
            self.said = f"The model could not be compiled, and is computed the usual way: {_first_line(error)}. torch.compile needs Triton and a C compiler."
            log.warning("%s", self.said)
            return
        self._ways[kind] = details, way
        self.said = "The model is compiled for pictures of this size; the next steps are quicker."
        log.info("%s", self.said)


def _by_torch(model: nn.Module) -> Callable[..., Any]:
    """For one kind of call each, so that the code for one size is never exchanged for that of another."""
    forward: Any = type(model).forward

    def evaluate(*arguments: Any, **named: Any) -> Any:
        return forward(model, *arguments, **named)

    return torch.compile(evaluate, dynamic=False)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
