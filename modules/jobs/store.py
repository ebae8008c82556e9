"""Jobs on disk, in SQLite: what waits survives a restart, and a job that brings the server down twice is not tried again."""
from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from modules.jobs.job import LONG_TEXT, Job, JobState, without_pictures

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
PATIENCE = (5.0, 25.0)          # seconds that a lock of another program is waited for: at each write, and once more at the start
KEEP_FINISHED = 500             # rows of history
KEEP_PICTURES = 20              # of the newest jobs that did not end well, so that they can be tried again as they were
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL, source TEXT NOT NULL,
    created REAL NOT NULL, started REAL, finished REAL, state TEXT NOT NULL, attempts INTEGER NOT NULL, summary TEXT NOT NULL, error TEXT,
    ended INTEGER);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = "id, kind, payload, source, created, started, finished, state, attempts, summary, error"
_NEXT_END = "(SELECT coalesce(max(ended), 0) + 1 FROM jobs)"     # the order in which jobs ended; a computer's clock may be set back


class JobStore:
    """The jobs table. Every call is one short transaction; callable from any thread."""

    def __init__(self, database: str, lock_file: Any = None, patience: float = PATIENCE[0]) -> None:
        """database: a path, or ":memory:". lock_file: kept open as long as the store is, to hold its lock.

        patience: seconds that opening waits for another program which has the file locked.
        Raises sqlite3.Error where it cannot be used, also where it can only be read.
        """
        self._lock = threading.Lock()
        self._lock_file = lock_file
        self._connection = sqlite3.connect(database, check_same_thread=False, timeout=patience)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
            if not any(row[1] == "ended" for row in self._connection.execute("PRAGMA table_info(jobs)")):
                self._connection.execute("ALTER TABLE jobs ADD COLUMN ended INTEGER")       # of an older version
            self._connection.execute(f"SELECT {_COLUMNS} FROM jobs LIMIT 1").fetchall()
            self._connection.execute("DELETE FROM facts WHERE 0")       # nothing above this asks whether the file can be written
            self._connection.rollback()
            self._connection.execute(f"PRAGMA busy_timeout={int(PATIENCE[0] * 1000)}")
        except BaseException:
            self._connection.close()
            raise

    def add(self, job: Job) -> None:
        """Remember a new job, behind all others. A finished job of the same id gives way to it."""
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (job.id,))
            self._connection.execute(f"INSERT INTO jobs ({_COLUMNS}, ended) VALUES (?,?,?,?,?,?,?,?,?,?,?,{_NEXT_END if job.is_over else 'NULL'})", _row(job))

    def save(self, job: Job) -> None:
        """Write down how a job stands."""
        with self._lock, self._connection:
            self._connection.execute(
                f"UPDATE jobs SET started=?, finished=?, state=?, attempts=?, summary=?, error=?, ended={_NEXT_END if job.is_over else 'NULL'} WHERE id=?",
                (job.started, job.finished, job.state.value, job.attempts, json.dumps(job.summary), job.error, job.id))
            if job.state is JobState.DONE:
                self._drop_pictures([(job.id, job.payload)])
            elif job.is_over:
                rows = self._connection.execute(
                    "SELECT id, payload FROM jobs WHERE state IN ('failed', 'interrupted', 'set_aside') AND length(payload) > ? "
                    "ORDER BY place DESC LIMIT 10 OFFSET ?", (LONG_TEXT, KEEP_PICTURES)).fetchall()
                self._drop_pictures([(id, json.loads(payload)) for id, payload in rows])

    def _drop_pictures(self, payloads: Iterable[tuple[str, Any]]) -> None:
        self._connection.executemany(
            "UPDATE jobs SET payload=? WHERE id=?", [(json.dumps(without_pictures(payload)), id) for id, payload in payloads])

    def reorder(self, ids: Sequence[str]) -> None:
        """Give waiting jobs the places that they hold together, in this order; ids that are not in the store are passed over."""
        with self._lock, self._connection:
            marks = ",".join("?" * len(ids))
            rows = self._connection.execute(f"SELECT place, id FROM jobs WHERE state='queued' AND id IN ({marks}) ORDER BY place", list(ids)).fetchall()
            stored = {id for _place, id in rows}
            pairs = [(place, id) for (place, _id), id in zip(rows, [each for each in ids if each in stored])]
            self._connection.executemany("UPDATE jobs SET place=? WHERE id=?", [(-place, id) for place, id in pairs])   # places are unique
            self._connection.executemany("UPDATE jobs SET place=? WHERE id=?", pairs)

    def fact(self, name: str) -> str:
        """A remembered word about the whole queue; "" when there is none."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def set_fact(self, name: str, value: str) -> None:
        """Remember a word about the whole queue."""
        with self._lock, self._connection:
            self._connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    def trim(self, keep: int = KEEP_FINISHED) -> None:
        """Forget the oldest finished jobs beyond ``keep``."""
        with self._lock, self._connection:
            self._connection.execute(
                "DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND place NOT IN "
                "(SELECT place FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY place DESC LIMIT ?)", (keep,))

    def remove(self, job_id: str) -> None:
        """Forget one finished job."""
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (job_id,))

    def recover(self) -> list[Job]:
        """The jobs to run, in order, after a start. What was running is first in line again, or set aside after two attempts."""
        with self._lock, self._connection:
            self._connection.execute(
                f"UPDATE jobs SET state='set_aside', finished=?, error=?, ended={_NEXT_END} WHERE state='running' AND attempts >= ?",
                (time.time(), SET_ASIDE_SENTENCE, MAX_ATTEMPTS))
            self._connection.execute("UPDATE jobs SET state='queued', started=NULL WHERE state='running'")
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE state='queued' ORDER BY place").fetchall()
        return list(_jobs(rows))

    def find(self, job_id: str) -> Job | None:
        """A job by its id, without what lived in memory."""
        with self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchall()
        return next(_jobs(rows), None)

    def finished(self, count: int) -> list[Job]:
        """The last ``count`` jobs that are over, newest first."""
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY ended DESC, finished DESC, place DESC LIMIT ?",
                (count,)).fetchall()
        return list(_jobs(rows))

    def close(self) -> None:
        """Let go of the file. Calls after this raise sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()
            if self._lock_file is not None:
                self._lock_file.close()


