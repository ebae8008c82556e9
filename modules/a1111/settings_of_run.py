"""The settings that one run of ``p`` goes by, as they stand at the moment: scripts set options in every hook, and A1111 reads most of them late."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from modules.a1111.running import RunningWork
from modules.application.settings_store import OverlaidSettings

_FOLDERS = {"outdir_samples": "outpath_samples", "outdir_grids": "outpath_grids"}


class SettingsOfRun(OverlaidSettings):
    """own: ``p.override_settings`` as the run began: what scripts put there later comes too late, as in A1111."""

    def __init__(self, work: RunningWork, p: Any, own: Mapping[str, Any]) -> None:
        super().__init__(work.app.settings.table, own)
        self._work, self._p = work, p

    def get(self, key: str) -> Any:
        found = self._folder(key)
        if found:
            return found
        setting = self.table.find(key)
        for layer in (self._work.overrides, self._values, self._work.settings):
            if key in layer:
                return setting.checked(layer[key])
        return setting.fresh_default()

    def mark(self) -> tuple[Any, ...]:
        """Equal to an earlier one where nothing was set meanwhile."""
        p = self._p
        return dict(self._work.settings), dict(self._work.overrides), p.outpath_samples, p.outpath_grids, p.do_not_save_samples, p.do_not_save_grid

    def _folder(self, key: str) -> str | None:
        """One that was chosen on ``p``."""
        name = _FOLDERS.get(key)
        folder = None if name is None else getattr(self._p, name)
        folder = os.fspath(folder) if isinstance(folder, os.PathLike) else folder
        return folder if name and folder and folder != usual_folders(self._work, self._p.table.tab)[name] else None


def usual_folders(work: RunningWork, tab: str) -> dict[str, str]:
    """``p.outpath_samples`` and ``p.outpath_grids`` as the settings have them."""
    settings = OverlaidSettings(work.app.settings.table, work.settings)
    return {
        f"outpath_{kind}": str(work.app.paths.output_folder(settings.get(f"outdir_{kind}") or settings.get(f"outdir_{tab}_{kind}")))
        for kind in ("samples", "grids")
    }
