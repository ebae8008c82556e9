"""What waits survives kill -9; a job that brings the server down twice is set aside; a damaged file never stops a start."""
from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.jobs.job import NOT_KEPT, Job, JobState
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore, open_store

ROOT = Path(__file__).parents[2]
SERVER = """
import os, sys, time
from pathlib import Path
from modules.jobs.queue import JobQueue
from modules.jobs.store import open_store
store, notices = open_store(Path(sys.argv[1]))
assert not notices, notices
def killer(job):
    print("running", job.id, flush=True)
    if job.id == "bad":
        os.kill(os.getpid(), 9)
    return None, {}
queue = JobQueue(store, {"k": killer})
if sys.argv[2] == "first":
    queue.submit("k", {"n": 0}, id="bad")
    for n in range(20):
        queue.submit("k", {"n": n}, id=f"job-{n:02}")
queue.start()
while queue.pending() or queue.running():
    time.sleep(0.01)
queue.close()
"""


def serve(database: Path, how: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SERVER, str(database), how], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return [line.removeprefix("running ") for line in done.stdout.splitlines()]


@pytest.mark.group("R12")
def test_kill_9_with_one_running_and_twenty_pending(tmp_path: Path) -> None:
    database = tmp_path / "jobs.sqlite3"
    assert serve(database, "first") == ["bad"]
    assert serve(database, "again") == ["bad"]          # tried once more, at its old place
    assert serve(database, "again") == [f"job-{n:02}" for n in range(20)]
    store, _ = open_store(database)
    bad = store.find("bad")
    assert bad and bad.state is JobState.SET_ASIDE and bad.attempts == 2 and "twice" in (bad.error or "")
    assert store.recover() == []
    store.close()


@pytest.mark.group("R21")
def test_an_orderly_stop_keeps_the_waiting_and_ends_the_running(tmp_path: Path) -> None:
    store, _ = open_store(tmp_path / "jobs.sqlite3")

    def hold(job: Job) -> tuple[Any, dict[str, Any]]:
        while not job.cancel.interrupted:
            time.sleep(0.002)
        return None, {"kept": 1}

    queue = JobQueue(store, {"hold": hold})
    queue.start()
    first, _second = queue.submit("hold", {}, id="first"), queue.submit("hold", {"a": 1}, id="second")
    while queue.running() is not first:
        time.sleep(0.002)
    queue.close()
    again, notices = open_store(tmp_path / "jobs.sqlite3")
    assert not notices
    assert [job.id for job in again.recover()] == ["second"]
    found = again.find("first")
    assert found and found.state is JobState.INTERRUPTED and found.summary == {"kept": 1}
    again.close()


@pytest.mark.group("R21")
def test_a_step_that_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    """Its job is over all the same: a stop is no crash, and the next start does not begin it again."""
    store, _ = open_store(tmp_path / "jobs.sqlite3")
    begun, go_on = threading.Event(), threading.Event()

    def long_step(job: Job) -> tuple[Any, dict[str, Any]]:
        begun.set()
        go_on.wait(20)
        return None, {}

    queue = JobQueue(store, {"long": long_step})
    queue.start()
    queue.submit("long", {}, id="first")
    queue.submit("long", {}, id="second")
    assert begun.wait(5) and not queue.close(0.05)
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as found:
        assert found.execute("SELECT id, state, attempts FROM jobs ORDER BY place").fetchall() == [("first", "interrupted", 1), ("second", "queued", 0)]
    go_on.set()
    assert queue.close(5)


def test_a_second_server_does_not_touch_the_first_ones_jobs(tmp_path: Path) -> None:
    first, _ = open_store(tmp_path / "jobs.sqlite3")
    first.add(Job(id="a", kind="k", payload={}, state=JobState.RUNNING, attempts=1))
    second, notices = open_store(tmp_path / "jobs.sqlite3")
    assert "Another server" in notices[0]
    assert second.recover() == [] and second.find("a") is None
    first.close()
    second.close()


@pytest.mark.parametrize("damage", [b"", b"\x00" * 5000, b"SQLite format 3\x00" + b"\xff" * 5000, b"{json}", b"\xef\xbb\xbf" * 100])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(damage)
    store, notices = open_store(path)
    store.add(Job(id="a", kind="k", payload={}))
    assert [job.id for job in store.recover()] == ["a"]
    store.close()
    if damage:
        assert "damaged" in notices[0]
        assert [each.read_bytes() for each in tmp_path.glob("*.corrupt-*") if each.suffix != ".lock"] == [damage]


def test_a_truncated_store_and_a_folder_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    store, _ = open_store(path)
    for n in range(200):
        store.add(Job(id=str(n), kind="k", payload={"x": "y" * 500}))
    store.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    store, _ = open_store(path)
    store.add(Job(id="new", kind="k", payload={}))
    store.close()
    folder = tmp_path / "sub" / "jobs.sqlite3"
    folder.mkdir(parents=True)
    store, notices = open_store(folder)
    store.add(Job(id="new", kind="k", payload={}))
    assert notices
    store.close()


