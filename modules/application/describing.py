"""Interrogate: words for a picture, by BLIP with CLIP's help, or by DeepDanbooru. Which files that takes, and what to do about those that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modules.application.downloads import Published
from modules.engine.describe import Category, TagStyle
from modules.engine.describe_tools import DescribeTools
from modules.schema.errors import InvalidValue, UnknownName

if TYPE_CHECKING:
    from PIL.Image import Image

CLIP, DEEPDANBOORU = "clip", "deepdanbooru"
DESCRIBERS = (CLIP, DEEPDANBOORU)               # by the API's names
_SUFFIXES = (".pth", ".pt", ".safetensors", ".bin")
_MOST = re.compile(r"\.top(\d+)\.")             # in a list's name: how many of its texts are taken


@dataclass(frozen=True)
class Weights:
    """A network, its file by the name that it is published under, the folder below the models folder, and where it comes from."""

    network: str
    file: str
    folder: str
    address: str


BLIP = Weights("BLIP", "model_base_caption_capfilt_large.pth", "BLIP",
               "https://storage.googleapis.com/sfr-vision-language-research/BLIP/models/model_base_caption_capfilt_large.pth")
TAGGER = Weights("DeepDanbooru", "model-resnet_custom_v3.pt", "torch_deepdanbooru",
                 "https://github.com/AUTOMATIC1111/TorchDeepDanbooru/releases/download/v1/model-resnet_custom_v3.pt")
PAIR = Weights("CLIP", "ViT-L-14.pt", "CLIP",
               "https://openaipublic.azureedge.net/clip/models/b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt")


class Settings(Protocol):
    """Anything that answers for a setting's value by key."""

    def get(self, key: str) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Description:
    """words: a part of a prompt. notes: sentences about what it was made without."""

    words: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Describer:
    """What describes pictures. Only the worker thread calls ``describe``.

    lists: the folder with a text file for each kind of addition (artists, mediums ...), a line for each. pair_folders: where CLIP is looked for.
    """

    models_dir: Path
    lists: Path
    pair_folders: tuple[Path, ...]
    tools: DescribeTools

    def describe(self, picture: Image, name: str, settings: Settings) -> Description:
        """By ``name``, one of DESCRIBERS. Raises UnknownName, InvalidValue where a file is missing, CannotLoad."""
        try:
            return self.one_of_many(picture, name, settings)
        finally:
            self.rest(settings)

    def one_of_many(self, picture: Image, name: str, settings: Settings) -> Description:
        """``describe`` for pictures in a row: what is loaded stays until ``rest``."""
        self.check(name)
        return Description(words=self.tags(picture, settings)) if name == DEEPDANBOORU else self.caption(picture, settings)

    def rest(self, settings: Settings) -> None:
        """Let go of what is loaded, unless it is to be kept."""
        if not settings.get("interrogate_keep_models_in_memory"):
            self.forget()

    def check(self, name: str) -> None:
        """Raises UnknownName, and InvalidValue where the file that ``name`` takes is missing."""
        if name not in DESCRIBERS:
            raise UnknownName("interrogation model", name, DESCRIBERS)
        self._file(TAGGER if name == DEEPDANBOORU else BLIP)

    def tags(self, picture: Image, settings: Settings, *, may_score: bool = True) -> str:
        """DeepDanbooru's. may_score: whether the setting that shows scores is asked."""
        get, path = settings.get, self._file(TAGGER)
        style = TagStyle(
            least=get("interrogate_deepbooru_score_threshold"), by_alphabet=get("deepbooru_sort_alpha"), spaces=get("deepbooru_use_spaces"),
            escaped=get("deepbooru_escape"), with_scores=may_score and get("interrogate_return_ranks"),
            left_out=frozenset(each.strip().replace(" ", "_") for each in get("deepbooru_filter_tags").split(",")))
        return self.tools.tags(picture, path, style)

    def caption(self, picture: Image, settings: Settings) -> Description:
        """BLIP's sentence, then what of the lists CLIP finds in the picture."""
        words = self.sentence(picture, settings)
        categories = [each for each in self.categories(settings) if each.texts]
        pair = next(self._in_folders(self.pair_folders, PAIR), None)
        if not categories:
            return Description(words=words)
        if pair is None:
            where = " or ".join(map(str, self.pair_folders))
            return Description(words=words, notes=(f"The lists in {self.lists} were not asked: {PAIR.file} is not in {where}. Download it from {PAIR.address}.",))
        found = self.tools.best_texts(picture, pair, categories)
        is_scored = settings.get("interrogate_return_ranks")
        return Description(words=", ".join([words, *(f"({text}:{share:.3f})" if is_scored else text for text, share in found)]))

    def sentence(self, picture: Image, settings: Settings) -> str:
        """BLIP's."""
        get, path = settings.get, self._file(BLIP)
        return self.tools.sentence(
            picture, path, beams=int(get("interrogate_clip_num_beams")), shortest=int(get("interrogate_clip_min_length")),
            longest=int(get("interrogate_clip_max_length")))

    def category_names(self) -> list[str]:
        """Of the lists, by their files."""
        return [each.stem for each in self._list_files()]

    def categories(self, settings: Settings) -> Iterator[Category]:
        """The lists that are asked, each as far as the settings say."""
        most = int(settings.get("interrogate_clip_dict_limit"))
        skipped = settings.get("interrogate_clip_skip_categories")
        for path in self._list_files():
            if path.stem not in skipped:
                lines = [line.strip() for line in path.read_text("utf-8", errors="replace").splitlines() if line.strip()]
                taken = _MOST.search(path.name)
                yield Category(name=path.stem, texts=lines[:most] if most else lines, most=int(taken[1]) if taken else 1)

    def published(self) -> list[Published]:
        """What describes pictures, to be fetched."""
        folders = {BLIP: self.models_dir / BLIP.folder, TAGGER: self.models_dir / TAGGER.folder, PAIR: self.pair_folders[0]}
        return [Published(final=folder / each.file, address=each.address) for each, folder in folders.items()]

    def forget(self) -> None:
        """Let go of what is loaded."""
        self.tools.forget()

    def _list_files(self) -> Sequence[Path]:
        return sorted(self.lists.glob("*.txt")) if self.lists.is_dir() else ()

    def _file(self, weights: Weights) -> Path:
        folder = self.models_dir / weights.folder
        found = next(self._in_folders((folder,), weights), None)
        if found is None:
            raise InvalidValue(f"{weights.network} cannot describe the picture: its weights, {weights.file}, are not in {folder}.",
                               f"Download them from {weights.address}, put them there and try again.", field="model")
        return found

    def _in_folders(self, folders: Sequence[Path], weights: Weights) -> Iterator[Path]:
        """The one that has the published name first; any other weights after it."""
        files = [each for folder in folders if folder.is_dir() for each in sorted(folder.iterdir()) if each.suffix.lower() in _SUFFIXES and each.is_file()]
        yield from sorted(files, key=lambda each: each.name != weights.file)
