"""Python's search for unreachable objects stays out of the start, which makes a million objects that nearly all stay: a tenth to a fifth of its time."""
from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_sweeping() -> Iterator[None]:
    """No search inside; later ones pass over what is there at the end, which saves each of them half a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def sweep_all() -> None:
    """From now on what was made at the start is searched too: a large part of it is about to be replaced."""
    gc.unfreeze()
