"""The few calls that change the disk, in one replaceable object, so that a test can make the n-th of them fail or kill the process."""
from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar
from zlib import crc32

from modules.files.long_paths import longest_path
from modules.files.windows_refusal import ACCESS_DENIED, LOCK_VIOLATION, SHARING_VIOLATION, windows_reason

T = TypeVar("T")
TEMP_PREFIX = ".webui-tmp-"
PROGRAMS = frozenset(
    ".py .pyw .pyc .pyo .pyd .so .dylib .dll .exe .com .bat .cmd .ps1 .vbs .sh .js .mjs .cjs .hta .jar .msi .scr .lnk .desktop .htaccess".split()  # noqa: SIM905
)
_IN_USE = {ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION}       # Windows says the first too
_PATIENCE = 1.0                     # seconds; who looks through new files, a virus scanner or an indexer, is done with them sooner
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV, errno.EMLINK, errno.EACCES}


class StorageError(Exception):
    """A file could not be written; ``str()`` says which, why, and what to do. Carries an HTTP status like every error a front door shows."""

    status = 507

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class Storage:
    """Primitive steps of an atomic write. ``before`` is called ahead of each one with its name and path; tests override it."""

    def before(self, step: str, path: Path) -> None:
        """Fault injection point; does nothing in production."""

    def make_folder(self, folder: Path) -> None:
        """Create ``folder`` and its parents; one that exists is fine."""
        self.before("make_folder", folder)
        folder.mkdir(parents=True, exist_ok=True)

    def write_temp(self, folder: Path, data: bytes, mode: int = 0o666, *, lasting: bool = True) -> Path:
        """Write ``data`` to a new temporary file in ``folder``; nothing is left behind on failure. lasting: flushed to the device."""
        return self.write_temp_with(folder, lambda file: file.write(data), mode, lasting=lasting)

    def write_temp_with(self, folder: Path, write: Callable[[BinaryIO], object], mode: int = 0o666, *, lasting: bool = True) -> Path:
        """``write_temp`` for what is written piece by piece."""
        path = folder / f"{TEMP_PREFIX}{host_mark()}-{os.getpid()}-{secrets.token_hex(6)}"
        self.before("create", path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self.before("write", path)
                write(file)
                file.flush()
                if lasting:
                    self.before("fsync", path)
                    os.fsync(file.fileno())
        except BaseException:
            self.discard(path)
            raise
        return path

    def replace(self, temp: Path, final: Path) -> None:
        """Rename ``temp`` over ``final`` in one step. A file that is mounted by itself, as containers do with config.json, can only be written over."""
        refuse_program(final)
        self.before("replace", final)
        try:
            _patiently(lambda: os.replace(temp, final), final)
        except OSError as error:
            if error.errno != errno.EBUSY or os.name == "nt":
                raise
            self._write_over(temp, final)
            self.discard(temp)

    def _write_over(self, temp: Path, final: Path) -> None:
        """The only write that a dying process can leave half: what people made has its .bak by then."""
        with temp.open("rb") as source, final.open("r+b") as target:
            shutil.copyfileobj(source, target)
            target.truncate()
            target.flush()
            os.fsync(target.fileno())

    def publish_new(self, temp: Path, final: Path) -> None:
        """Give ``temp`` the name ``final``; raises FileExistsError, and changes nothing, when that name is taken."""
        refuse_program(final)
        self.before("publish", final)
        if os.name == "nt":
            _patiently(lambda: os.rename(temp, final), final)       # on Windows rename refuses an existing target, which is what we want
            return
        try:
            os.link(temp, final)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))   # exFAT and some shares have no links: reserve first
            os.replace(temp, final)
            return
        self.discard(temp)

    def discard(self, path: Path) -> None:
        """Remove a temporary file; one that is gone, or cannot be removed, is left to the sweep at the next start."""
        try:
            _patiently(lambda: os.unlink(path), path)
        except OSError:
            return

    def sync_folder(self, folder: Path) -> None:
        """Make a rename in ``folder`` survive a power cut, where the system can do that."""
        self.before("sync_folder", folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:
            return                      # Windows cannot open a folder
        try:
            os.fsync(descriptor)
        except OSError:
            return                      # some network file systems refuse; the rename itself has happened
        finally:
            os.close(descriptor)


DISK = Storage()


def read_patiently(path: Path) -> bytes:
    """What is in a file that the program could not do without, also where a virus scanner or a backup has it for itself at the moment. Raises OSError."""
    return _patiently(path.read_bytes, path)


def _patiently(change: Callable[[], T], path: Path) -> T:
    """``change``, again for a moment where Windows refuses it: there nobody renames or removes a file that another program has open just then."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return change()
        except PermissionError as error:
            for_ever = path.is_dir() or (path.exists() and not os.access(path, os.W_OK))
            if windows_reason(error, path) not in _IN_USE or for_ever or time.monotonic() >= end:
                raise
        time.sleep(0.02)


def move_made_folder(made: Path, target: Path) -> None:
    """Give a folder that is ready its place, where nothing is yet; ``made`` may stay behind. Raises OSError.

    Windows renames none in which a file is open, and a virus scanner is slow with one of many files: such a folder is copied.
    """
    try:
        _patiently(lambda: os.rename(made, target), target)
    except PermissionError:
        try:
            shutil.copytree(made, target, symlinks=True)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)       # half an extension would be run at the next start
            raise


def refuse_program(path: Path) -> None:
    """The program writes data only: a name that some system would run is an attack or a mistake, wherever it lies. Raises StorageError."""
    suffix = Path(path.name.rstrip(". ")).suffix.lower()
    if suffix in PROGRAMS or path.name.lower() in PROGRAMS:
        raise StorageError(f"{path} was not written: files ending in {suffix or path.name} are programs, and the web UI writes none.", "Choose another name.")


def host_mark() -> str:
    """Eight hex digits for this machine, so that a shared folder's temporary files are swept by the machine that wrote them."""
    return f"{crc32(socket.gethostname().encode()):08x}"


def hindrance(folder: Path) -> str:
    """What stands in the way of a folder, where it or one above it is no folder, in words; "" where nothing does.

    The system's own word for a link to nothing is "File exists".
    """
    for each in (folder, *folder.parents):
        if each.is_dir():
            return ""
        if each.is_symlink() and not each.exists():
            return f"{each} is a link to {os.readlink(each)}, which is not there"
        if each.exists():
            return f"{each} is a file"
    return ""


def explain(error: OSError, path: Path) -> StorageError:
    """The sentence for a failed write of ``path``."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StorageError(f"The disk is full: {path} was not written.", "Free some space, or let pictures go to another disk: their folders are in Settings.")
    if error.errno == errno.EISDIR or (error.errno == errno.EACCES and path.is_dir()):      # Windows calls that "access denied"
        return StorageError(f"{path} is a folder: the file of that name was not written.", "Move the folder away, or give it another name.")
    if getattr(error, "winerror", None) in _IN_USE and path.is_file() and os.access(path, os.W_OK):
        return StorageError(f"{path} was not written: another program has it open.", "Close that program, or wait until it is done, and try again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"No permission to write {path}.", "Make the folder writable, or choose another one in Settings.")
    if error.errno == errno.ENAMETOOLONG or (error.errno == errno.ENOENT and len(str(path)) > (longest_path() or sys.maxsize)):
        return StorageError(f"The name is too long for this file system: {path}.", "Choose a shorter file name pattern in Settings.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        return StorageError(f"{path.parent} is not a usable folder ({hindrance(path.parent) or error.strerror}): {path.name} was not written.",
                            "Choose another folder in Settings.")
    return StorageError(f"{path} was not written: {error.strerror or error}.", "Check the disk, or let pictures go to another one: their folders are in Settings.")
