"""A1111's ``shared.state``, over the running job. Outside of a job it is a record of its own, for extensions that work by themselves."""
from __future__ import annotations

import datetime
import io
import threading
import time
from typing import Any

from PIL import Image

from modules.a1111.app_slot import current, is_occupied
from modules.engine.preview import preview_map, small_picture
from modules.imaging.grids import grid_rows, image_grid
from modules.jobs.job import Job
from modules.jobs.progress import ProgressSnapshot

Values = dict[str, Any]
_FRESH: Values = {
    "job": "", "job_no": 0, "job_count": 0, "job_timestamp": "0", "sampling_step": 0, "sampling_steps": 0, "current_latent": None,
    "current_image": None, "current_image_sampling_step": 0, "id_live_preview": 0, "textinfo": None, "time_start": None,
    "processing_has_refined_job_count": False, "skipped": False, "interrupted": False, "stopping_generation": False,
}  # fmt: skip
_COUNTERS = {"sampling_step": "step", "sampling_steps": "steps", "id_live_preview": "preview_id"}
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
        own["_told"] = {}           # what the house itself says of the running job
        own["_job_id"] = None
        own["_steps_before"] = 0    # of the last pass of the job before
        own["_alone"] = False
        own["server_start"] = time.time()
        own["need_restart"] = False
        own["server_command"] = None

    def __getattr__(self, name: str) -> Any:
        if name not in _FRESH:
            raise AttributeError(f"shared.state has no {name!r}")
        job, set_by_hand = self._now()
        if name == "job_no" and job is not None:
            return self._begun(job) + set_by_hand.get(name, 0)
        if name in set_by_hand:
            value = set_by_hand[name]
            return value or bool(job and getattr(job.cancel, _FLAGS[name])) if name in _FLAGS else value
        if job is None:
            return _FRESH[name]
        if name in _FLAGS:
            return getattr(job.cancel, _FLAGS[name])
        told = self.__dict__["_told"]
        found = told[name] if name in told else self._counted(name, job.progress.snapshot(), job)
        return found or self.__dict__["_steps_before"] if name == "sampling_steps" else found   # before the first step A1111 tells of the last job

    def _counted(self, name: str, now: ProgressSnapshot, job: Job) -> Any:
        if name in _COUNTERS:
            return getattr(now, _COUNTERS[name])
        if name == "job_count":
            return now.batches * self._passes or -1
        if name == "job":               # A1111's name for who asked over the API
            return f"scripts_{job.kind}" if job.source == "api" and job.kind in ("txt2img", "img2img") else job.id
        if name == "textinfo":
            return now.text or None
        if name == "current_image":
            return _opened(job.progress.preview())
        if name in ("time_start", "job_timestamp"):
            began = job.started or time.time()
            return began if name == "time_start" else datetime.datetime.fromtimestamp(began).strftime("%Y%m%d%H%M%S")
        return _FRESH[name]

    @property
    def _passes(self) -> int:
        """A1111 counts a batch with a hires pass as two jobs."""
        return 2 if self.__dict__["_told"].get("processing_has_refined_job_count") else 1

    def _begun(self, job: Job) -> int:
        return job.progress.snapshot().batch * self._passes + int(self.__dict__["_told"].get("passes_done", 0))

    # -- what the house tells ---------------------------------------------------------------------------------------------

    @property
    def asked_count(self) -> int:
        """How many batches a script said there will be; 0 where none did."""
        _, set_by_hand = self._now()
        return int(self.__dict__["_told"].get("asked_count") or set_by_hand.get("job_count") or 0)

    def tell(self, **values: Any) -> None:
        """Of the running job: what stands here until it tells anew, or an extension sets it."""
        self._now()
        self.__dict__["_told"].update(values)

    def tell_two_passes(self) -> None:
        """The batches of this job have a hires pass."""
        _, set_by_hand = self._now()
        told = self.__dict__["_told"]
        if not told.get("processing_has_refined_job_count"):
            told["processing_has_refined_job_count"] = True
            if set_by_hand.get("job_count"):
                told["asked_count"] = set_by_hand["job_count"]
                set_by_hand["job_count"] *= 2

    def tell_latent(self, latent: Any) -> None:
        """What the call of the model has come to; the engine offers its preview itself."""
        _, set_by_hand = self._now()
        set_by_hand.pop("current_latent", None)
        self.__dict__["_told"]["current_latent"] = latent

    # -- A1111's own ------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _FRESH:
            self.__dict__[name] = value
            return
        job, set_by_hand = self._now()
        if name == "job_no" and job is not None:
            value -= self._begun(job)                       # it goes on counting
        set_by_hand[name] = value
        if name == "job_count":
            self.__dict__["_told"].pop("asked_count", None)
        if job is not None and value is not None and name in ("current_image", "current_latent"):
            job.progress.offer_preview(lambda: _png(value if name == "current_image" else _pictured(value)))
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
        """``do_set_current_image``, where previews are wanted and enough steps were made since the last."""
        get = current().settings.get
        every = get("show_progress_every_n_steps")
        if get("live_previews_enable") and every != -1 and self.sampling_step - self.current_image_sampling_step >= every:
            self.do_set_current_image()

    def do_set_current_image(self) -> None:
        """Show ``current_latent``."""
        latent = self.current_latent
        if latent is not None:
            self.assign_current_image(_pictured(latent))
            self.current_image_sampling_step = self.sampling_step

    def assign_current_image(self, image: Any) -> None:
        """Show ``image`` (PIL) as the preview of the running job."""
        self.current_image = image
        if self._now()[0] is None:
            self.id_live_preview += 1

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
                own["_steps_before"] = own["_set"].get("sampling_steps") or own["_steps_before"]
                own["_told"] = {}
                if not own["_alone"]:
                    own["_set"] = {}
            return job, own["_set"]


def _pictured(latent: Any) -> Any:
    """A small picture of latents (B, C, h, w), by the map of colours alone: the model is at work. Raises where there is no model."""
    components, as_sheet = current().checkpoints.components, current().settings.get("show_progress_grid")
    assert components is not None
    mapping = preview_map(components.vae, components.family.latent)
    pictures = [small_picture(each, mapping) for each in (latent if as_sheet else latent[:1])]
    return image_grid(pictures, grid_rows(len(pictures)))


def _opened(data: bytes | None) -> Any:
    return None if data is None else Image.open(io.BytesIO(data))


def _png(image: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


state = State()
