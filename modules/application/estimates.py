"""What past jobs took on this machine, kept in a small file, and what the next one will take. Also: what can never fit."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.application.cost_model import Sample, expected
from modules.compute.memory import MemoryPeak
from modules.engine.cost import Work
from modules.files.atomic import write_text
from modules.files.json_object import Damaged, read_object
from modules.files.storage import StorageError

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.library.model_file import ModelFile

log = logging.getLogger(__name__)
_KEPT_JOBS, _KEPT_KINDS = 32, 24        # jobs of one kind of model, and kinds; the oldest go
_USUAL_TIME = (0.2, 0.01, 1.0, 0.15, 2.0)   # proportions of ``Work.for_time``: the decoder takes about as much as two steps
_USUAL_MEMORY = (2.0, 0.6, 0.6)             # of ``Work.for_memory``
_LEAST_BYTES = 512 * 512 * 80               # of each 512x512 of one picture: what the first layers hold even with everything in pieces
_REST = 5.0             # seconds: the file is not written more often
_SURE = 4               # a learned need is believed to this part of it where a request is refused


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """seconds, bytes: of the job; bytes count the loaded model too, and are 0 where the device cannot tell."""

    seconds: float
    bytes: float
    jobs: int


@dataclass
class Estimates:
    """Thread-safe. A missing, damaged or unwritable file costs what was learned, never an error. path: None keeps it in memory only.

    The file is written after a job, but not after each of several short ones: what it lacks then comes with ``close``.
    """

    path: Path | None
    _written: float = -_REST                        # when; on the monotonic clock
    _lacks: bool = False
    _jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._jobs = _read(self.path) if self.path else {}

    @contextmanager
    def measured(self, kind: str, work: Work, device: str) -> Iterator[Done]:
        """Measure what runs inside; it is kept when it ends well and ``Done.counts`` is left True."""
        done, peak, began = Done(), MemoryPeak(device), time.perf_counter()
        yield done
        if not done.counts:
            return
        before, most = peak.bytes()
        self.note(kind, {"time": list(work.for_time), "seconds": time.perf_counter() - began, "memory": list(work.for_memory), "base": before, "peak": most})

    def note(self, kind: str, job: dict[str, Any]) -> None:
        with self._lock:
            jobs = [*self._jobs.pop(kind, []), job][-_KEPT_JOBS:]
            self._jobs[kind] = jobs                 # put last: the kind used longest ago goes first
            while len(self._jobs) > _KEPT_KINDS:
                del self._jobs[next(iter(self._jobs))]
            self._lacks = True
            is_due = time.monotonic() - self._written >= _REST
        if is_due:
            self.close()

    def close(self) -> None:
        """Write what the file lacks."""
        with self._lock:
            if self.path is None or not self._lacks:
                return
            document = {"version": 1, "jobs": dict(self._jobs)}
            self._lacks, self._written = False, time.monotonic()
        try:
            write_text(self.path, json.dumps(document, allow_nan=False))     # not indented: that takes ten times as long
        except (StorageError, OSError, ValueError) as error:
            log.warning("what jobs take is not kept: %s", error)

    def forget(self) -> None:
        """What was learned so far; the file follows with the next job."""
        with self._lock:
            self._jobs.clear()

    def estimate(self, kind: str, work: Work) -> Estimate | None:
        """None before the first job of this kind."""
        with self._lock:
            jobs = list(self._jobs.get(kind, ()))
        seconds = expected(work.for_time, [(tuple(job["time"]), job["seconds"]) for job in jobs], _USUAL_TIME)
        if seconds is None:
            return None
        extra = expected(work.for_memory, _memory_samples(jobs), _USUAL_MEMORY)
        return Estimate(seconds=seconds, bytes=0.0 if extra is None else _base(jobs) + max(extra, work.size * _LEAST_BYTES), jobs=len(jobs))

    def least_bytes(self, kind: str, one: Work) -> float:
        """What a request needs in any case. one: the work of a single picture of it without guidance, the least that can be done at once."""
        with self._lock:
            jobs = list(self._jobs.get(kind, ()))
        learned = expected(one.for_memory, _memory_samples(jobs), _USUAL_MEMORY) or 0.0
        return max(one.size * _LEAST_BYTES, learned / _SURE)


@dataclass
class Done:
    """counts: set to False where what was measured is not what the request is about: it was interrupted, or tried twice."""

    counts: bool = True


def kind_of(model: ModelFile, policy: ComputePolicy) -> str:
    """What jobs are alike: models of one family and size on one device, in one way."""
    size = f"{model.size / 1e9:.1f}" if model.size else "?"
    return f"{model.family_name or '?'} {size} GB, {policy.device}, {policy.weight_dtype}, {policy.residency.name}, {policy.attention.value}"


def _memory_samples(jobs: list[dict[str, Any]]) -> list[Sample]:
    return [(tuple(job["memory"]), job["peak"] - _base(jobs)) for job in jobs if job["peak"] > job["base"] > 0]


def _base(jobs: list[dict[str, Any]]) -> float:
    """What the loaded model takes: the least that a job began with, for a process keeps some of what an earlier one needed."""
    return min((job["base"] for job in jobs if job["base"] > 0), default=0.0)


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        found = read_object(path)["jobs"]
        return {str(kind): [job for job in jobs if _is_job(job)][-_KEPT_JOBS:] for kind, jobs in list(found.items())[-_KEPT_KINDS:]}
    except (Damaged, KeyError, TypeError, AttributeError):
        return {}


def _is_job(job: Any) -> bool:
    if not isinstance(job, Mapping):
        return False
    numbers = [job.get(key) for key in ("seconds", "base", "peak")]
    rows = [job.get(key) for key in ("time", "memory")]
    return all(isinstance(row, list) for row in rows) and all(isinstance(each, int | float) for row in [numbers, *rows] for each in row or ())
