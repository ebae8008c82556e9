"""One model file fetched because the user asked for it: by address or hub id, taken up where it broke off, checked before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from modules.application.picture_urls import connected
from modules.files.partial import PartialFile
from modules.files.storage import StorageError
from modules.schema.errors import InvalidValue, WebuiError, shortened

HUB = "https://huggingface.co"
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)[/:](.+)")
_HASH = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_SIZE = re.compile(r"bytes \*/(\d+)")
_SECONDS, _MOST_HOPS, _CHUNK = 30.0, 5, 1 << 20
_MOST_TOLD = 1 << 20
_SPARE_BYTES = 64 << 20       # that stay free for pictures and settings


class DownloadFailed(WebuiError):
    """What could not be fetched, and why."""

    status = 502


class Stopped(Exception):
    """The user stopped it; what came so far stays for the next time."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a file comes from. repository: on the hub, "" elsewhere. name: what the file is called there."""

    address: str
    name: str
    repository: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What its owner says: total bytes (0: nothing), and the SHA-256 ("": nothing)."""

    total: int = 0
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Which file a part is of. source: a hash of its address, which may hold a key. total: bytes, 0 unknown. mark: how its server tells one version from another."""

    source: str
    total: int = 0
    mark: str = ""

    @classmethod
    def read(cls, text: str, source: str) -> _Origin | None:
        """What was written down; None where it is of another address, or damaged."""
        try:
            known: Any = json.loads(text)
            found = cls(source=str(known["source"]), total=int(known["total"]), mark=str(known["mark"]))
        except (ValueError, KeyError, TypeError):
            return None
        return found if found.source == source and found.mark.isprintable() else None


def source_of(text: str, hub: str = HUB) -> Source:
    """An address, or OWNER/NAME/FILE on the hub. Raises InvalidValue."""
    text = text.strip()
    if text.startswith(("http://", "https://")):
        parts = urlsplit(text)
        name = unquote(PurePosixPath(parts.path).name)
        on_hub = text.startswith(f"{hub}/") and re.fullmatch(r"/([\w.-]+/[\w.-]+)/(?:resolve|blob)/[^/]+/.+", parts.path)
        address = text.replace("/blob/", "/resolve/", 1) if on_hub else text
        return Source(address=address, name=name, repository=on_hub[1] if on_hub else "")
    found = _HUB_ID.fullmatch(text)
    if not found or ".." in text or "\\" in text:
        raise InvalidValue(f"{shortened(text)!r} is neither an address nor a file on the hub.", "Write https://..., or OWNER/NAME/FILE.safetensors.", field="source")
    return Source(address=f"{hub}/{found[1]}/resolve/main/{quote(found[2])}", name=PurePosixPath(found[2]).name, repository=found[1])


def licence_of(source: Source, *, local_allowed: bool, hub: str = HUB) -> str:
    """What the hub says of the licence; "" where it says nothing, or cannot be asked."""
    if not source.repository:
        return ""
    try:
        with closing(_opened(f"{hub}/api/models/{source.repository}", {}, local_allowed)) as answer:
            told: Any = json.loads(answer.response.read(_MOST_TOLD))
    except (WebuiError, ValueError, OSError, http.client.HTTPException):
        return ""
    card = told.get("cardData") if isinstance(told, dict) else None
    licence = card.get("license_name") or card.get("license") if isinstance(card, dict) else ""
    return str(licence or "")[:200]


def fetch_file(
    source: Source, into: PartialFile, *, local_allowed: bool, sha256: str = "", on_bytes: Callable[[int, int], None], is_stopped: Callable[[], bool]
) -> None:
    """Bring the whole file into ``into`` and check it. on_bytes: (there, total or 0). Raises DownloadFailed, Stopped, StorageError.

    What is there already of this file is not asked for again; a server that cannot begin in the middle, or has another file by now, sends it all.
    """
    address = hashlib.sha256(source.address.encode("utf-8", errors="replace")).hexdigest()
    origin = _Origin.read(into.origin, address)
    told = Told()
    try:
        for there in dict.fromkeys((into.size if origin else 0, 0)):
            headers = {"Range": f"bytes={there}-"} if there else {}
            if there and origin and origin.mark:
                headers["If-Range"] = origin.mark
            with closing(_opened(source.address, headers, local_allowed)) as answer:
                begins, told = _beginning(answer, there, origin.total if origin and there else 0)
                if begins is None:                  # no part of what is there: once more, from its first byte
                    continue
                if begins < told.total or not told.total:
                    _check_room(into, told.total - begins)
                    note = json.dumps({"source": address, "total": told.total, "mark": _mark(answer.response)})
                    _receive(answer.response, into, begins, told.total, note, on_bytes, is_stopped)
                break
        else:
            raise DownloadFailed(f"{source.name} is not sent from its beginning.", "Look at the address in a browser.")
    except (OSError, http.client.HTTPException, ValueError) as error:       # ValueError: an address, also of a redirect, that cannot be read
        raise DownloadFailed(f"The download of {source.name} broke off after {into.size / 1e6:,.0f} MB ({type(error).__name__}: {str(error)[:120]}).",
                             "Start it again: it goes on from there.") from error
    if told.total and into.size != told.total:
        raise DownloadFailed(f"The download of {source.name} is {(told.total - into.size) / 1e6:,.1f} MB short of {told.total / 1e6:,.1f} MB.",
                             "Start it again: it goes on from there.")
    _check_hash(source, into, sha256.lower() or told.sha256)


