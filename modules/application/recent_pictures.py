"""The last pictures that were made of others: asked for again, they need no second run."""
from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


class RecentPictures:
    """By what they were made of and how. Any thread may ask."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Image] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, picture: Image, how: Hashable, make: Callable[[], Image], *, most: int, whole: Callable[[], bool] = lambda: True) -> Image:
        """What ``make`` makes of ``picture``, or made lately. most: how many are kept; whole: whether it was finished, and may be."""
        if most <= 0:
            with self._lock:
                self._kept.clear()
            return make()
        key = (hashlib.sha256(picture.tobytes()).digest(), picture.size, picture.mode, how)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if found is None:
            found = make()
            if not whole():
                return found
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > most:
                self._kept.popitem(last=False)
        return found.copy()
