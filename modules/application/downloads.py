"""The downloads of one server, one after the other in the background: what the user asked for, how far each is, what became of it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modules.application.download import HUB, DownloadFailed, Source, Stopped, fetch_file, licence_of, source_of
from modules.files.partial import PartialFile, begun_in
from modules.files.resolver import PathRefused, safe_new
from modules.files.storage import StorageError
from modules.library.background import Background
from modules.library.gguf_header import read_gguf_header
from modules.library.header import is_pickle, read_header, zip_is_cut_off
from modules.library.roots import Roots
from modules.schema.errors import CannotLoad, InvalidValue, UnknownName, WebuiError, shortened

log = logging.getLogger(__name__)
ENDINGS = (".safetensors", ".gguf", ".sft", ".ckpt", ".pt", ".pth", ".bin")
PUBLISHED = "published"   # the kind of what ``Downloads.published`` lists
_KEPT = 50              # downloads that are remembered
_BROKEN_OFF = "The server ended before it was whole. Download it again from the same address, and it goes on from here."
_SHA = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, kw_only=True)
class Download:
    """state: "waiting", "running", "done", "stopped" or "failed". source: "" for what an earlier server began. total: 0 where nobody says. licence: as the hub tells it."""

    id: int
    name: str
    kind: str
    source: str
    state: str = "waiting"
    there: int = 0
    total: int = 0
    licence: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file that a part of the program looks for, and where its makers offer it. The page fetches it at a click in the message that it is missing."""

    final: Path
    address: str


def download_folders(roots: Roots, controls: Path) -> Mapping[str, Path]:
    """Where a file of each kind goes."""
    found = {"checkpoint": roots.checkpoints, "vae": roots.vaes[-1:], "lora": roots.loras, "embedding": roots.embeddings, "upscaler": roots.upscalers,
             "hypernetwork": roots.hypernetworks, "text encoder": roots.text_encoders}  # fmt: skip
    return {kind: places[0].folder for kind, places in found.items() if places} | {"controlnet": controls}


