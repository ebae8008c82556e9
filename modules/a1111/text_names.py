"""A1111's ``model_hijack`` and embedding database: what extensions ask about prompts, answered by our text rooms."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.checkpoint_list import load_chosen
from modules.a1111.live import LiveDict
from modules.application.listing import embedding_finder
from modules.engine.prompt_chunks import EmbeddingPlace
from modules.engine.token_count import count_tokens
from modules.loading.embeddings import Embedding as LoadedEmbedding
from modules.schema.errors import WebuiError


class Embedding:
    """A textual inversion embedding by A1111's names. vec: the vectors; a dict of two for SDXL."""

    def __init__(self, vec: Any, name: str, step: int | None = None) -> None:
        self.vec = vec
        self.name = name
        self.step = step
        self.shape: int | None = None
        self.vectors = 0
        self.cached_checksum = None
        self.sd_checkpoint: str | None = None
        self.sd_checkpoint_name: str | None = None
        self.optimizer_state_dict = None
        self.filename: str | None = None
        self.hash: str | None = None
        self.shorthash: str | None = None
        self._loaded: tuple[tuple[tuple[Tensor, int], ...], LoadedEmbedding] | None = None

    def loaded(self, name: str | None = None) -> LoadedEmbedding | None:
        """What the engine puts into prompts: the same object while nobody changes the vectors, for encoded prompts are kept by it. None without vectors."""
        tensors = _tensors(self.vec)
        if not tensors or not all(each.ndim == 2 and len(each) for each in tensors):
            return None
        marks, name = _marks(tensors), name or self.name
        known = self._loaded
        if known is None or known[1].name != name or len(known[0]) != len(marks) or any(old[0] is not new[0] or old[1] != new[1] for old, new in zip(known[0], marks)):
            known = marks, _Registered(name=name, tensors=tuple(each.detach().to("cpu").float().clone() for each in tensors), sha256=self.hash or "", shown=self)
            self._loaded = known
        return known[1]

    def set_hash(self, value: str) -> None:
        self.hash = value
        self.shorthash = value[:10]

    def checksum(self) -> str:
        return self.hash or ""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Registered(LoadedEmbedding):
    """One that an extension made."""

    shown: Embedding


class PromptChunkFix(NamedTuple):
    """An embedding's place in a chunk, counted without the start token."""

    offset: int
    embedding: Any


def shown_place(place: EmbeddingPlace) -> PromptChunkFix:
    """The engine's place as extensions know it."""
    found = place.embedding
    if isinstance(found, _Registered):
        return PromptChunkFix(place.offset, found.shown)
    return PromptChunkFix(place.offset, embedding_of(found) if isinstance(found, LoadedEmbedding) else found)


def engine_places(fixes: Any) -> tuple[EmbeddingPlace, ...]:
    """``shown_place`` back; what has no vectors is left out."""
    found = [(fix.offset, fix.embedding.loaded() if isinstance(fix.embedding, Embedding) else fix.embedding) for fix in fixes]
    return tuple(EmbeddingPlace(offset=offset, embedding=embedding) for offset, embedding in found if embedding is not None)


def _tensors(vec: Any) -> tuple[Tensor, ...]:
    if isinstance(vec, dict):
        return tuple(vec[name] for name in ("clip_l", "clip_g") if isinstance(vec.get(name), Tensor))
    return (vec,) if isinstance(vec, Tensor) else ()


def _marks(tensors: tuple[Tensor, ...]) -> tuple[tuple[Tensor, int], ...]:
    return tuple((each, 0 if each.is_inference() else each._version) for each in tensors)


def embedding_of(loaded: LoadedEmbedding, path: Path | None = None) -> Embedding:
    vectors = loaded.tensors
    made = Embedding(vectors[0] if len(vectors) == 1 else dict(zip(("clip_l", "clip_g"), vectors)), loaded.name, loaded.step)
    made.shape, made.vectors = sum(loaded.widths), loaded.vector_count
    made.filename = None if path is None else str(path.absolute())
    made._loaded = _marks(vectors), loaded
    made.sd_checkpoint_name = loaded.trained_on
    if loaded.sha256:
        made.set_hash(loaded.sha256)
    return made


def _embeddings() -> Iterator[Embedding]:
    if not is_occupied():
        return
    app = current()
    for file in app.catalogue.embeddings():
        try:
            loaded = app.embeddings.load(file)
        except WebuiError:
            continue
        if loaded is not None:
            yield embedding_of(loaded, file.path)


def _text_width() -> int | None:
    components = current().checkpoints.components if is_occupied() else None
    if components is None:
        return None
    return sum(encoder.width for encoder in components.text_encoders)


