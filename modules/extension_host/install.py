"""Extensions from an address: cloned beside the others, whole or not at all. They run at the next start."""
from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from modules.files.alone import only_one
from modules.files.git_facts import plain_address, remote_of
from modules.files.storage import move_made_folder
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.flags import Flags
from modules.schema.own_hosts import is_own_host

SECONDS = 600
_UNDER_WAY = ".installing-"         # begins the name of a folder that is not looked at yet
_LOCK = ".lock"                     # in it, held while it is worked in
_FULL = "No space left on device"   # git's and the system's words, in English
_ABANDONED = 24 * 3600.0            # seconds after which nobody can be at work in one
SCHEMES = ("https", "http", "ssh", "git")
MOST_UNPACKED = 4 << 30         # bytes; a small zip file can hold a full disk
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via")
_PARTS = frozenset({"scripts", "javascript", "localizations", "html"})      # an extension's own folders
_NAME = re.compile(r"[^\W_](?:[\w .()+-]{0,98}[\w)+-])?")
LONGEST_NAME = 200              # bytes; file systems take 255, and git's own files lie below


def refusal(flags: Flags, *, has_password: bool, through: str = "") -> str:
    """Why this server installs nothing, in words; "" when it does. An extension is a program: whoever may install one owns the machine.

    through: what shows that the request came from elsewhere (``way_from_elsewhere``), whatever the server is bound to.
    """
    if flags.disable_extra_extensions or flags.disable_all_extensions:
        return "Extensions are switched off on the command line (--disable-extra-extensions or --disable-all-extensions)."
    if flags.enable_insecure_extension_access or has_password:
        return ""
    if through:
        return (f"This request came from elsewhere ({through}), so others may reach this server too, and no password is set: nothing is installed or started anew "
                "from here. Open the page at the server's own address, ask for a password with --gradio-auth name:password, or allow it with --enable-insecure-extension-access.")
    if not flags.others_can_reach:
        return ""
    return ("Others can reach this server and no password is set, so nothing is installed or started anew from here. Start it without --listen or --share, "
            "ask for a password with --gradio-auth name:password, or allow it with --enable-insecure-extension-access.")


def way_from_elsewhere(headers: Mapping[str, str]) -> str:
    """What in a request's headers (names in small letters) tells that it did not begin on this machine, "" for nothing.

    A proxy's own headers, or an address of another machine. A server bound to loopback has no other way to know of a proxy in front of it.
    """
    for name in PROXY_HEADERS:
        if headers.get(name):
            return name
    for name in ("host", "origin", "referer"):
        text = headers.get(name, "")
        host = _host_of(text if "://" in text else f"//{text}") if text else "localhost"
        if not is_own_host(host):
            return f"{name}: {text[:100]}"
    return ""


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def install_from_url(url: str, folder: Path, *, name: str = "", branch: str = "") -> Path:
    """Clone ``url`` into ``folder``/``name``; name "": from the address. Returns the new folder. Raises InvalidValue, WebuiError."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", parts.username or ""
    except ValueError:
        raise InvalidValue(f"{url[:200]!r} is no address of a git repository.", "It begins with https://, as on the repository's page.", field="url") from None
    odd = host.startswith("-") or user.startswith("-") or any(ord(letter) < 33 or ord(letter) == 127 for letter in url)
    if parts.scheme not in SCHEMES or not host or odd or "::" in parts.scheme:
        raise InvalidValue(f"{url[:200]!r} is no address of a git repository.", "It begins with https://, as on the repository's page.", field="url")
    return _cloned(url, folder, name.strip() or unquote(Path(parts.path.rstrip("/")).name).removesuffix(".git"), branch, SCHEMES)


def local_path(address: str) -> Path | None:
    """The place on this machine that ``address`` means, a whole path or a file:// address; None for any other address."""
    address = address.strip()
    if address.lower().startswith("file:///"):
        return Path(url2pathname(address[len("file://") :]))
    path = Path(os.path.expanduser(address))
    return path if path.is_absolute() else None


def install_from_repository(source: Path, folder: Path, *, name: str = "", branch: str = "") -> Path:
    """Clone the git repository in the folder ``source`` of this machine, as ``install_from_url`` does; updates come from there."""
    if not _is_repository(source):
        raise InvalidValue(f"{source} is no git repository on the server's machine.", "Give the folder that holds .git, or a bare repository.", field="url")
    return _cloned(source.absolute().as_uri(), folder, name.strip() or source.name.removesuffix(".git"), branch, (*SCHEMES, "file"))


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists() or _is_bare(folder)


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _cloned(url: str, folder: Path, name: str, branch: str, schemes: tuple[str, ...]) -> Path:
    branch = branch.strip()
    if branch and (branch.startswith("-") or not re.fullmatch(r"[\w./-]{1,200}", branch)):
        raise InvalidValue(f"{branch[:100]!r} is no name of a branch.", field="branch")
    target = _new_folder(folder, name)
    twin = next((each for each in folder.iterdir() if each.is_dir() and plain_address(remote_of(each)) == plain_address(url)), None)
    if twin is not None:            # a second copy would register everything twice
        raise InvalidValue(f"This extension is installed already, in the folder {twin.name}.", "Update it there, or remove that folder first.", field="url")
    with _prepared(folder) as temporary:
        cloned = temporary / target.name
        wanted = ["--branch", branch] if branch else []
        _run([os.environ.get("GIT", "git"), "clone", "--filter=blob:none", "--recurse-submodules", *wanted, "--", url, str(cloned)], url, folder, schemes)
        move_made_folder(cloned, target)
    return target


