"""The queue keeps its order, its worker outlives every job, and interrupting one job touches no other."""
from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modules.jobs.job import Job, JobState
from modules.jobs.queue import KEEP_RESULTS, JobQueue
from modules.jobs.store import JobStore
from modules.schema.errors import Busy, FileChanged, InvalidValue


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("nothing")


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def queue(gate: threading.Event) -> Iterator[JobQueue]:
    runners: dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]] = {}
    made = JobQueue(JobStore(":memory:"), runners, max_pending=50)

    def hold(job: Job) -> tuple[Any, dict[str, Any]]:
        while not gate.is_set() and not job.cancel.interrupted:
            time.sleep(0.002)
        return job.payload["k"], {"k": job.payload["k"]}

    def nested(job: Job) -> tuple[Any, dict[str, Any]]:
        inner = made.wait(made.submit("hold", {"k": "inner"}))
        return ("outer", inner.result), {}

    def fail(job: Job) -> tuple[Any, dict[str, Any]]:
        raise {"exit": SystemExit(3), "memory": MemoryError(), "value": ValueError("odd"), "half a character": InvalidValue("no \ud800"), "half of one": KeyError("\udfff"), "mute": Mute()}[job.payload["how"]]

    runners |= {"odd summary": lambda job: (5, {"k": {1, 2}}), "hold": hold, "nested": nested, "fail": fail, "depth": lambda job: (sys.getrecursionlimit(), {})}
    made.start()
    yield made
    gate.set()
    made.close()


