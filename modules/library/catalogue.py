"""The model manager: which files there are, what they are, and which one a name means.

Lists come from one quick walk; headers not seen before are read within half a second, the rest in the background.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from modules.library.background import Background, Precedence
from modules.library.cache import FileCache
from modules.library.facts import HeaderFacts, read_facts
from modules.library.hashes import Hashes
from modules.library.header import read_header
from modules.library.lookup import exactly, find
from modules.library.model_file import ModelFile
from modules.library.roots import EMBEDDING_SUFFIXES, Place, Roots
from modules.library.scan import FoundFile, scan
from modules.library.upscaler_names import upscaler_names
from modules.schema.errors import NoCheckpoint, UnknownName

log = logging.getLogger(__name__)
_SECONDS_FOR_NEW_HEADERS = 0.5
_IN_PICTURES, _PICTURE_BEGINNING = b"sd-ti-embedding", 4096     # the keyword of a PNG's text, which stands before its pixels


@dataclass(frozen=True, kw_only=True)
class _Lists:
    checkpoints: tuple[ModelFile, ...]
    vaes: tuple[ModelFile, ...]
    loras: tuple[ModelFile, ...]
    embeddings: tuple[ModelFile, ...]
    hypernetworks: tuple[ModelFile, ...]
    upscalers: tuple[ModelFile, ...]
    gfpgan: tuple[ModelFile, ...]
    codeformer: tuple[ModelFile, ...]
    text_encoders: tuple[ModelFile, ...]


class Catalogue:
    """All model files of one server. Thread-safe; readers get tuples that never change under them.

    hashing: False (--no-hashing) leaves every hash unknown; titles then bear none.
    list_hidden: asked at each refresh whether hidden files and folders are listed too.
    """

    def __init__(self, roots: Roots, cache: FileCache | None = None, *, hashing: bool = True, list_hidden: Callable[[], bool] = lambda: False) -> None:
        self.roots = roots
        self._cache = cache or FileCache(None)
        self._hashes = Hashes(self._cache)
        self._hashing = hashing
        self._list_hidden = list_hidden
        self._background = Background("models")
        self._lock = threading.Lock()
        self._lists: _Lists | None = None
        self._lent: tuple[ModelFile, ...] = ()
        self._embedding_folders: tuple[int, ...] = ()
        self._checkpoint_folders: tuple[int, ...] = ()
        self._precedence = Precedence()  # before the background, for those who must not wait for it at every file

    def add_embedding_folder(self, folder: Path) -> None:
        """Embeddings lie there too, an extension says."""
        place = Place(folder=folder.absolute(), endings=EMBEDDING_SUFFIXES)
        if place not in self.roots.embeddings:
            self.roots = replace(self.roots, embeddings=(*self.roots.embeddings, place))
            if self._lists is not None:
                self.refresh()

    def add_checkpoint(self, path: Path) -> None:
        """An extension says that this file is a checkpoint: it is listed from now on, wherever it lies."""
        self.refresh()
        path = path.absolute()
        if path not in [each.path for each in self.checkpoints()]:
            self.roots = replace(self.roots, single_checkpoints=(*self.roots.single_checkpoints, path))
            self.refresh()

    def refresh(self) -> None:
        """Look through all folders anew. Never raises for what it finds there."""
        started = time.perf_counter()
        deadline = started + _SECONDS_FOR_NEW_HEADERS
        unread: list[Path] = []

        def listed(kind: str, files: Iterable[FoundFile]) -> tuple[ModelFile, ...]:
            return tuple(self._model_file(kind, file, deadline, unread) for file in files)

        roots, hidden = self.roots, self._list_hidden()
        named = chain.from_iterable(map(_single, roots.single_checkpoints))
        self._embedding_folders, self._checkpoint_folders = _changes(roots.embeddings), _changes(roots.checkpoints)
        lists = _Lists(
            checkpoints=listed("checkpoint", _first(_single(roots.checkpoint_file), [*scan(roots.checkpoints, hidden=hidden), *named])),
            vaes=listed("vae", scan(roots.vaes, hidden=hidden)),
            loras=listed("lora", scan(roots.loras, hidden=hidden)),
            embeddings=listed("embedding", filter(_is_embedding, scan(roots.embeddings, hidden=hidden))),
            hypernetworks=listed("hypernetwork", scan(roots.hypernetworks, hidden=hidden)),
            upscalers=_upscalers(scan(roots.upscalers)),
            gfpgan=listed("face", scan(roots.gfpgan)),
            codeformer=listed("face", scan(roots.codeformer)),
            text_encoders=listed("text encoder", scan(roots.text_encoders, hidden=hidden)),
        )
        with self._lock:
            self._lists = lists
        log.info("found %d checkpoints, %d VAEs, %d LoRAs, %d embeddings in %.2f s", len(lists.checkpoints), len(lists.vaes),
                 len(lists.loras), len(lists.embeddings), time.perf_counter() - started)  # fmt: skip
        if unread:
            self._background.do(lambda: self._read_all(unread))
        self._background.do(self._cache.save)

    def checkpoints(self) -> tuple[ModelFile, ...]:
        """All checkpoints; the one that --ckpt names comes first."""
        return self._current().checkpoints

    def look_again(self) -> bool:
        """For a job whose checkpoint is not in the list: whether there is a new list, since the folders changed. Their disk may have been away for a while."""
        if _changes(self.roots.checkpoints) == self._checkpoint_folders:
            return False
        self.refresh()
        return True

    def vaes(self) -> tuple[ModelFile, ...]:
        """VAE files, from the VAE folders and beside checkpoints, by file name as A1111 lists them."""
        return self._current().vaes

    def loras(self) -> tuple[ModelFile, ...]:
        return self._current().loras

    def embeddings(self) -> tuple[ModelFile, ...]:
        return self._current().embeddings

    def embeddings_now(self) -> tuple[ModelFile, ...]:
        """The same for a prompt: as in A1111, an embedding that was put into its folder a moment ago is known without a refresh."""
        if self._lists is not None and _changes(self.roots.embeddings) != self._embedding_folders:
            self.refresh()
        return self.embeddings()

    def upscalers(self) -> tuple[ModelFile, ...]:
        """Files of picture upscalers; ``name`` is what A1111 shows for them."""
        return self._current().upscalers

    def gfpgan_files(self) -> tuple[ModelFile, ...]:
        """Everything in GFPGAN's folders: its weights, and the face detector's."""
        return self._current().gfpgan

    def codeformer_files(self) -> tuple[ModelFile, ...]:
        """Everything in CodeFormer's folder."""
        return self._current().codeformer

    def text_encoders(self) -> tuple[ModelFile, ...]:
        """Text encoders in files of their own, for checkpoints that come without."""
        return self._current().text_encoders

    def hypernetworks(self) -> tuple[ModelFile, ...]:
        return self._current().hypernetworks

    def find_checkpoint(self, text: str) -> ModelFile:
        """The checkpoint called ``text`` (title, name, hash, or a part of the title); the first of the list when it is "".

        Raises NoCheckpoint when there is none at all, UnknownName when none is called so.
        """
        checkpoints = self.checkpoints()
        if not checkpoints:
            raise NoCheckpoint(self.roots.checkpoint_folders)
        if not text.strip():
            return checkpoints[0]
        found = exactly(self._lent, text.strip()) or find(checkpoints, text)
        if found is None:
            raise UnknownName("checkpoint", text, [model.title for model in checkpoints if model.size and not model.why_not] or [model.title for model in checkpoints])
        return found

    def lend(self, checkpoint: ModelFile) -> None:
        """Find ``checkpoint`` by its names too, though it lies in no folder of models; no list shows it."""
        self._lent = (*self._lent, checkpoint)

    def take_back(self, checkpoint: ModelFile) -> None:
        """The end of ``lend``."""
        self._lent = tuple(each for each in self._lent if each.path != checkpoint.path)

    def find_vae(self, text: str) -> ModelFile:
        """The VAE file called ``text``. Raises UnknownName."""
        vaes = self.vaes()
        found = find(vaes, text)
        if found is None:
            raise UnknownName("VAE", text, ["Automatic", "None", *(vae.path.name for vae in vaes if vae.size and not vae.damage)])
        return found

    def hash_of(self, model_file: ModelFile) -> str:
        """The file's SHA-256, "" under --no-hashing. The first time for a file it takes seconds. Raises CannotLoad."""
        if not self._hashing:
            return ""
        if (known := next((each.sha256 for each in self._lent if each.path == model_file.path), None)) is not None:
            return known                    # by the word of whoever lent it
        digest = self._hashes.of(model_file.path)
        if model_file.sha256 != digest:
            self._update((model_file.path,), lambda known: replace(known, sha256=digest))
        return digest

    def hash_of_loaded(self, model_file: ModelFile) -> str:
        """The same of a file that is in use and may be gone: what it was then, "" where that was never known."""
        return self.hash_of(model_file) if model_file.path.exists() else self.newest(model_file).sha256 or ""

    def hash_later(self, model_file: ModelFile) -> None:
        """Compute the file's hash in the background; its title bears it from then on."""
        if self._hashing and model_file.sha256 is None:
            self._background.do(lambda: self.hash_of(model_file))

    def newest(self, model_file: ModelFile) -> ModelFile:
        """The list's present entry for the same file: with the hash, once it is known."""
        lists = self._current()
        every = (*self._lent, *lists.checkpoints, *lists.vaes, *lists.loras, *lists.embeddings)
        return next((known for known in every if known.path == model_file.path), model_file)

    def metadata_of(self, model_file: ModelFile) -> dict[str, str]:
        """All that the file's header carries as text, thumbnails and tag tables included. Raises CannotLoad."""
        if model_file.path.suffix.lower() != ".safetensors":
            return {}
        return dict(read_header(model_file.path).metadata)

    def undisturbed(self) -> AbstractContextManager[object]:
        """``with catalogue.undisturbed():`` no headers are read meanwhile. Else each small reading of a file waits for that thread."""
        return self._precedence.taken()

    def wait(self, timeout: float) -> bool:
        """Until the background work given so far is done; False when ``timeout`` seconds passed first."""
        return self._background.wait(timeout)

    def _current(self) -> _Lists:
        if self._lists is None:
            self.refresh()
        assert self._lists is not None
        return self._lists

    def _model_file(self, kind: str, file: FoundFile, deadline: float, unread: list[Path]) -> ModelFile:
        facts = HeaderFacts.from_json(self._cache.get(file.path, file.modified, file.size).get("header"))
        if facts is None and kind in ("checkpoint", "lora"):
            if kind == "checkpoint" and time.perf_counter() < deadline:
                facts = self._read(file.path, file.modified, file.size)
            else:
                unread.append(file.path)
        facts = facts or HeaderFacts()
        return ModelFile(
            path=file.path,
            name=file.path.name if kind == "vae" else file.name,
            kind=kind,
            size=file.size,
            modified=file.modified,
            created=file.created,
            family_name=facts.family_name,
            sha256=self._hashes.known(file.path, file.modified, file.size) if self._hashing else None,
            metadata=facts.metadata,
            native_size=facts.native_size,
            foreign=facts.foreign,
            damage=facts.damage,
        )

    def _read(self, path: Path, modified: float, size: int) -> HeaderFacts:
        facts = read_facts(path)
        self._cache.put(path, modified, size, header=facts.to_json())
        return facts

    def _read_all(self, paths: Sequence[Path]) -> None:
        """Read headers for as long as it takes, and show what they tell about once a second."""
        facts: dict[Path, HeaderFacts] = {}
        shown = time.monotonic()
        for path in paths:
            try:
                status = path.stat()
            except OSError:  # gone meanwhile
                continue
            self._precedence.give_way()
            facts[path] = self._read(path, status.st_mtime, status.st_size)
            if time.monotonic() - shown > 1:
                self._show(facts)
                facts, shown = {}, time.monotonic()
        self._show(facts)

    def _show(self, facts: Mapping[Path, HeaderFacts]) -> None:
        def described(known: ModelFile) -> ModelFile:
            found = facts[known.path]
            return replace(known, family_name=found.family_name, metadata=found.metadata, native_size=found.native_size, foreign=found.foreign,
                           damage=found.damage)

        self._update(facts, described)

    def _update(self, paths: Container[Path], change: Callable[[ModelFile], ModelFile]) -> None:
        """Put changed entries for ``paths`` into the lists."""

        def changed(models: tuple[ModelFile, ...]) -> tuple[ModelFile, ...]:
            return tuple(change(model) if model.path in paths else model for model in models)

        with self._lock:
            if self._lists is not None:
                self._lists = replace(
                    self._lists,
                    checkpoints=changed(self._lists.checkpoints),
                    vaes=changed(self._lists.vaes),
                    loras=changed(self._lists.loras),
                    embeddings=changed(self._lists.embeddings),
                    hypernetworks=changed(self._lists.hypernetworks),
                )


