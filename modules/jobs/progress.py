"""How far a job is: written by the one thread that works, read by any number of others through snapshots."""
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProgressSnapshot:
    """One moment of a job.

    fraction: 0..1 of all steps of all batches. eta_seconds: elapsed / fraction - elapsed, as A1111 reckons;
    None before the first step. preview_id: grows with each offered preview, 0 while there is none.
    """

    fraction: float = 0.0
    eta_seconds: float | None = None
    elapsed_seconds: float = 0.0
    step: int = 0
    steps: int = 0
    batch: int = 0
    batches: int = 0
    images: int = 0
    text: str = ""
    preview_id: int = 0


class Preview:
    """A preview that is drawn by the first reader who wants it, once, on that reader's thread."""

    def __init__(self, number: int, make: Callable[[], bytes]) -> None:
        self.number = number
        self._make: Callable[[], bytes] | None = make
        self._bytes: bytes | None = None
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        """The picture file's bytes; None when it could not be drawn."""
        with self._lock:
            make, self._make = self._make, None     # dropped either way: it holds the latent
            if make is not None:
                try:
                    self._bytes = make()
                except Exception:
                    log.exception("the preview could not be drawn")
            return self._bytes


class Progress:
    """Counters and the latest preview of one job."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._started: float | None = None
        self._batch = self._batches = self._images = self._step = self._steps = 0
        self._text = ""
        self._preview: Preview | None = None
        self._drawn: Preview | None = None          # the last one somebody looked at
        self.heard: Callable[[ProgressSnapshot], None] | None = None    # told after each step, on the thread that works

    def begin(self, batches: int, images: int) -> None:
        """The work is known: ``batches`` equal parts, ``images`` pictures in all. The clock keeps running if it already does."""
        with self._lock:
            self._started = self._clock() if self._started is None else self._started
            self._batches, self._images, self._batch, self._step, self._steps = batches, images, 0, 0, 0

    def begin_batch(self, index: int) -> None:
        """Batch ``index`` (from 0) starts; the ones before are done."""
        with self._lock:
            self._batch, self._step, self._steps = index, 0, 0

    def step(self, done: int, total: int) -> None:
        """``done`` of ``total`` steps of this batch are behind us."""
        with self._lock:
            self._step, self._steps = done, total
        if self.heard is not None:
            self.heard(self.snapshot())

    @property
    def text(self) -> str:
        """What the job does now, for a person; empty while it samples."""
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        with self._lock:
            self._started = self._clock() if self._started is None else self._started
            self._text = value

    def offer_preview(self, make: Callable[[], bytes]) -> None:
        """There is something to see. ``make`` gives a PNG, JPEG or WebP file; it is called at most once, and only if somebody asks."""
        with self._lock:
            number = self._preview.number + 1 if self._preview else 1
            self._preview = Preview(number, make)

    def preview(self, number: int | None = None) -> bytes | None:
        """Preview ``number`` (None: the newest). Of older ones only the last one drawn is still there."""
        with self._lock:
            found = next((each for each in (self._preview, self._drawn) if each and number in (None, each.number)), None)
            if found is not None:
                self._drawn = found
        return found.read() if found else None

    def drop_previews(self) -> None:
        """Free what the previews hold; the job is over."""
        with self._lock:
            self._preview = self._drawn = None

    def snapshot(self) -> ProgressSnapshot:
        """This moment, consistent in itself."""
        with self._lock:
            elapsed = 0.0 if self._started is None else self._clock() - self._started
            fraction = self._fraction()
            return ProgressSnapshot(
                fraction=fraction,
                eta_seconds=elapsed / fraction - elapsed if fraction > 0 else None,
                elapsed_seconds=elapsed,
                step=self._step,
                steps=self._steps,
                batch=self._batch,
                batches=self._batches,
                images=self._images,
                text=self._text,
                preview_id=self._preview.number if self._preview else 0,
            )

    def _fraction(self) -> float:
        if self._batches <= 0:
            return 0.0
        within = self._step / self._steps if self._steps > 0 else 0.0
        return min(1.0, (self._batch + min(1.0, within)) / self._batches)