def _fitting(fits: bool) -> dict[str, Embedding]:
    width = _text_width()
    return {each.name: each for each in _embeddings() if (width is None or each.shape == width) == fits}


class DirWithTextualInversionEmbeddings:
    """A folder that is looked through for embeddings."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.mtime = None

    def has_changed(self) -> bool:
        return True

    def update(self) -> None: ...


class EmbeddingDatabase:
    """The embeddings that fit the loaded checkpoint, and those that do not."""

    def __init__(self) -> None:
        self.word_embeddings = LiveDict(lambda: _fitting(True))
        self.skipped_embeddings = LiveDict(lambda: _fitting(False))
        self.ids_lookup: dict[int, Any] = {}
        self.expected_shape = -1
        self.previously_displayed_embeddings: tuple[str, ...] = ()
        self._folders: dict[str, DirWithTextualInversionEmbeddings] = {}

    @property
    def embedding_dirs(self) -> dict[str, DirWithTextualInversionEmbeddings]:
        folder = current().flags.embeddings_dir
        return {folder: DirWithTextualInversionEmbeddings(folder), **self._folders}

    def add_embedding_dir(self, path: str) -> None:
        """Embeddings are looked for there too."""
        self._folders[path] = DirWithTextualInversionEmbeddings(path)
        current().catalogue.add_embedding_folder(Path(path))

    def load_textual_inversion_embeddings(self, force_reload: bool = False, sync_with_sd_model: bool = True) -> None:
        """Look through the folder anew."""
        current().catalogue.refresh()

    def find_embedding_at_position(self, tokens: list[int], offset: int) -> tuple[Any, Any]:
        """The embedding that the tokens there name, and how many tokens its name takes; (None, None) where there is none."""
        finder = embedding_finder(current())
        found = finder.find(tokens, offset) if finder else None
        return (None, None) if found is None else (self.word_embeddings.get(found[0].name), found[1])

    def register_embedding(self, embedding: Embedding, model: Any = None) -> Embedding | None:
        return self.register_embedding_by_name(embedding, model, embedding.name)

    def register_embedding_by_name(self, embedding: Embedding | None, model: Any, name: str) -> Embedding | None:
        """From now on prompts that say ``name`` mean ``embedding``; None: nothing any more."""
        if embedding is None:
            self.unregister_embedding(name)
        else:
            self.word_embeddings[name] = embedding
            current().embeddings.registered = self.registered
        return embedding

    def registered(self) -> Iterator[LoadedEmbedding]:
        """Those that extensions put in, as they are now."""
        for name, embedding in list(self.word_embeddings.own.items()):
            if (found := embedding.loaded(name)) is not None:
                yield found

    def unregister_embedding(self, name: str) -> None:
        self.word_embeddings.pop(name, None)


class StableDiffusionModelHijack:
    """What A1111 hangs its text facts on. comments: words that a job adds to its result."""

    fixes = None
    circular_enabled = False
    clip = None
    optimization_method = None

    def __init__(self) -> None:
        self.embedding_db = EmbeddingDatabase()
        self.comments: list[str] = []
        self.extra_generation_params: dict[str, Any] = {}

    @property
    def layers(self) -> list[Any]:
        """Every part of the model that draws and of the VAE, as modules of PyTorch's: what is done to a convolution acts."""
        app = current()
        if app.checkpoints.components is None and app.catalogue.checkpoints():
            load_chosen()
        parts = app.checkpoints.components
        if parts is None:
            return []
        unet, vae = parts.unet, parts.vae
        for half in ("encoder", "decoder"):
            getattr(vae, half, None)        # asking for it reads it (loading/unread.py)
        return [*unet.modules(), *(vae.modules() if vae is not None else ())]

    def get_prompt_lengths(self, text: str, cond_stage_model: Any = None) -> tuple[int, int]:
        """(tokens, what they are padded to) of a prompt."""
        return count_tokens(text, embeddings=embedding_finder(current()) if is_occupied() else None)

    def tokenize(self, text: str) -> tuple[list[str], int, int]:
        """([text], tokens, what they are padded to)."""
        return [text], *self.get_prompt_lengths(text)

    def clear_comments(self) -> None:
        self.comments = []
        self.extra_generation_params = {}

    def hijack(self, m: Any) -> None:
        """Nothing is hijacked here: our own modules do it from the start."""

    undo_hijack = apply_optimizations = redo_hijack = convert_sdxl_to_ssd = hijack

    def apply_circular(self, enable: bool) -> None:
        """Tiling is a parameter of the request."""


model_hijack = StableDiffusionModelHijack()
