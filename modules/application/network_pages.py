"""Pages of cards beside "Generation": which kinds there are, and a slice of one kind, searched and sorted.

A kind is a record: title, name, a function that lists its files, one that tells what a card shows. Extensions register more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modules.library.scan import natural
from modules.schema.errors import UnknownName

SORT_FIELDS = {"default": "Path", "name": "Name", "date_created": "Date Created", "date_modified": "Date Modified"}
SHORTEST_SEARCH = 4  # letters from which on files of hidden folders are found


@dataclass(frozen=True, kw_only=True)
class NetworkItem:
    """One card as the list knows it. inside: its path below the page's root, with forward slashes.

    created, modified: seconds since 1970. search: lower-case text in which a search looks. version: "SD1", "SD2", "SDXL", or "" for unknown.
    """

    name: str
    inside: str
    path: Path | None = None
    created: float = 0.0
    modified: float = 0.0
    search: str = ""
    version: str = ""

    @property
    def folder(self) -> str:
        """"" for the root."""
        return self.inside.rpartition("/")[0]

    @property
    def is_hidden(self) -> bool:
        return any(part.startswith(".") for part in self.inside.split("/"))


@dataclass(frozen=True, kw_only=True)
class CardFace:
    """What a card shows and does. preview: URL relative to the page. loads: a click loads this checkpoint and writes nothing.

    negative_prompt: goes into the negative prompt's box. description: plain text.
    sort_keys: what an extension's card is sorted by, for the extension's own scripts.
    """

    prompt: str = ""
    negative_prompt: str = ""
    description: str = ""
    preview: str = ""
    has_metadata: bool = False
    loads: str = ""
    sort_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NetworkPage:
    """A kind of card. name: as A1111's routes know it ("textual inversion").

    items: all that there are now. face: looked up only for cards that are shown. metadata: what the file's header carries.
    short_hash: as texts of pictures have it, "" where it is not known yet.
    words: what the user wrote about a card, lower case; a search looks in it where cards show it.
    goes_into_negative: a click writes into the negative prompt when that box was used last.
    folders: where its files lie; nothing outside is shown or written. note: a sentence above the cards.
    """

    title: str
    name: str
    items: Callable[[], Sequence[NetworkItem]]
    face: Callable[[NetworkItem], CardFace]
    metadata: Callable[[NetworkItem], Mapping[str, str]] = lambda _item: {}
    short_hash: Callable[[NetworkItem], str] = lambda _item: ""
    words: Callable[[NetworkItem], str] = lambda _item: ""
    refresh: Callable[[], None] = lambda: None
    folders: tuple[Path, ...] = ()
    goes_into_negative: bool = False
    has_user_metadata: bool = True
    note: str = ""

    @property
    def id(self) -> str:
        """Its part of elem_ids ("textual_inversion")."""
        return self.name.replace(" ", "_")

    def find(self, name: str) -> NetworkItem:
        """The item of that name, or at that place below the page's root. Raises UnknownName."""
        items = self.items()
        found = next((item for item in items if item.inside == name), None) or next((item for item in items if item.name == name), None)
        if found is None:
            raise UnknownName(f"card on the page {self.title}", name, remedy="Refresh the page of cards.")
        return found


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which cards: those whose search text or description holds every word of ``search``, below ``folder`` (``exactly``: not deeper)."""

    search: str = ""
    folder: str = ""
    exactly: bool = False
    sort: str = "default"
    descending: bool = False
    start: int = 0
    count: int = 100


@dataclass(frozen=True, kw_only=True)
class Slice:
    """total: cards that fit, of which ``items`` are some. folders: every folder with cards, and how many lie in or below it."""

    total: int
    items: tuple[NetworkItem, ...]
    folders: Mapping[str, int]


@dataclass
class NetworkPages:
    """The kinds of one server, in the order of the tabs."""

    kinds: list[NetworkPage] = field(default_factory=list)

    def __iter__(self) -> Iterator[NetworkPage]:
        return iter(tuple(self.kinds))

    def register(self, page: NetworkPage) -> None:
        """Add a kind; one of the same name is replaced."""
        self.kinds = [each for each in self.kinds if each.name != page.name] + [page]

    def find(self, name: str) -> NetworkPage:
        """By name or id. Raises UnknownName."""
        for page in self.kinds:
            if name in (page.name, page.id):
                return page
        raise UnknownName("page of cards", name, [page.name for page in self.kinds])

    def ordered(self, wish: str) -> list[NetworkPage]:
        """In the order of ``ui_extra_networks_tab_reorder``: names with commas between them; the others follow."""
        names = [each.strip().lower().replace("_", " ") for each in wish.split(",") if each.strip()]

        def place(page: NetworkPage) -> int:
            return next((index for index, name in enumerate(names) if name in (page.name, page.title.lower())), len(names))

        return sorted(self.kinds, key=place)


def slice_of(page: NetworkPage, wanted: Wanted, settings: Callable[[str], Any]) -> Slice:
    """The cards that are asked for, with A1111's rules for hidden folders. settings: a setting's value by key."""
    rule, show_folders = settings("extra_networks_hidden_models"), settings("extra_networks_show_hidden_directories")
    every = page.items()
    items = [item for item in every if rule == "Always" or not item.is_hidden or (rule == "When searched" and len(wanted.search) >= SHORTEST_SEARCH)]
    folders = _folders(every if show_folders else [item for item in items if not item.is_hidden])
    words = wanted.search.lower().split()
    described = page.words if settings("extra_networks_card_show_desc") else lambda _item: ""
    found = [item for item in items if _lies_in(item, wanted) and (_all_in(words, item.search) or _all_in(words, f"{item.search} {described(item)}"))]
    found.sort(key=_SORT_KEYS.get(wanted.sort, _SORT_KEYS["default"]), reverse=wanted.descending)
    start = max(0, wanted.start)
    return Slice(total=len(found), items=tuple(found[start : start + max(0, wanted.count)]), folders=folders)


def item_of(
    path: Path, inside: str, *, name: str, modified: float, created: float, more_to_find: Sequence[str | None] = (), version: str = ""
) -> NetworkItem:
    """The item of a file: found by its path and ``more_to_find`` (hashes, titles)."""
    search = " ".join([f"/{inside}", name, *(each for each in more_to_find if each)]).lower()
    return NetworkItem(name=name, inside=inside, path=path, created=created, modified=modified, search=search, version=version)


def _all_in(words: Sequence[str], text: str) -> bool:
    return all(word in text for word in words)


def _lies_in(item: NetworkItem, wanted: Wanted) -> bool:
    if not wanted.folder:
        return not wanted.exactly or not item.folder
    return item.folder == wanted.folder or (not wanted.exactly and item.folder.startswith(wanted.folder + "/"))


def _folders(items: Sequence[NetworkItem]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        folder = item.folder
        while folder:
            counts[folder] = counts.get(folder, 0) + 1
            folder = folder.rpartition("/")[0]
    return dict(sorted(counts.items(), key=lambda each: natural(each[0])))


_SORT_KEYS: dict[str, Callable[[NetworkItem], Any]] = {
    "default": lambda item: natural(item.inside),
    "name": lambda item: natural(item.name),
    "date_created": lambda item: (item.created, item.name),
    "date_modified": lambda item: (item.modified, item.name),
}
