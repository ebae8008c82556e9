"""Order, pause and second tries survive the end of the server."""
from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modules.jobs.job import CancelToken, Job, JobState
from modules.jobs.queue import JobQueue
from modules.jobs.store import KEEP_PICTURES, open_store
from modules.schema.errors import InvalidValue

PICTURE = "A" * 30_000


def queue_over(folder: Path, done: list[str], fail: Mapping[str, Any] | None = None) -> JobQueue:
    def run(job: Job) -> tuple[Any, dict[str, Any]]:
        if job.payload.get("fails"):
            raise ValueError("no")
        done.append(job.id)
        return None, {}

    return JobQueue(open_store(folder / "jobs.sqlite3")[0], {"x": run})


def test_the_order_of_the_queue_survives_a_restart(tmp_path: Path) -> None:
    done: list[str] = []
    first = queue_over(tmp_path, done)
    first.start()
    first.pause()
    for id in "abcd":
        first.submit("x", {}, id=id)
    assert first.move("d", 1) and first.move("a", 99) and not first.move("nobody", 1)
    assert [job.id for job in first.pending()] == list("dbca")
    first.close()
    second = queue_over(tmp_path, done)
    second.start()
    assert second.paused and [job.id for job in second.pending()] == list("dbca") and done == []
    second.pause(False)
    for id in "dbca":
        second.wait(second.find(id) or pytest.fail(f"{id} is lost"), 5)
    assert done == list("dbca")
    second.close()
    third = queue_over(tmp_path, done)
    third.start()
    assert not third.paused
    third.close()


def test_what_failed_can_be_tried_again_with_its_pictures_after_a_restart(tmp_path: Path) -> None:
    first = queue_over(tmp_path, [])
    first.start()
    for number in range(KEEP_PICTURES + 3):
        first.wait(first.submit("x", {"fails": True, "request": {"init_images": [PICTURE]}}, id=f"f{number}"), 5)
    first.wait(first.submit("x", {"request": {}, "pictures": [{"data": PICTURE}]}, id="good"), 5)
    first.close()
    second = queue_over(tmp_path, [])
    second.start()
    again = second.retry(f"f{KEEP_PICTURES + 2}")
    assert again is not None and again.payload["request"]["init_images"] == [PICTURE]
    assert second.wait(again, 5).state is JobState.FAILED
    for id in ("f0", "good"):
        with pytest.raises(InvalidValue, match="kept no longer"):
            second.retry(id)
    assert second.retry("nobody") is None
    second.close()


def test_a_paused_job_waits_at_its_next_step_and_an_interrupt_frees_it() -> None:
    token, passed = CancelToken(), threading.Semaphore(0)

    def work() -> None:
        while not token.interrupted:
            token.hold()
            passed.release()

    token.pause()
    thread = threading.Thread(target=work)
    thread.start()
    assert not passed.acquire(timeout=0.1)
    token.resume()
    assert passed.acquire(timeout=2)
    token.pause()
    token.interrupt()
    thread.join(2)
    assert not thread.is_alive()