def _upscalers(files: Sequence[FoundFile]) -> tuple[ModelFile, ...]:
    names = upscaler_names(files)
    return tuple(ModelFile(path=file.path, name=names[file.path], kind="upscaler", size=file.size, modified=file.modified) for file in files)


def _changes(places: Iterable[Place]) -> tuple[int, ...]:
    """When something was last put into each folder or taken out."""
    found = []
    for place in places:
        try:
            found.append(os.stat(place.folder).st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def _is_embedding(file: FoundFile) -> bool:
    """Most pictures among embeddings are previews; one that carries an embedding says so at its beginning."""
    if file.path.suffix.lower() != ".png":
        return True
    try:
        with open(file.path, "rb") as picture:
            return _IN_PICTURES in picture.read(_PICTURE_BEGINNING) and not file.path.stem.lower().endswith(".preview")
    except OSError:
        return False


def _first(single: list[FoundFile], others: list[FoundFile]) -> list[FoundFile]:
    """``single`` before the others, under the name that it has among them."""
    paths = {file.path for file in single}
    return [*([file for file in others if file.path in paths] or single), *(file for file in others if file.path not in paths)]


def _single(path: Path | None) -> list[FoundFile]:
    """A file that is named by itself, if it is there."""
    try:
        if path is None or not path.is_file():
            return []
        status = path.stat()
    except OSError:
        return []
    return [FoundFile(path, path.name, status.st_size, status.st_mtime, status.st_ctime)]
