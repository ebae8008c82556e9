"""Who was being loaded when a start died. An extension that took the program down twice in a row is switched off."""
from __future__ import annotations

import json
from pathlib import Path

from modules.files.json_object import read_or_set_aside
from modules.files.slate import Slate
from modules.files.storage import StorageError

LIMIT = 2


class StartDiary:
    """A small file: which extension is being loaded now, and how many starts in a row died while it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_kept, self._is_blamed = True, False      # is_blamed: the file names one that is being loaded
        self._slate = Slate(path)       # a page of many extensions changes whose code runs ten thousand times
        found, _ = read_or_set_aside(path, instead="it is begun anew")
        crashes = found.get("crashes")
        self.crashes = {str(name): int(count) for name, count in crashes.items() if isinstance(count, int)} if isinstance(crashes, dict) else {}
        died_in = found.get("loading")
        if isinstance(died_in, str) and died_in:
            self.crashes = {died_in: self.crashes.get(died_in, 0) + 1}
        elif found:
            self.crashes = {}
        self._write("")

    def to_switch_off(self) -> tuple[str, ...]:
        """Folder names of those that reached the limit; their count begins anew."""
        names = tuple(name for name, count in self.crashes.items() if count >= LIMIT)
        self.crashes = {name: count for name, count in self.crashes.items() if name not in names}
        return names

    def enter(self, name: str) -> None:
        """The extension in folder ``name`` runs its own code now; "": none does. Written only when it is another than before."""
        if name != self._loading:
            self._write(name)

    def close(self) -> None:
        """The start is over, and nobody ended it: no name stays in the file, also where a write failed after it."""
        if self._is_blamed:
            self._is_kept = True
            self._write("")
        self._slate.close()

    def _write(self, loading: str) -> None:
        self._loading = loading
        if not self._is_kept or (not loading and not self.path.exists()):
            return
        try:
            self._slate.write(json.dumps({"loading": loading, "crashes": self.crashes}).encode("ascii"))
            self._is_blamed = bool(loading)
        except (StorageError, OSError):
            self._is_kept = False       # without a diary nothing is switched off; the start goes on, and does not wait for another server's each time
