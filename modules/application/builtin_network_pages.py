"""The four pages of cards that A1111 has: Textual Inversion, Hypernetworks, Checkpoints, Lora."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from modules.application.network_pages import CardFace, NetworkItem, NetworkPage, item_of
from modules.library.card import NOTES, find_preview, read_card
from modules.library.header import read_header
from modules.library.model_file import ModelFile
from modules.library.roots import HYPERNETWORK_SUFFIXES, Place
from modules.library.scan import scan
from modules.schema.errors import CannotLoad, WebuiError

if TYPE_CHECKING:
    from modules.application.app import App

COVER_KEYS = ("ssmd_cover_images", "modelspec.thumbnail")
NO_ALIAS = ("none", "addams")  # names that many LoRA files carry inside; lower case
SD_VERSIONS = ("SD1", "SD2", "SDXL")


def register_builtin_pages(app: App) -> None:
    """Add the four to ``app.network_pages``."""
    catalogue, flags = app.catalogue, app.flags
    embeddings = FileList(catalogue.embeddings, _embedding_item, catalogue.undisturbed)
    checkpoints = FileList(catalogue.checkpoints, _checkpoint_item, catalogue.undisturbed)
    loras = FileList(catalogue.loras, _lora_item, catalogue.undisturbed)
    hypernetworks = Place(folder=Path(flags.hypernetwork_dir).absolute(), endings=HYPERNETWORK_SUFFIXES)
    faces, words = Faces(app=app, checkpoints=checkpoints, loras=loras), Descriptions()

    def refresh() -> None:
        words.forget()
        catalogue.refresh()

    def folders(places: Iterable[Place]) -> tuple[Path, ...]:
        return tuple(place.folder for place in places)

    for page in (
        NetworkPage(
            title="Textual Inversion", name="textual inversion", items=embeddings, face=faces.embedding, metadata=embeddings.metadata,
            short_hash=lambda item: embeddings.sha256(item)[:12], refresh=refresh, words=words, folders=folders(catalogue.roots.embeddings), goes_into_negative=True,
        ),
        NetworkPage(
            title="Hypernetworks", name="hypernetworks", items=lambda: _hypernetwork_items(hypernetworks, app.settings.get("list_hidden_files")),
            face=faces.hypernetwork, refresh=words.forget, words=words, folders=(hypernetworks.folder,),
        ),
        NetworkPage(
            title="Checkpoints", name="checkpoints", items=checkpoints, face=faces.checkpoint, metadata=checkpoints.metadata,
            short_hash=lambda item: checkpoints.sha256(item)[:10], refresh=refresh, words=words, folders=(*folders(catalogue.roots.checkpoints), Path(flags.ckpt).absolute().parent),
        ),
        NetworkPage(
            title="Lora", name="lora", items=lambda: _fitting(app, loras), face=faces.lora, metadata=loras.metadata,
            short_hash=faces.lora_hash, refresh=refresh, words=words, folders=folders(catalogue.roots.loras),
        ),
    ):  # fmt: skip
        app.network_pages.register(page)


@dataclass(frozen=True)
class Listed:
    """A list of model files, and what is derived from it once."""

    files: tuple[ModelFile, ...]
    items: tuple[NetworkItem, ...]

    @cached_property
    def by_path(self) -> Mapping[Path, ModelFile]:
        return {file.path: file for file in self.files}

    @cached_property
    def own_aliases(self) -> Mapping[Path, str]:
        """Names that trainers wrote into LoRA files, where such a name means one file alone."""
        stems = {file.stem for file in self.files}
        aliases = {file.path: file.metadata.get("ss_output_name", "") for file in self.files}
        times = Counter(aliases.values())
        return {path: name for path, name in aliases.items() if name and times[name] == 1 and name not in stems and _can_stand_in_a_tag(name)}


@dataclass(eq=False)
class FileList:
    """The items of a list of model files, made anew only when the list is another one. Calling it gives them.

    make: a file, and whether there are notes beside it -> its item. undisturbed: ``Catalogue.undisturbed``.
    """

    files: Callable[[], tuple[ModelFile, ...]]
    make: Callable[[ModelFile, bool], NetworkItem]
    undisturbed: Callable[[], AbstractContextManager[object]]
    _listed: Listed = field(default_factory=lambda: Listed((), ()))

    def __call__(self) -> tuple[NetworkItem, ...]:
        return self.listed().items

    def listed(self) -> Listed:
        files = self.files()
        listed = self._listed
        if listed.files is not files:
            with self.undisturbed():
                known = {id(file): item for file, item in zip(listed.files, listed.items)}  # most are the very same records
                notes = _notes_in({file.path.parent for file in files})
                items = (known.get(id(file)) or self.make(file, str(file.path.with_suffix(".json")) in notes) for file in files)
                self._listed = listed = Listed(files, tuple(items))
        return listed

    def sha256(self, item: NetworkItem) -> str:
        """"" while it is unknown: to read a large file takes seconds."""
        file = self.listed().by_path.get(item.path) if item.path else None
        return file.sha256 or "" if file else ""

    def metadata(self, item: NetworkItem) -> Mapping[str, str]:
        """Without the pictures in it. Raises CannotLoad."""
        return {key: text for key, text in header_texts(item.path).items() if key not in COVER_KEYS}


@dataclass(eq=False)
class Descriptions:
    """What the user wrote about a card, lower case: read at the first search, and again after ``forget``."""

    _texts: dict[Path, str] = field(default_factory=dict)
    _notes: dict[Path, set[str]] = field(default_factory=dict)

    def __call__(self, item: NetworkItem) -> str:
        path = item.path
        if path is None:
            return ""
        text = self._texts.get(path)
        if text is None:
            notes = self._notes.get(path.parent)
            if notes is None:
                notes = self._notes[path.parent] = _notes_in((path.parent,), NOTES)
            is_described = any(str(path.with_suffix(ending)) in notes for ending in NOTES)
            text = self._texts[path] = read_card(path).description.lower() if is_described else ""
        return text

    def forget(self) -> None:
        """Files may have been written since."""
        self._texts.clear()
        self._notes.clear()


@dataclass(kw_only=True)
class Faces:
    """What the cards of each kind show. What a header tells of its file is remembered by path and time."""

    app: App
    checkpoints: FileList
    loras: FileList
    _headers: dict[tuple[Path, float], tuple[bool, bool]] = field(default_factory=dict)

    def embedding(self, item: NetworkItem) -> CardFace:
        return self._face("textual inversion", item, prompt=item.name)

    def hypernetwork(self, item: NetworkItem) -> CardFace:
        return self._face("hypernetworks", item, prompt=f"<hypernet:{item.name}:{self._weight(0.0)}>")

    def checkpoint(self, item: NetworkItem) -> CardFace:
        assert item.path is not None
        file = self.checkpoints.listed().by_path.get(item.path)
        return self._face("checkpoints", item, prompt="", loads=file.title if file else item.name, first=file.why_not if file else "")

    def lora(self, item: NetworkItem) -> CardFace:
        assert item.path is not None
        card = read_card(item.path)
        negative = f"({card.negative_text}:1)" if card.negative_text else ""
        text = f"<lora:{self._lora_name(item.path) or item.name}:{self._weight(card.preferred_weight)}>"
        return self._face("lora", item, prompt=f"{text} {card.activation_text}" if card.activation_text else text, negative=negative)

    def lora_hash(self, item: NetworkItem) -> str:
        file = self.loras.listed().by_path.get(item.path) if item.path else None
        return self.app.loras.hash_at_hand(file) if file else ""

    def _face(self, page: str, item: NetworkItem, *, prompt: str, negative: str = "", loads: str = "", first: str = "") -> CardFace:
        """first: what stands before the user's description."""
        assert item.path is not None
        has_metadata, has_cover = self._header(item.path, item.modified)
        description = "\n".join(text for text in (first, read_card(item.path).description) if text)
        return CardFace(
            prompt=prompt, negative_prompt=negative, description=description, preview=_preview_url(page, item, has_cover),
            has_metadata=has_metadata, loads=loads,
        )  # fmt: skip

    def _weight(self, preferred: float) -> str:
        return f"{preferred or self.app.settings.get('extra_networks_default_multiplier'):g}"

    def _lora_name(self, path: Path) -> str:
        """The alias in the file, where the settings want it; "" for the file's own name."""
        if self.app.settings.get("lora_preferred_name") == "Filename":
            return ""
        return self.loras.listed().own_aliases.get(path, "")

    def _header(self, path: Path, modified: float) -> tuple[bool, bool]:
        """(it carries texts, a picture is among them)."""
        key = (path, modified)
        if key not in self._headers:
            try:
                texts = header_texts(path)
            except CannotLoad:
                texts = {}
            self._headers[key] = (any(name not in COVER_KEYS for name in texts), any(texts.get(name) for name in COVER_KEYS))
        return self._headers[key]