def until(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not claim():
        assert time.monotonic() < end, "did not happen within 5 s"
        time.sleep(0.002)


def test_first_come_first_served_with_positions(queue: JobQueue, gate: threading.Event) -> None:
    jobs = [queue.submit("hold", {"k": k}) for k in range(4)]
    until(lambda: queue.running() is jobs[0])
    assert [queue.position(job.id) for job in jobs] == [0, 1, 2, 3]
    assert queue.pending() == tuple(jobs[1:])
    gate.set()
    assert [queue.wait(job, 5).result for job in jobs] == [0, 1, 2, 3]
    assert all(job.state is JobState.DONE for job in jobs)
    assert [job.started for job in jobs] == sorted(job.started or 0 for job in jobs)
    assert queue.position(jobs[0].id) is None
    assert [job.id for job in queue.recent(2)] == [jobs[3].id, jobs[2].id]


@pytest.mark.parametrize("how", ["exit", "memory", "value", "half a character", "half of one", "mute"])
def test_no_exception_kills_the_worker(queue: JobQueue, gate: threading.Event, how: str) -> None:
    gate.set()
    bad = queue.wait(queue.submit("fail", {"how": how}), 5)
    assert bad.state is JobState.FAILED and bad.error
    assert queue.wait(queue.submit("hold", {"k": 7}), 5).result == 7
    unknown = queue.wait(queue.submit("no such kind", {}), 5)
    assert "no such kind" in (unknown.error or "") and "try it again" in (unknown.error or "")
    assert queue.wait(queue.submit("odd summary", {}), 5).result == 5          # no file can hold it
    assert queue.wait(queue.submit("hold", {"k": 8}), 5).result == 8


@pytest.mark.group("R11")
def test_a_job_whose_file_was_overwritten_meanwhile_is_begun_again_once() -> None:
    begun: list[int] = []

    def read(job: Job) -> tuple[Any, dict[str, Any]]:
        begun.append(job.attempts)
        if job.payload["times"] >= job.attempts:
            raise FileChanged("a.safetensors", "it was overwritten since the model was loaded")
        return "drawn", {}

    queue = JobQueue(JobStore(":memory:"), {"read": read})
    queue.start()
    try:
        once, ever = (queue.wait(queue.submit("read", {"times": times})) for times in (1, 9))
    finally:
        queue.close()
    assert (once.state, once.result, once.error) == (JobState.DONE, "drawn", None)
    assert ever.state is JobState.FAILED and "overwritten" in str(ever.error) and begun == [1, 2, 1, 2]


def test_interrupt_stops_only_the_job_it_names(queue: JobQueue) -> None:
    jobs = [queue.submit("hold", {"k": k}) for k in range(3)]
    until(lambda: queue.running() is jobs[0])
    assert queue.interrupt(jobs[1].id)
    assert jobs[1].state is JobState.INTERRUPTED and jobs[1].over.is_set()
    assert not jobs[0].cancel.interrupted and not jobs[2].cancel.interrupted
    assert queue.interrupt()
    queue.wait(jobs[0], 5)
    assert jobs[0].state is JobState.INTERRUPTED and jobs[0].result == 0        # what it had is kept
    until(lambda: queue.running() is jobs[2])
    assert not queue.interrupt("nobody") and not queue.skip(jobs[0].id)
    assert queue.skip() and jobs[2].cancel.skipped
    assert queue.interrupt(jobs[2].id)


def test_a_nested_job_runs_inline(queue: JobQueue, gate: threading.Event) -> None:
    gate.set()
    assert queue.wait(queue.submit("nested", {}), 5).result == ("outer", "inner")


def test_call_runs_on_the_worker_between_jobs(queue: JobQueue, gate: threading.Event) -> None:
    first, second = queue.submit("hold", {"k": 1}), queue.submit("hold", {"k": 2})
    until(lambda: queue.running() is first)
    with pytest.raises(TimeoutError):
        queue.call(lambda: None, timeout=0.01)
    gate.set()
    name, started = queue.call(lambda: (threading.current_thread().name, second.started))
    assert name == "jobs"
    assert started is None or second.is_over
    with pytest.raises(ZeroDivisionError):
        queue.call(lambda: 1 / 0)
    assert queue.call(lambda: queue.call(lambda: 5)) == 5


def test_limits(queue: JobQueue) -> None:
    first = queue.submit("hold", {"k": 0}, id="mine")
    until(lambda: queue.running() is first)
    with pytest.raises(InvalidValue):
        queue.submit("hold", {"k": 0}, id="mine")
    with pytest.raises(InvalidValue):
        queue.submit("hold", {"k": 0}, id="a\nb")
    for k in range(50):
        queue.submit("hold", {"k": k})
    with pytest.raises(Busy):
        queue.submit("hold", {"k": 51})


def test_history_in_memory_is_bounded(queue: JobQueue, gate: threading.Event) -> None:
    gate.set()
    jobs = [queue.submit("hold", {"k": [k] * 10}) for k in range(KEEP_RESULTS + 5)]
    for job in jobs:
        queue.wait(job, 5)
    known = [queue.find(job.id) for job in jobs]
    assert sum(job is not None and job.result is not None for job in known) == KEEP_RESULTS
    assert known[0] and known[0].summary == {"k": [0] * 10} and known[0].is_over
    assert jobs[0].result == [0] * 10       # whoever waited for it has it


def test_sixty_threads_lose_nothing(queue: JobQueue, gate: threading.Event) -> None:
    gate.set()
    answers: dict[int, Any] = {}

    def ask(k: int) -> None:
        answers[k] = queue.wait(queue.submit("hold", {"k": k}), 10).result

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(48)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == {k: k for k in range(48)}


def test_whoever_waits_is_told_once(queue: JobQueue, gate: threading.Event) -> None:
    told: list[str] = []
    job = queue.submit("hold", {"k": 1})
    job.when_over(lambda: told.append("before"))
    job.when_over(lambda: told.append(str(1 / 0)))
    job.when_over(lambda: told.append(str(job.result)))
    gate.set()
    queue.wait(job, 5)
    until(lambda: len(told) == 2)
    job.when_over(lambda: told.append("late"))
    assert told == ["before", "1", "late"]
    assert queue.call_soon(lambda: 3).result(5) == 3


def test_before_the_worker_begins_a_call_runs_where_it_is_made() -> None:
    """An extension asks for the model while the server is being built: waiting for a worker that begins afterwards, the server never came up."""
    made = JobQueue(JobStore(":memory:"), {})
    here = threading.current_thread()
    found: list[threading.Thread] = []
    asking = threading.Thread(target=lambda: found.append(made.call(lambda: made.call(threading.current_thread))), daemon=True)
    asking.start()
    asking.join(5)
    assert found == [asking]
    made.start()
    assert made.call(threading.current_thread) not in (here, asking)
    made.close()