def _check_room(into: PartialFile, needed: int) -> None:
    """Before its gigabytes fill the disk, on which pictures and settings have to be saved meanwhile. Raises StorageError."""
    if (free := into.free_bytes()) is not None and free < needed + _SPARE_BYTES:
        raise StorageError(f"{into.final.name} needs {needed / 1e6:,.0f} MB more in {into.final.parent}; {free / 1e6:,.0f} MB are free.", "Free some space, and start it again.")


def _receive(
    response: http.client.HTTPResponse, into: PartialFile, begins: int, total: int, note: str, on_bytes: Callable[[int, int], None], is_stopped: Callable[[], bool]
) -> None:
    there = begins
    with into.open(anew=begins == 0, origin=note) as file:
        while chunk := response.read(_CHUNK):
            into.write(file, chunk)
            there += len(chunk)
            on_bytes(there, total)
            if is_stopped():
                raise Stopped


def _beginning(answer: _Answer, there: int, known: int) -> tuple[int | None, Told]:
    """(byte that the answer begins with, None when it does not go on from what is there; what is told of the whole). known: how long the whole was."""
    response, sha256 = answer.response, answer.sha256
    span = response.getheader("Content-Range") or ""
    if response.status == 416 and there:                     # nothing comes after what is there
        total = int(size[1]) if (size := _SIZE.match(span)) else there
        return (there if total == there and known in (0, there) else None), Told(total=there, sha256=sha256)
    if "text/html" in (response.getheader("Content-Type") or ""):
        raise DownloadFailed("The address leads to a web page, not to a file.", "It may ask for a login: download the file in a browser, and put it into its folder.")
    if response.status == 206:
        part = _RANGE.match(span)
        fits = part and int(part[1]) == there and known in (0, int(part[2]))
        return (there, Told(total=int(part[2]), sha256=sha256)) if part and fits else (None, Told(sha256=sha256))
    length = response.getheader("Content-Length") or ""
    return 0, Told(total=int(length) if length.isdecimal() else 0, sha256=sha256)


def _mark(response: http.client.HTTPResponse) -> str:
    """What If-Range asks with: a strong ETag, else the date of the last change."""
    tag = (response.getheader("ETag") or "").strip()
    return tag if tag.startswith('"') else response.getheader("Last-Modified") or ""


def _check_hash(source: Source, into: PartialFile, wanted: str) -> None:
    if not wanted:
        return
    with open(into.path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        into.discard()
        raise DownloadFailed(f"{source.name} arrived damaged, or is another file: its SHA-256 is {found[:10]}..., not {wanted[:10]}...", "Start the download again.")


@dataclass(frozen=True)
class _Answer:
    response: http.client.HTTPResponse
    connection: http.client.HTTPConnection
    sha256: str

    def close(self) -> None:
        self.connection.close()


def _opened(address: str, headers: dict[str, str], local_allowed: bool) -> _Answer:
    """The answer after redirects, each checked like the first; the hub names the hash of a file before it sends elsewhere."""
    sha256 = ""
    for _ in range(_MOST_HOPS + 1):
        answer = _asked(address, headers, local_allowed)
        response = answer.response
        linked = (response.getheader("X-Linked-ETag") or "").strip('"')
        sha256 = linked if _HASH.fullmatch(linked) else sha256
        place = response.getheader("Location")
        if response.status in (301, 302, 303, 307, 308) and place:
            answer.close()
            address = urljoin(address, place)
            continue
        if response.status in (200, 206, 416):
            return _Answer(response, answer.connection, sha256)
        answer.close()
        why = {401: "it asks for a login", 403: "it refuses access, perhaps until its licence is accepted", 404: "there is no such file"}.get(response.status, "")
        raise DownloadFailed(f"{urlsplit(address).hostname} answered {response.status}{f': {why}' if why else ''}.", "Look at the address in a browser.")
    raise DownloadFailed(f"The address was redirected more than {_MOST_HOPS} times.", "Use the address of the file itself.")


def _asked(address: str, headers: dict[str, str], local_allowed: bool) -> _Answer:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadFailed(f"{shortened(address)!r} is no http or https address.", "Use the address of the file itself.")
    try:
        connection = connected(parts, local_allowed, "source", timeout=lambda: _SECONDS)
    except InvalidValue as error:
        raise DownloadFailed(f"{parts.hostname} is an address of this network, from which nothing is fetched.", "Switch off api_forbid_local_requests to allow it.") from error
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Host": parts.netloc.rpartition("@")[2], "User-Agent": "stable-diffusion-webui", "Accept-Encoding": "identity", **headers})
    return _Answer(connection.getresponse(), connection, "")