@dataclass(eq=False)
class Downloads:
    """folders: by kind. local_allowed: asked for each download. when_done: called after a file got its name. published: each lists some that messages tell of."""

    folders: Mapping[str, Path]
    local_allowed: Callable[[], bool]
    when_done: Callable[[], None]
    hub: str = HUB
    published: list[Callable[[], Iterable[Published]]] = field(default_factory=list)
    _known: dict[int, Download] = field(default_factory=dict)
    _stopped: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _background: Background = field(default_factory=lambda: Background("downloads"))

    def start(self, source: str, kind: str, *, name: str = "", sha256: str = "") -> Download:
        """Put it in line. source: an address, or OWNER/NAME/FILE on the hub. Raises InvalidValue for what cannot be fetched or kept.

        With the kind PUBLISHED the address says what the file is called and where it goes.
        """
        found = source_of(source, self.hub)
        if kind != PUBLISHED and kind not in self.folders:
            raise UnknownName("kind of model", kind, self.folders)
        if sha256 and not _SHA.fullmatch(sha256):
            raise InvalidValue("A SHA-256 has 64 hex digits.", "Leave it empty, or copy it whole.", field="sha256")
        final = self._published_place(source.strip()) if kind == PUBLISHED else self._place(name.strip() or found.name, kind)
        with self._lock:
            if any(each.state in ("waiting", "running") and each.kind == kind and each.name == final.name for each in self._known.values()):
                raise InvalidValue(f"{final.name} is being downloaded already.", "Wait for it, or stop it first.", field="source")
            for old in [each.id for each in self._known.values() if not each.source and each.kind == kind and each.name == final.name]:
                del self._known[old]                # this one goes on with it
            made = Download(id=self._next_id(), name=final.name, kind=kind, source=source.strip())
            self._known[made.id] = made
            for old in [each.id for each in self._known.values() if each.state not in ("waiting", "running")][:-_KEPT]:
                del self._known[old]
        self._background.do(lambda: self._run(made.id, found, final, sha256))
        return made

    def listed(self) -> tuple[Download, ...]:
        """All, the latest first."""
        with self._lock:
            return tuple(reversed(self._known.values()))

    def stop(self, download_id: int) -> bool:
        """What came so far stays, and the same download goes on from there. False when there is none to stop."""
        with self._lock:
            known = self._known.get(download_id)
            if known is None or known.state not in ("waiting", "running"):
                return False
            self._stopped.add(download_id)
            return True

    def take_up_broken_off(self) -> None:
        """List what a former server began and did not finish; to be called once, when this one starts. Its address is not known: it may have held a key."""
        folders = self.folders.items() | {(PUBLISHED, final.parent) for final in self.published_files().values()}
        for kind, folder in sorted(folders):
            for final in begun_in(folder):
                into = PartialFile(final)
                with into.alone() as alone, self._lock:
                    taken = not alone or any(each.kind == kind and each.name == final.name for each in self._known.values())
                    if taken or final.exists() or not into.size:
                        continue
                    number = self._next_id()
                    self._known[number] = Download(id=number, name=final.name, kind=kind, source="", state="stopped", there=into.size, message=_BROKEN_OFF)
                log.info("the download of %s was not finished. %s", final, _BROKEN_OFF)

    def _next_id(self) -> int:
        return max(self._known, default=0) + 1

    def published_files(self) -> dict[str, Path]:
        """Where each goes, by its address."""
        return {each.address: each.final for listed in self.published for each in listed()}

    def wait(self, timeout: float) -> bool:
        return self._background.wait(timeout)

    def _place(self, name: str, kind: str) -> Path:
        if not name.lower().endswith(ENDINGS):
            raise InvalidValue(f"{shortened(name)!r} is not the name of a model file.", f"It ends with one of {', '.join(ENDINGS)}.", field="name")
        try:
            final = safe_new(self.folders[kind], name)
        except PathRefused as error:
            raise InvalidValue(str(error), "Give the file a plain name.", field="name") from error
        return _free(final)

    def _published_place(self, address: str) -> Path:
        final = self.published_files().get(address)
        if final is None:
            raise InvalidValue(f"No part of this program looks for what is at {shortened(address)!r}.", "Say which kind of model it is.", field="source")
        return _free(final)

    def _run(self, download_id: int, source: Source, final: Path, sha256: str) -> None:
        local = self.local_allowed()
        into = PartialFile(final)
        if download_id in self._stopped:
            return self._change(download_id, state="stopped", there=into.size)
        self._change(download_id, state="running", there=into.size, licence=licence_of(source, local_allowed=local, hub=self.hub))
        try:
            with into.alone() as alone:
                if not alone:
                    raise DownloadFailed(f"Another server is downloading {final.name} into {final.parent}.", "Wait for it, or give this one another name.")
                if final.exists():
                    raise FileExistsError
                fetch_file(source, into, local_allowed=local, sha256=sha256, on_bytes=lambda there, total: self._change(download_id, there=there, total=total),
                           is_stopped=lambda: download_id in self._stopped)  # fmt: skip
                _look_into(into)
                into.publish()
        except Stopped:
            return self._change(download_id, state="stopped", there=into.size, message="Stopped; the same download goes on from here.")
        except FileExistsError:
            return self._change(download_id, state="failed", message=f"There is a file {final.name} by now.")
        except (WebuiError, StorageError) as error:
            return self._change(download_id, state="failed", there=into.size, message=str(error))
        self._change(download_id, state="done", there=final.stat().st_size, message=f"In {final.parent}.")
        self.when_done()
        return None

    def _change(self, download_id: int, **changes: Any) -> None:
        with self._lock:
            self._known[download_id] = replace(self._known[download_id], **changes)


def _free(final: Path) -> Path:
    """``final``, which is not there yet. Raises InvalidValue."""
    if final.exists():
        raise InvalidValue(f"There is a file {final.name} in {final.parent} already.", "Give the new one another name, or remove the old one.", field="name")
    return final


def _look_into(into: PartialFile) -> None:
    """A file must be of a kind that its name may stand for, as far as its beginning and its end tell. Raises DownloadFailed."""
    if into.final.suffix.lower() not in ENDINGS:
        return                          # of a kind that only OpenCV reads
    try:
        if into.final.suffix.lower() == ".gguf":
            read_gguf_header(into.path)
        elif into.final.suffix.lower() in (".safetensors", ".sft") or not is_pickle(into.path):
            read_header(into.path)
        elif zip_is_cut_off(into.path):
            raise CannotLoad(into.path, "it is truncated", "Download the file again.")
    except WebuiError as error:
        into.discard()
        raise DownloadFailed(f"What arrived as {into.final.name} is no model: {getattr(error, 'reason', error)}.", "Look at the address in a browser.") from error
