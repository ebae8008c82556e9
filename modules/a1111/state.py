"""A1111's ``shared.state``, over the running job. Outside of a job it is a record of its own, for extensions that work by themselves."""
from __future__ import annotations

import datetime
import io
import threading
import time
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.jobs.job import Job
from modules.jobs.progress import ProgressSnapshot

Values = dict[str, Any]
_FRESH: Values = {
    "job": "", "job_no": 0, "job_count": 0, "job_timestamp": "0", "sampling_step": 0, "sampling_steps": 0, "current_latent": None,
    "current_image": None, "current_image_sampling_step": 0, "id_live_preview": 0, "textinfo": None, "time_start": None,
    "processing_has_refined_job_count": False, "skipped": False, "interrupted": False, "stopping_generation": False,
}  # fmt: skip
_COUNTERS = {"job_no": "batch", "job_count": "batches", "sampling_step": "step", "sampling_steps": "steps", "id_live_preview": "preview_id"}
_FLAGS = {"interrupted": "interrupted", "skipped": "skipped", "stopping_generation": "stopping"}


class State:
    """Counters and flags by A1111's names. Read from the running job; what an extension sets holds until that job is over."""

    server_start: float
    need_restart: bool
    xyz_plot_x: Any
    xyz_plot_y: Any
    xyz_plot_z: Any

    def __init__(self) -> None:
        own = self.__dict__
        own["_lock"] = threading.RLock()
        own["_set"] = {}
        own["_job_id"] = None
        own["_alone"] = False
        own["server_start"] = time.time()
        own["need_restart"] = False
        own["server_command"] = None

    def __getattr__(self, name: str) -> Any:
        if name not in _FRESH:
            raise AttributeError(f"shared.state has no {name!r}")
        job, set_by_hand = self._now()
        if name == "job_no" and job is not None:
            return job.progress.snapshot().batch + set_by_hand.get(name, 0)
        if name in set_by_hand:
            value = set_by_hand[name]
            return value or bool(job and getattr(job.cancel, _FLAGS[name])) if name in _FLAGS else value
        if job is None:
            return _FRESH[name]
        if name in _FLAGS:
            return getattr(job.cancel, _FLAGS[name])
        if name == "job":
            return job.id
        return self._counted(name, job.progress.snapshot(), job)

    def _counted(self, name: str, now: ProgressSnapshot, job: Job) -> Any:
        if name in _COUNTERS:
            return getattr(now, _COUNTERS[name])
        if name == "textinfo":
            return now.text or None
        if name in ("time_start", "job_timestamp"):
            began = job.started or time.time()
            return began if name == "time_start" else datetime.datetime.fromtimestamp(began).strftime("%Y%m%d%H%M%S")
        return _FRESH[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _FRESH:
            self.__dict__[name] = value
            return
        job, set_by_hand = self._now()
        if name == "job_no" and job is not None:
            value -= job.progress.snapshot().batch          # it goes on counting
        set_by_hand[name] = value
        if job is None or name not in (*_FLAGS, "textinfo") or not value:     # others may be latents, which are neither true nor false
            return
        if name == "interrupted":
            job.cancel.interrupt()
        elif name == "skipped":
            job.cancel.skip()
        elif name == "stopping_generation":
            job.cancel.stop_after_image()
        elif name == "textinfo":
            job.progress.text = str(value)

    def skip(self) -> None:
        """Leave the picture at work."""
        self.skipped = True

    def interrupt(self) -> None:
        """Stop the running job at its next step."""
        self.interrupted = True

    def stop_generating(self) -> None:
        """Stop after the picture at work."""
        self.stopping_generation = True

    def nextjob(self) -> None:
        """One part of the work is done."""
        self.job_no += 1
        self.sampling_step = 0
        self.current_image_sampling_step = 0

    def begin(self, job: str = "(unknown)") -> None:
        """Work of an extension's own begins. Inside a job of ours nothing changes but the name."""
        running, set_by_hand = self._now()
        if running is None:
            set_by_hand.clear()
            self.__dict__["_alone"] = True
            set_by_hand["time_start"] = time.time()
            set_by_hand["job_timestamp"] = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        set_by_hand["job"] = job

    def end(self) -> None:
        running, set_by_hand = self._now()
        self.__dict__["_alone"] = False
        if running is None:
            set_by_hand.clear()
        else:
            set_by_hand.pop("job", None)

    def dict(self) -> Values:
        """What /sdapi/v1/progress calls state."""
        names = ("skipped", "interrupted", "stopping_generation", "job", "job_count", "job_timestamp", "job_no", "sampling_step", "sampling_steps")
        return {name: getattr(self, name) for name in names}

    def set_current_image(self) -> None:
        """Previews are offered by the engine itself."""

    do_set_current_image = set_current_image

    def assign_current_image(self, image: Any) -> None:
        """Show ``image`` (PIL) as the preview of the running job."""
        job, set_by_hand = self._now()
        set_by_hand["current_image"] = image
        if job is not None:
            job.progress.offer_preview(lambda: _png(image))

    def request_restart(self) -> None:
        """Somebody wants the server to start anew."""
        self.interrupt()
        self.__dict__["server_command"] = "restart"
        self.__dict__["need_restart"] = True

    def wait_for_server_command(self, timeout: float | None = None) -> str | None:
        return self.__dict__["server_command"]

    def _now(self) -> tuple[Job | None, Values]:
        """The running job, and what was set by hand during it."""
        job = current().jobs.running() if is_occupied() else None
        own = self.__dict__
        with own["_lock"]:
            job_id = job.id if job else None
            if job_id != own["_job_id"]:
                own["_job_id"] = job_id
                if not own["_alone"]:
                    own["_set"] = {}
            return job, own["_set"]


def _png(image: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


state = State()