@pytest.mark.parametrize("trouble", ["locked", "read-only", "locked after it was opened"])
def test_a_file_that_cannot_be_written_stops_no_start_and_keeps_what_waits(trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is there again when it can be written. A backup program locks a file; a "newer" format makes SQLite only read it."""
    monkeypatch.setattr("modules.jobs.store.PATIENCE", (0.05, 0.05))
    path = tmp_path / "jobs.sqlite3"
    store, _ = open_store(path)
    store.add(Job(id="waiting", kind="k", payload={}))
    store.close()
    other = sqlite3.connect(path, isolation_level=None)
    if trouble == "locked":
        other.execute("BEGIN EXCLUSIVE")
    if trouble == "read-only":
        whole = path.read_bytes()
        path.write_bytes(whole[:18] + b"\x03" + whole[19:])
    store, notices = open_store(path)
    if trouble == "locked after it was opened":
        other.execute("BEGIN EXCLUSIVE")
    else:
        assert "will not survive a restart" in notices[0]
    queue = JobQueue(store, {"k": lambda _job: ("drawn", {})})
    queue.start()
    assert queue.wait(queue.submit("k", {}), timeout=5).result == "drawn"
    assert queue.close(5)
    other.close()
    if trouble == "read-only":
        path.write_bytes(whole)
    store, notices = open_store(path)
    assert [job.id for job in store.recover()] == ["waiting"] and not notices
    store.close()


def test_what_came_while_the_file_was_locked_is_written_when_it_no_longer_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its place, and what was finished meanwhile as finished; what no file can hold keeps nothing else from being written."""
    monkeypatch.setattr("modules.jobs.store.PATIENCE", (0.05, 0.05))
    path, go = tmp_path / "jobs.sqlite3", threading.Event()
    store, _ = open_store(path)
    queue = JobQueue(store, {"k": lambda job: (go.wait(20), {"drawn": job.id})})
    queue.start()
    first = queue.submit("k", {}, id="first")
    while queue.running() is None:
        time.sleep(0.005)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    queue.submit("k", {"n": object()}, id="unwritable")
    queue.submit("k", {}, id="while locked")
    queue.interrupt("unwritable")
    queue.pause()
    go.set()
    queue.wait(first, 10)
    other.close()
    queue.submit("k", {}, id="later")
    reader = JobStore(str(path))            # as the next start would find it, were the server killed now
    found = reader.find("first")
    assert found and found.state is JobState.DONE and found.summary == {"drawn": "first"}
    assert [job.id for job in reader.recover()] == ["while locked", "later"]
    reader.close()
    queue.close(5)


def test_a_short_lock_at_the_start_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.jobs.store.PATIENCE", (0.05, 5.0))
    store, _ = open_store(tmp_path / "jobs.sqlite3")
    store.add(Job(id="waiting", kind="k", payload={}))
    store.close()
    other = sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.3, other.close).start()
    store, notices = open_store(tmp_path / "jobs.sqlite3")
    assert [job.id for job in store.recover()] == ["waiting"] and not notices
    store.close()


def test_history_on_disk_is_bounded_and_old_pictures_leave(tmp_path: Path) -> None:
    store = JobStore(":memory:")
    for n in range(30):
        job = Job(id=str(n), kind="k", payload={"image": "x" * 100_000, "prompt": "a cat"})
        store.add(job)
        job.state, job.finished = JobState.DONE, float(n)
        store.save(job)
    store.trim(keep=10)
    kept = store.finished(100)
    assert [job.id for job in kept] == [str(n) for n in range(29, 19, -1)]
    assert all(job.payload == {"image": NOT_KEPT, "prompt": "a cat"} for job in kept)


def test_a_clock_that_is_set_back_or_forward_changes_neither_times_taken_nor_the_order_of_what_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_store(tmp_path / "jobs.sqlite3")
    clock = SimpleNamespace(time=lambda: time.time() + away[0], monotonic=time.monotonic)
    monkeypatch.setattr("modules.jobs.job.time", clock)
    away = [0.0]

    def set_clock(job: Job) -> tuple[Any, dict[str, Any]]:
        away[0] += job.payload["by"]
        return None, {}

    queue = JobQueue(store, {"set": set_clock})
    queue.start()
    names = ("now", "an hour back", "a day forward", "a week back")
    jobs = [queue.wait(queue.submit("set", {"by": by}, id=name), 5) for name, by in zip(names, (0, -3600, 86400, -7 * 86400))]
    assert all(job.started and job.finished and 0 <= job.finished - job.started < 5 for job in jobs)
    assert [job.id for job in queue.recent(9)] == list(reversed(names))
    queue.close()
    again, _ = open_store(tmp_path / "jobs.sqlite3")
    assert [job.id for job in again.finished(9)] == list(reversed(names))
    again.close()


def test_the_queue_of_an_older_version_is_taken_over_with_its_history(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    store, _ = open_store(path)
    for name in ("first", "second"):
        store.add(Job(id=name, kind="k", payload={}, state=JobState.DONE, finished=time.time()))
    store.add(Job(id="waits", kind="k", payload={}))
    store.close()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("ALTER TABLE jobs DROP COLUMN ended")
    store, notices = open_store(path)
    (waiting,) = store.recover()
    waiting.end(JobState.DONE, None)
    store.save(waiting)
    assert not notices and [job.id for job in store.finished(9)] == ["waits", "second", "first"]
    store.close()
