"""Whether a job that is tried again may leave out the batches that it saved before its server died."""

from __future__ import annotations

from typing import Any

from modules.a1111.denoiser_callbacks import listened
from modules.a1111.running import running_work

_HEARD = ("cfg_denoiser", "cfg_denoised", "cfg_after_cfg", "extra_noise", "before_image_saved", "image_saved", "image_grid")


def may_leave_out(p: Any) -> bool:
    """Only in a job's first run, and where nobody listens who may carry something from one batch to the next."""
    work = running_work()
    if work is None or work.made or len(work.listeners) > 1 or p.scripts is None or (p.script_args and p.script_args[0]):
        return False
    return not any(listened(each) for each in _HEARD) and not any(script.minds_batches(p) for script in p.scripts.alwayson_scripts)
