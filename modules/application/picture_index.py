"""The pictures of the output folders, searchable: an index in SQLite that follows the folders, whoever writes into them."""
from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from modules.imaging.formats import SHOWN_SUFFIXES
from modules.imaging.metadata import read_infotext_from
from modules.schema.infotext_read import parse_infotext

log = logging.getLogger(__name__)
MOST_PICTURES = 500_000
MOST_ANSWERED = 500
_SCAN_PAUSE = 2.0               # seconds between two looks at the folders, at least
_BATCH = 100                    # pictures per transaction
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, folder TEXT NOT NULL, changed REAL NOT NULL, size INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, infotext TEXT NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, seed TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS pictures_by_time ON pictures (changed DESC, id DESC);
"""
_COLUMNS = "id, path, folder, changed, width, height, infotext, prompt, model, seed"


@dataclass(frozen=True, kw_only=True)
class IndexedPicture:
    """folder: name of the output folder it lies in. changed: seconds since 1970. width, height: pixels."""

    id: int
    path: Path
    folder: str
    changed: float
    width: int
    height: int
    infotext: str
    prompt: str
    model: str
    seed: str


@dataclass(frozen=True, kw_only=True)
class Search:
    """words: all of them must be in the picture's text. model, folder: exactly; "" for any. since, until: seconds since 1970."""

    words: str = ""
    model: str = ""
    folder: str = ""
    since: float | None = None
    until: float | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The SQL condition and its values."""
        conditions, values = ["1"], []
        for word in self.words.split()[:20]:
            escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            conditions.append("(infotext LIKE ? ESCAPE '\\' OR path LIKE ? ESCAPE '\\')")
            values += [f"%{escaped}%"] * 2
        for column, value in (("model", self.model), ("folder", self.folder)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        if self.since is not None:
            conditions.append("changed >= ?")
            values.append(self.since)
        if self.until is not None:
            conditions.append("changed < ?")
            values.append(self.until)
        return " AND ".join(conditions), values


class PictureIndex:
    """Reads folders on a thread of its own; searches answer at once with what is known. Callable from any thread."""

    def __init__(self, database: Path, folders: Callable[[], Sequence[Path]]) -> None:
        """folders: asked at each scan; those below another one are part of it. The file is opened at the first use."""
        self._database = database
        self._folders = folders
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._scan: threading.Thread | None = None
        self._scanned = -_SCAN_PAUSE
        self._closed = False

    def refresh(self, *, wait: bool = False) -> bool:
        """Look through the folders unless that was just done. Returns whether a scan is under way. wait: until it is over."""
        with self._lock:
            running = self._scan is not None and self._scan.is_alive()
            if not running and (wait or time.monotonic() - self._scanned > _SCAN_PAUSE):
                self._scan = threading.Thread(target=self._look, name="picture-index", daemon=True)
                self._scan.start()
                running = True
            scan = self._scan
        if scan is not None and running:
            scan.join(None if wait else 0.2)       # a short one is over before the answer
            return scan.is_alive()
        return False

    def search(self, asked: Search, *, offset: int = 0, count: int = 60) -> tuple[int, list[IndexedPicture]]:
        """How many there are, and ``count`` of them from ``offset`` on, newest first."""
        condition, values = asked.where()
        with self._lock:
            total = self._open().execute(f"SELECT count(*) FROM pictures WHERE {condition}", values).fetchone()[0]
            rows = self._open().execute(
                f"SELECT {_COLUMNS} FROM pictures WHERE {condition} ORDER BY changed DESC, id DESC LIMIT ? OFFSET ?",
                [*values, max(0, min(count, MOST_ANSWERED)), max(0, min(offset, MOST_PICTURES))]).fetchall()
        return total, [_picture(row) for row in rows]

    def values(self, column: str) -> list[str]:
        """The different models or folders, most frequent first."""
        assert column in ("model", "folder")
        with self._lock:
            rows = self._open().execute(f"SELECT {column} FROM pictures WHERE {column} != '' GROUP BY 1 ORDER BY count(*) DESC LIMIT 500").fetchall()
        return [row[0] for row in rows]

    def find(self, id: int) -> IndexedPicture | None:
        """A picture that lies in one of the folders of now."""
        with self._lock:
            row = self._open().execute(f"SELECT {_COLUMNS} FROM pictures WHERE id = ?", (id,)).fetchone()
        return _picture(row) if row else None

    def forget(self, id: int) -> None:
        """It is gone from its folder. Where the index cannot be written now (locked, full disk), the next scan finds that out."""
        try:
            with self._lock, self._open() as connection:
                connection.execute("DELETE FROM pictures WHERE id = ?", (id,))
        except (OSError, sqlite3.Error) as error:
            log.warning("a picture that is gone stays in the history until its next scan: %s", error)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("the picture index is closed")
        if self._connection is None:
            self._connection = _opened(self._database)
        return self._connection

    def _look(self) -> None:
        try:
            there = dict(_pictures_in(_outermost(self._folders())))
            with self._lock:
                known = {row[0]: (row[1], row[2], row[3]) for row in self._open().execute("SELECT path, folder, changed, size FROM pictures")}
            self._drop([path for path in known if path not in there])
            fresh = [(path, facts) for path, facts in there.items() if known.get(path) != facts]
            for start in range(0, len(fresh), _BATCH):
                self._put([_row(path, *facts) for path, facts in fresh[start : start + _BATCH]])
        except (OSError, sqlite3.Error) as error:
            log.warning("the picture history could not be brought up to date: %s", error)
        finally:
            self._scanned = time.monotonic()

    def _drop(self, paths: Sequence[str]) -> None:
        if paths:
            with self._lock, self._open() as connection:
                connection.executemany("DELETE FROM pictures WHERE path = ?", [(path,) for path in paths])

    def _put(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock, self._open() as connection:
            connection.executemany(
                "INSERT INTO pictures (path, folder, changed, size, width, height, infotext, prompt, model, seed) VALUES (?,?,?,?,?,?,?,?,?,?) "
                "ON CONFLICT (path) DO UPDATE SET folder=excluded.folder, changed=excluded.changed, size=excluded.size, width=excluded.width, "
                "height=excluded.height, infotext=excluded.infotext, prompt=excluded.prompt, model=excluded.model, seed=excluded.seed", rows)


def _opened(path: Path) -> sqlite3.Connection:
    """The index; one that is damaged is made anew, and one that cannot be written lives in memory: it only repeats the folders."""
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _connected(str(path))
        except (sqlite3.Error, OSError) as error:
            log.warning("the picture index %s is made anew: %s", path, error)
        try:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        except OSError as error:            # a folder that may only be read
            log.warning("the picture index is kept in memory until the next start: %s", error)
            break
    return _connected(":memory:")


def _connected(database: str) -> sqlite3.Connection:
    connection = sqlite3.connect(database, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_SCHEMA)
        connection.execute(f"SELECT {_COLUMNS}, size FROM pictures LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _outermost(folders: Sequence[Path]) -> list[Path]:
    real = {Path(os.path.realpath(folder)) for folder in folders}
    return sorted(folder for folder in real if not any(other in folder.parents for other in real))


def _pictures_in(folders: Sequence[Path]) -> Iterator[tuple[str, tuple[str, float, int]]]:
    """(path, (folder's name, time of change, size in bytes)) of each picture; links and hidden folders are not followed."""
    count = 0
    for base in folders:
        for folder, inner, names in os.walk(base):
            inner[:] = [name for name in inner if not name.startswith(".")]
            below = Path(folder).relative_to(base).parts
            for name in names:
                if os.path.splitext(name)[1].lower() not in SHOWN_SUFFIXES or name.startswith("."):
                    continue
                path = os.path.join(folder, name)
                try:
                    stat = os.stat(path, follow_symlinks=False)
                    path.encode("utf-8")
                except (OSError, UnicodeEncodeError):
                    continue
                yield path, (below[0] if below else base.name, stat.st_mtime, stat.st_size)
                count += 1
                if count >= MOST_PICTURES:
                    return


def _row(path: str, folder: str, changed: float, size: int) -> tuple[Any, ...]:
    """What the index keeps of a picture; one that cannot be read is kept without facts, so that it is not tried again."""
    width = height = 0
    infotext = ""
    try:
        with Image.open(path) as image:
            width, height = image.size
            infotext = (read_infotext_from(image)[0] or "")[:1_000_000]
    except Exception as error:          # Pillow raises what it likes
        log.debug("%s is not indexed: %s", path, error)
    infotext = infotext.encode("utf-8", "replace").decode("utf-8")
    read = parse_infotext(infotext) if infotext else {}
    return path, folder, changed, size, width, height, infotext, read.get("Prompt", ""), read.get("Model", ""), read.get("Seed", "")


def _picture(row: Sequence[Any]) -> IndexedPicture:
    return IndexedPicture(id=row[0], path=Path(row[1]), folder=row[2], changed=row[3], width=row[4], height=row[5], infotext=row[6],
                          prompt=row[7], model=row[8], seed=row[9])
