"""Lists of extensions that can be installed, in the form of A1111's index.json: from an address, when a user asks for it, or from a file."""
from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.extension_host.install import local_path
from modules.schema.errors import InvalidValue, WebuiError

USUAL = "https://raw.githubusercontent.com/AUTOMATIC1111/stable-diffusion-webui-extensions/master/index.json"
MOST_BYTES = 20_000_000
SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One extension of a list. added, updated: dates as YYYY-MM-DD, "" where none is told. stars: those of its repository, 0 likewise."""

    name: str
    url: str
    description: str = ""
    added: str = ""
    updated: str = ""
    stars: int = 0
    tags: tuple[str, ...] = ()


def read_index(source: str) -> tuple[Offer, ...]:
    """What stands in the list at ``source``, an address or the whole path of a file. Raises InvalidValue, WebuiError."""
    source = source.strip()
    text = _fetched(source) if source.startswith(("https://", "http://")) else _read(local_path(source), source)
    try:
        found = json.loads(text)
        listed = found["extensions"] if isinstance(found, dict) else found
        offers = [_offer(each) for each in listed]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidValue(f"{source[:200]} is no list of extensions.", 'It is JSON with a list "extensions", as A1111\'s index.json.', field="index") from error
    return tuple(each for each in offers if each is not None)


def _offer(value: Any) -> Offer | None:
    """None for an entry without a name or an address that can be cloned."""
    if not isinstance(value, Mapping):
        return None
    name, url = str(value.get("name") or "").strip(), str(value.get("url") or "").strip()
    tags = value.get("tags")
    if not name or not url.startswith(("https://", "http://", "file:///")):
        return None
    return Offer(
        name=name, url=url, description=str(value.get("description") or ""), added=str(value.get("added") or "")[:10],
        updated=str(value.get("commit_time") or "")[:10], stars=stars if isinstance(stars := value.get("stars"), int) and stars > 0 else 0,
        tags=tuple(str(each) for each in tags) if isinstance(tags, list) else (),
    )  # fmt: skip


def _read(path: Path | None, source: str) -> str:
    if path is None:
        raise InvalidValue(f"{source[:200]!r} is neither an address nor the whole path of a file.", "An address begins with https://.", field="index")
    try:
        with path.open("rb") as file:
            return _text(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}.", "Look at the path; it is one on the server's machine.", field="index") from error


def _fetched(url: str) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "stable-diffusion-webui"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return _text(answer.read(MOST_BYTES + 1), url)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise WebuiError(f"The list at {url[:200]} could not be fetched: {str(reason)[:200]}.", "Look whether this machine reaches it, or name a file.") from error


def _text(data: bytes, source: str) -> str:
    if len(data) > MOST_BYTES:
        raise InvalidValue(f"{source[:200]} is larger than {MOST_BYTES // 1_000_000} MB, so it is no list of extensions.", field="index")
    return data.decode("utf-8-sig", errors="replace")
