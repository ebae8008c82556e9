"""Progress is reckoned as A1111 does, and a preview costs nothing unless somebody looks."""
from __future__ import annotations

import threading

import pytest

from modules.jobs.progress import Progress


def test_fraction_and_eta() -> None:
    now = [100.0]
    progress = Progress(clock=lambda: now[0])
    assert progress.snapshot().eta_seconds is None
    progress.begin(batches=2, images=4)
    progress.begin_batch(1)
    progress.step(5, 20)
    now[0] = 130.0
    shot = progress.snapshot()
    assert shot.fraction == pytest.approx(0.5 + 0.125)
    assert shot.eta_seconds == pytest.approx(30 / 0.625 - 30)
    progress.step(40, 20)
    assert progress.snapshot().fraction == 1.0


def test_a_preview_is_drawn_once_and_only_when_read() -> None:
    drawn: list[int] = []
    progress = Progress()

    def make(k: int) -> bytes:
        drawn.append(k)
        return bytes([k])

    for k in range(1, 6):
        progress.offer_preview(lambda k=k: make(k))
    readers = [threading.Thread(target=progress.preview) for _ in range(8)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert drawn == [5]
    progress.offer_preview(lambda: b"new")
    assert progress.preview(5) == b"\x05"       # the one that was drawn is still there
    assert progress.preview(3) is None
    assert progress.preview() == b"new"


def test_a_preview_that_fails_is_none_and_not_tried_again() -> None:
    calls: list[int] = []

    def fail() -> bytes:
        calls.append(1)
        raise RuntimeError("no")

    progress = Progress()
    progress.offer_preview(fail)
    assert progress.preview() is None and progress.preview() is None
    assert calls == [1]
    progress.drop_previews()
    assert progress.preview() is None and progress.snapshot().preview_id == 0