def header_texts(path: Path | None) -> Mapping[str, str]:
    """The texts in a .safetensors header; none for other files. Raises CannotLoad."""
    if path is None or path.suffix.lower() != ".safetensors":
        return {}
    return read_header(path).metadata


def cover_images(metadata: Mapping[str, str]) -> list[str]:
    """Pictures that a trainer put into a header, in base64 or as data URLs."""
    try:
        found = json.loads(metadata.get("ssmd_cover_images") or "[]")
    except (ValueError, RecursionError):
        found = []
    covers = [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
    thumbnail = metadata.get("modelspec.thumbnail", "")
    return [*covers, thumbnail] if thumbnail.startswith("data:image/") else covers


def _preview_url(page: str, item: NetworkItem, has_cover: bool) -> str:
    assert item.path is not None
    picture = find_preview(item.path)
    if picture is not None:
        try:
            changed = picture.stat().st_mtime
        except OSError:
            changed = 0.0
        return f"./sd_extra_networks/thumb?filename={quote(picture.as_posix())}&mtime={changed:.0f}"
    return f"./sd_extra_networks/cover-images?page={quote(page)}&item={quote(item.inside)}" if has_cover else ""


def _notes_in(folders: Iterable[Path], endings: tuple[str, ...] = NOTES[:1]) -> set[str]:
    """Paths of the notes there: to look for each file's own would take thousands of questions to the disk."""
    found: set[str] = set()
    for folder in folders:
        try:
            found.update(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(endings))
        except OSError:
            continue
    return found


def _embedding_item(file: ModelFile, _has_notes: bool) -> NetworkItem:
    return item_of(file.path, file.name, name=file.stem, modified=file.modified, created=file.created, more_to_find=[file.sha256])


def _lora_item(file: ModelFile, has_notes: bool) -> NetworkItem:
    return item_of(
        file.path, file.name, name=file.stem, modified=file.modified, created=file.created, version=lora_version(file, has_notes=has_notes),
        more_to_find=[file.metadata.get("ss_output_name"), file.metadata.get("sshs_model_hash"), file.sha256],
    )  # fmt: skip


def _can_stand_in_a_tag(name: str) -> bool:
    return name.lower() not in NO_ALIAS and not any(letter in name for letter in "<>:")


def _checkpoint_item(file: ModelFile, _has_notes: bool) -> NetworkItem:
    return item_of(file.path, file.name, name=file.stem, modified=file.modified, created=file.created, more_to_find=[file.title, file.sha256])


def _hypernetwork_items(place: Place, hidden: bool) -> Sequence[NetworkItem]:
    return [item_of(file.path, file.name, name=file.path.stem, modified=file.modified, created=file.created) for file in scan((place,), hidden=hidden)]


def _fitting(app: App, loras: FileList) -> Sequence[NetworkItem]:
    """LoRAs for the chosen checkpoint's family; those of unknown family too, unless the settings hide them. ``lora_show_all``: all."""
    items = loras()
    settings = app.settings
    version = None if settings.get("lora_show_all") else _checkpoint_version(app)
    if version is None:
        return items
    hide_unknown = version in settings.get("lora_hide_unknown_for_versions")

    return [item for item in items if (item.version == version if item.version else not hide_unknown)]


def lora_version(file: ModelFile, *, has_notes: bool = True) -> str:
    """"SD1", "SD2" or "SDXL": as the user wrote on its card, else as its trainer did; "" when neither is known yet."""
    own = read_card(file.path).sd_version if has_notes else ""
    if own in SD_VERSIONS:
        return own
    base = f"{file.metadata.get('ss_base_model_version', '')} {file.metadata.get('modelspec.architecture', '')}".lower()
    if "sdxl" in base or "-xl-" in base:
        return "SDXL"
    if file.metadata.get("ss_v2") == "True" or "sd_v2" in base or "diffusion-v2" in base:
        return "SD2"
    return "SD1" if "sd_v1" in base or "diffusion-v1" in base else ""


def _checkpoint_version(app: App) -> str | None:
    try:
        family = app.catalogue.find_checkpoint(app.settings.get("sd_model_checkpoint") or "").family_name or ""
    except WebuiError:
        return None
    return family.split(" ")[0] if family.split(" ")[0] in SD_VERSIONS else None
