"""The job that is being carried out on this thread: what every run of it shares, however scripts nest them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from modules.a1111.app_slot import is_occupied, occupied
from modules.a1111.state import state
from modules.a1111.stubs import NotHere
from modules.application.app import App
from modules.application.outcome import OutputImage
from modules.application.picture_run import PictureListener
from modules.application.picture_saver import EarlierPictures
from modules.engine.hooks import CancelView
from modules.jobs.progress import Progress

_OUTSIDE = "Pictures are made by modules.processing.process_images(p); p.sample and a sampler's sample work while it does so."


class BatchCounter:
    """A ProgressSink over a job's Progress: the batches of all its runs count as one row. asked: how many a script said there will be."""

    def __init__(self, progress: Progress, asked: Callable[[], int]) -> None:
        self._progress, self._asked = progress, asked
        self._begun = self._planned = self._images = 0

    def begin(self, batches: int, images: int) -> None:
        self._planned = max(self._planned, self._begun) + batches if self._begun else batches
        self._images += images
        self._progress.begin(max(self._asked(), self._planned), self._images)
        self._progress.begin_batch(self._begun)

    def begin_batch(self, index: int) -> None:
        self._progress.begin_batch(self._begun)
        self._begun += 1

    def step(self, done: int, total: int) -> None:
        self._progress.step(done, total)

    def offer_preview(self, make: Callable[[], bytes]) -> None:
        self._progress.offer_preview(make)


@dataclass(kw_only=True)
class RunningWork:
    """settings: those of the moment when the job was asked for. checkpoint: the model's name.

    saves: whether the job's pictures are to be saved at all. listeners: of the runs at work now, the innermost last. made: every picture so far, saved or not. comments: sentences for the user, of all runs.
    noted: told all pictures whenever one more is safe. earlier: those of a former attempt at the job. layers: a model's by LoRAs' names, for who asks for them at every call.
    part: of img2img's batch, the place of the picture that this run draws, from 0. overrides: settings that hold for the run at work alone, by key.
    """

    app: App
    settings: dict[str, Any]
    checkpoint: str
    progress: Progress
    cancel: CancelView
    user: str = ""
    saves: bool = True
    noted: Callable[[list[OutputImage]], None] = lambda made: None
    earlier: EarlierPictures | None = None
    part: int | None = None
    listeners: list[PictureListener] = field(default_factory=list)
    made: list[OutputImage] = field(default_factory=list)
    comments: dict[str, None] = field(default_factory=dict)
    layers: tuple[Any, dict[str, Any]] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counter = BatchCounter(self.progress, lambda: state.asked_count)

    def say(self, text: str) -> None:
        self.progress.text = text

    @property
    def stopped(self) -> bool:
        """Whether a script has to end: interrupted, or told to stop after this picture."""
        return self.cancel.interrupted or self.cancel.stopping

    @contextmanager
    def nested(self, listener: PictureListener) -> Iterator[None]:
        """While a run is at work: what the run around it put into the model is out."""
        with ExitStack() as stack:
            if self.listeners and self.listeners[-1].networks is not None:
                stack.enter_context(self.listeners[-1].networks.suspended())
            self.listeners.append(listener)
            try:
                yield
            finally:
                self.listeners.pop()

    @contextmanager
    def overridden(self, wanted: Mapping[str, Any]) -> Iterator[None]:
        """While a run is at work that ``wanted`` holds for: what extensions read in ``opts``, and what a run inside of it goes by."""
        table, before = self.app.settings.table, self.overrides
        self.overrides = {**before, **{key: table.find(key).checked(value) for key, value in wanted.items() if key in table}}
        try:
            yield
        finally:
            self.overrides = before

    def output_of(self, picture: Any) -> OutputImage | None:
        """What is known of a picture that this job made."""
        return next((each for each in reversed(self.made) if each.picture is picture), None)


_work: ContextVar[RunningWork] = ContextVar("running_work")


def running_work() -> RunningWork | None:
    """The job on this thread, None outside of one."""
    return _work.get(None)


def by_hand(p: Any) -> Any:
    """The ByHand that makes the latents of the batch of ``p`` that is at work. Raises NotHere outside of one."""
    work = running_work()
    at_work: list[Any] = list(reversed(work.listeners)) if work is not None else []
    of_p = [each for each in at_work if getattr(each, "p", None) is p]
    found = next((each.hand for each in (*of_p, *at_work) if getattr(each, "hand", None) is not None), None)
    if found is None:
        raise NotHere(_OUTSIDE)
    return found


@contextmanager
def working(work: RunningWork) -> Iterator[RunningWork]:
    """While ``work`` is carried out on this thread, A1111's names speak for its server."""
    token = _work.set(work)
    try:
        with ExitStack() as stack:
            if not is_occupied():
                stack.enter_context(occupied(work.app))
            yield work
    finally:
        _work.reset(token)