SET_ASIDE_SENTENCE = ("This job was running when the server died, twice, so it is not tried again. "
                      "Try it smaller (size, batch), or look at the console for what went wrong.")


def open_store(path: Path) -> tuple[JobStore, list[str]]:
    """The store at ``path``, and sentences about what had to be done for it.

    A damaged file is set aside as ``NAME.corrupt-TIME``. Where a second server already uses the folder, or the folder or the
    file cannot be written (read-only, locked, full disk), jobs are kept in memory: they work, but do not survive a restart,
    and the file stays as it is for the next start.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_file = _take_lock(path.with_name(path.name + ".lock"))
    except OSError as error:
        return JobStore(":memory:"), [f"{path.parent} cannot be written ({error.strerror}): the queue will not survive a restart."]
    if lock_file is None:
        return JobStore(":memory:"), [f"Another server uses {path}: this one's queue will not survive a restart."]
    try:
        return _opened(path, lock_file), []
    except (sqlite3.DatabaseError, OSError) as error:
        if not _is_damage(error, path):
            return JobStore(":memory:", lock_file), [(f"{path} cannot be used now ({error}): the queue will not survive a restart. "
                                                     "What waits in the file is taken up at the next start that can write it.")]
        aside = _set_file_aside(path)
        try:
            return JobStore(str(path), lock_file), [f"The queue in {path} was damaged ({error}); it was kept as {aside.name} and a new one begun."]
        except (sqlite3.DatabaseError, OSError) as second:
            return JobStore(":memory:", lock_file), [f"{path} cannot be used ({second}): the queue will not survive a restart."]


def _opened(path: Path, lock_file: Any) -> JobStore:
    try:
        return JobStore(str(path), lock_file, PATIENCE[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        log.warning("another program has %s locked (a backup, perhaps); it is waited for, up to %g s", path, PATIENCE[1])
        return JobStore(str(path), lock_file, PATIENCE[1])


def _is_damage(error: Exception, path: Path) -> bool:
    """Whether the file will never be a queue's again. A lock, a full disk and a missing permission pass, and jobs may wait in it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF         # the lowest byte is the kind, what is above it the detail
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or path.is_dir()


def _set_file_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        try:
            os.replace(str(path) + suffix, str(aside) + suffix)
        except OSError:
            continue
    return aside


def _take_lock(path: Path) -> Any:
    """An open file that holds the lock until it is closed or the process ends; None when another process has it."""
    file = open(path, "a+b")            # noqa: SIM115  kept open on purpose
    try:
        if os.name == "nt":
            import msvcrt
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)       # type: ignore[attr-defined]
        else:
            import fcntl
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _row(job: Job) -> tuple[Any, ...]:
    return (job.id, job.kind, json.dumps(dict(job.payload)), job.source, job.created, job.started, job.finished, job.state.value,
            job.attempts, json.dumps(job.summary), job.error)


def _jobs(rows: Iterable[tuple[Any, ...]]) -> Iterator[Job]:
    for row in rows:
        try:
            job = Job(id=row[0], kind=row[1], payload=json.loads(row[2]), source=row[3], created=row[4], started=row[5], finished=row[6],
                      state=JobState(row[7]), attempts=row[8], summary=json.loads(row[9]), error=row[10])
        except (ValueError, TypeError):
            log.warning("job %r in the store cannot be read and is passed over", row[0])
            continue
        if job.is_over:
            job.over.set()
        yield job