def install_from_path(source: Path, folder: Path, *, name: str = "", branch: str = "") -> Path:
    """Copy the folder ``source``, or unpack the zip file ``source``, into ``folder``/``name``; name "": as it is called there.

    A bare repository, and any of which a ``branch`` is wished, is cloned. Returns the new folder. Raises InvalidValue, WebuiError.
    """
    if branch.strip() or _is_bare(source):
        return install_from_repository(source, folder, name=name, branch=branch)
    if not source.exists() or not (source.is_dir() or zipfile.is_zipfile(source)):
        raise InvalidValue(f"{source} is neither a folder nor a zip file on the server's machine.", "Give the whole path of one.", field="url")
    target = _new_folder(folder, name.strip() or (source.name if source.is_dir() else source.stem))
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise InvalidValue(f"{source} holds the folder of extensions itself.", "Give the folder of one extension.", field="url")
    with _prepared(folder) as temporary:
        made = temporary / target.name
        try:
            if source.is_dir():
                shutil.copytree(source, made, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                made = _unpacked(source, made)
        except (OSError, shutil.Error, zipfile.BadZipFile, RuntimeError) as error:
            if _FULL in str(error):
                raise _disk_full(folder) from error
            raise WebuiError(f"{source} could not be installed: {str(error)[:300]}.", "Look whether it is whole.") from error
        move_made_folder(made, target)
    return target


@contextmanager
def _prepared(folder: Path) -> Iterator[Path]:
    """A folder for what is not whole yet, gone afterwards. Raises WebuiError where ``folder`` takes nothing."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=_UNDER_WAY, ignore_cleanup_errors=True) as temporary, only_one(Path(temporary) / _LOCK):
            yield Path(temporary)
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(folder: Path, error: OSError) -> WebuiError:
    if error.errno == errno.ENOSPC:
        return _disk_full(folder)
    return WebuiError(f"{folder} takes no extensions: {error.strerror or error}.", "Look at the folder's permissions, and whether its disk may be written to.")


def _disk_full(folder: Path) -> WebuiError:
    return WebuiError(f"The disk is full: nothing was installed in {folder}.", "Free some space, and install it again.")


def _unpacked(archive: Path, folder: Path) -> Path:
    """The archive's content in ``folder``; where all of it lies in one folder, as in downloads from repositories, that one."""
    with zipfile.ZipFile(archive) as file:
        if sum(each.file_size for each in file.infolist()) > MOST_UNPACKED:
            raise InvalidValue(f"{archive.name} would unpack to more than {MOST_UNPACKED >> 30} GB.", "Unpack it into the folder extensions yourself.", field="url")
        for each in file.infolist():
            if PurePosixPath(each.filename.replace("\\", "/")).is_absolute() or ".." in PurePosixPath(each.filename.replace("\\", "/")).parts:
                raise InvalidValue(f"{archive.name} would write outside of its folder ({each.filename[:100]!r}).", "Do not use this file.", field="url")
        file.extractall(folder)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _PARTS else folder


def _new_folder(folder: Path, name: str) -> Path:
    """``folder``/``name``, where no extension is yet. Raises InvalidValue."""
    if not _NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME:
        raise InvalidValue(f"An extension's folder cannot be called {name[:100]!r}.", "Use letters, digits, dots and dashes.", field="name")
    if (folder / name).exists():
        raise InvalidValue(f"There is an extension in the folder {name} already.", "Remove it first, or give another name.", field="name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    clear_abandoned(folder)
    return folder / name


def clear_abandoned(folder: Path) -> None:
    """Take away what an installation left whose server was killed. One that is still under way, of another server say, holds its lock, or is younger than a day."""
    for each in folder.glob(f"{_UNDER_WAY}*"):
        try:
            if each.is_symlink() or not each.is_dir():
                continue
            if (each / _LOCK).exists():
                with only_one(each / _LOCK) as nobody_is_in_it:
                    abandoned = nobody_is_in_it
            else:
                abandoned = time.time() - each.lstat().st_mtime > _ABANDONED
            if abandoned:
                shutil.rmtree(each, ignore_errors=True)
        except OSError:
            continue                # another server was quicker


def _run(command: list[str], url: str, folder: Path, schemes: tuple[str, ...]) -> None:
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(schemes)}      # redirects and submodules too
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS, check=False, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise WebuiError("git is not installed, so nothing can be cloned.", "Install git, or unpack the extension into the folder extensions yourself.") from None
    except subprocess.TimeoutExpired:
        raise WebuiError(f"Cloning {url} took more than {SECONDS // 60} minutes and was stopped.", "Try again.") from None
    if done.returncode != 0 and _FULL in done.stderr:       # in any of its lines: the last one speaks of what broke then
        raise _disk_full(folder)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise WebuiError(f"{url} could not be cloned: {last[:300]}.", "Look at the address, and whether this machine reaches it.")
