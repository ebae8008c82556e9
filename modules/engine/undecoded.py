"""An interrupt while pictures are decoded: what is there in a moment is waited for, what takes longer is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from modules.compute.hooked import Watcher
from modules.engine.hooks import CancelView

PATIENCE = 10.0  # seconds from the interrupt on; all but large pictures are decoded by then, also on processors
FEW_CELLS = 16 * 16     # 128x128 pixels: a second or two on the slowest processor; watching so short a work takes longer than it


class LeftUndecoded(Exception):
    """Decoding was interrupted, and would have taken longer than ``PATIENCE``."""


class _Look(Watcher):
    """Before each layer: whether to go on."""

    def __init__(self, cancel: CancelView) -> None:
        self._cancel = cancel
        self._noticed: list[float] = []

    def __call__(self, *_: object) -> None:
        if not (self._cancel.interrupted or self._cancel.skipped):
            return
        self._noticed.append(time.monotonic())
        if self._noticed[-1] - self._noticed[0] >= PATIENCE:
            raise LeftUndecoded


@contextmanager
def leaving_soon(vae: nn.Module, cancel: CancelView, cells: int) -> Iterator[None]:
    """Inside, the layers of ``vae`` raise LeftUndecoded once the job was interrupted, or the batch skipped, for ``PATIENCE`` seconds.

    One layer is never left in the middle. An interrupt from before counts from the first layer on. cells: of a latent; few are decoded before that.
    """
    if cells <= FEW_CELLS:
        yield
        return
    look = _Look(cancel)
    watched = [layer.register_forward_pre_hook(look) for layer in vae.modules() if next(layer.children(), None) is None]
    try:
        yield
    finally:
        for each in watched:
            each.remove()
