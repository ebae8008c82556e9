"""Text encoder outputs kept from one job to the next: most jobs change the seed, not the prompt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from modules.engine.text_encoding import EncodedTexts

DEFAULT_BYTES = 64 * 2**20      # some 270 prompts of SD 1.5


class ConditioningCache:
    """Encoded texts by key, the least recently used dropped first. A key names everything they depend on."""

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, EncodedTexts] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], EncodedTexts]) -> EncodedTexts:
        """The texts of ``key``, encoded now if they are not there. They are shared: nobody may write into their tensors."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        made = make()
        with self._lock:
            if key not in self._entries and made.nbytes <= self._max_bytes:
                self._entries[key] = made
                self._bytes += made.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1].nbytes
        return made

    def clear(self) -> None:
        """Forget everything: weights or embeddings changed under the same names."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)
