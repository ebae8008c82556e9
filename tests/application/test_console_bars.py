"""What a person sees of a job on the console: bars on a terminal, a line in a file."""
from __future__ import annotations

import errno
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from modules.application.console_bars import ConsoleBars
from modules.jobs.job import Job
from modules.jobs.queue import JobQueue
from modules.jobs.store import open_store
from modules.launching.log_lines import LineHandler


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Chosen(dict[str, Any]):
    """Settings by key; what is not named is on."""

    def get(self, key: str, default: Any = True) -> Any:
        return super().get(key, default)


@contextmanager
def aside(stream: io.StringIO) -> Iterator[None]:
    """Whoever steps aside there writes to it first."""
    stream.write("\r")
    yield


def work(job: Job) -> tuple[Any, dict[str, Any]]:
    """Two batches of four steps."""
    job.progress.begin(2, 2)
    for batch in range(2):
        job.progress.begin_batch(batch)
        for step in range(4):
            job.progress.step(step + 1, 4)
            if job.payload.get("breaks") and batch:
                raise ValueError("in the middle")
    return None, {}


def done(tmp_path: Path, stream: io.StringIO, *, kind: str = "txt2img", settings: dict[str, Any] | None = None, **payload: Any) -> Job:
    store, _ = open_store(tmp_path / "jobs.sqlite3")
    queue = JobQueue(store, {kind: work})
    queue.around = ConsoleBars(Chosen(settings or {}), stream).around
    queue.start()
    job = queue.wait(queue.submit(kind, payload))
    queue.close()
    return job


def test_a_terminal_shows_a_bar_for_each_batch_and_one_for_all(tmp_path: Path) -> None:
    terminal = Terminal()
    job = done(tmp_path, terminal)
    text = terminal.getvalue()
    assert job.state.value == "done" and job.progress.heard is None
    assert len(re.findall(r"100%\|[^\r\n]*\| 4/4 \[", text)) >= 2 and "Total progress" in text and re.search(r"8/8 \[.*it/s", text)


@pytest.mark.parametrize(("steps", "told"), [((2, 3, 4), "9/9"), ((4, 3, 2), "9/9")])
def test_the_whole_jobs_bar_counts_the_steps_that_each_batch_had(tmp_path: Path, steps: tuple[int, ...], told: str) -> None:
    def uneven(job: Job) -> tuple[Any, dict[str, Any]]:
        job.progress.begin(len(steps), len(steps))
        for batch, count in enumerate(steps):
            job.progress.begin_batch(batch)
            for step in range(count):
                job.progress.step(step + 1, count)
        return None, {}

    terminal, queue = Terminal(), JobQueue(open_store(tmp_path / "jobs.sqlite3")[0], {"txt2img": uneven})
    queue.around = ConsoleBars(Chosen({}), terminal).around
    queue.start()
    queue.wait(queue.submit("txt2img", {}))
    queue.close()
    assert re.search(rf"Total progress: 100%\|[^\r\n]*\| {told} ", terminal.getvalue().rsplit("\r", 1)[-1])


def test_the_settings_leave_bars_out(tmp_path: Path) -> None:
    terminal = Terminal()
    done(tmp_path, terminal, settings={"multiple_tqdm": False})
    assert "4/4" in terminal.getvalue() and "Total" not in terminal.getvalue()
    terminal = Terminal()
    done(tmp_path, terminal, kind="extras", settings={"enable_upscale_progressbar": False})
    assert terminal.getvalue() == ""


def test_a_file_gets_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = io.StringIO()
    done(tmp_path, file)
    assert file.getvalue() == "" and re.search(r"txt2img: 8 steps in [\d.]+ s, [\d.]+ it/s", caplog.text)


def test_a_job_that_breaks_off_leaves_no_bar_behind(tmp_path: Path) -> None:
    terminal = Terminal()
    job = done(tmp_path, terminal, breaks=True)
    assert job.state.value == "failed" and job.progress.heard is None and terminal.getvalue().endswith("\n")


def test_a_terminal_that_takes_nothing_stops_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Terminal):
        def write(self, _text: str) -> int:
            raise BlockingIOError(errno.EAGAIN, "takes no more for the moment")

    handler = LineHandler(io.StringIO())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(logging, "raiseExceptions", False)
    assert done(tmp_path, Full()).state.value == "done"
    for lock in tqdm.get_lock().locks:
        assert lock.acquire(timeout=5), "each line of the log would wait for it, and each later bar"
        lock.release()
    handler.between = lambda: aside(Full())
    logging.getLogger("modules").warning("a word")


def test_lines_of_the_log_stand_between_the_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    handler = LineHandler(terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    entered = []

    class Aside:
        def __enter__(self) -> None:
            entered.append(len(terminal.getvalue()))

        def __exit__(self, *_: object) -> None: ...

    done(tmp_path, terminal)
    assert "tqdm" in repr(handler.between)
    handler.between = Aside
    logging.getLogger("modules").warning("a word")
    assert entered and terminal.getvalue().endswith("a word\n")
