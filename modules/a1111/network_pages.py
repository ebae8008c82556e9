"""A1111's pages of model cards, as base classes for those that extensions bring."""
from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.a1111 import cards_of_extensions
from modules.a1111.app_slot import current, is_occupied
from modules.a1111.network_types import get_user_metadata
from modules.a1111.options import opts
from modules.a1111.stubs import note_use
from modules.application.network_pages import NetworkItem, NetworkPage

allowed_dirs: set[str] = set()
default_allowed_preview_extensions = ["png", "jpg", "jpeg", "webp", "gif"]


@dataclass
class ExtraNetworksItem:
    item: dict[str, Any]


def register_page(page: Any) -> None:
    """Another page of cards, which stands on the page beside the others; one of the same name gives way."""
    extra_pages[:] = [each for each in extra_pages if each.name != page.name] + [page]
    if is_occupied():
        cards_of_extensions.offer(page)
    allowed_dirs.update(page.allowed_directories_for_previews())


def register_default_pages() -> None: ...


def get_metadata(page: str = "", item: str = "") -> dict[str, Any]:
    found = next((each for each in extra_pages if each.name == page), None)
    if isinstance(found, HousePage):
        return dict((found.create_item(item) or {}).get("metadata") or {})
    return dict(found.metadata.get(item) or {}) if found else {}


def allowed_preview_extensions_with_extra(extra_extensions: Iterable[str] | None = None) -> set[str]:
    return {*default_allowed_preview_extensions, *(extra_extensions or ())}


def allowed_preview_extensions() -> set[str]:
    return allowed_preview_extensions_with_extra((opts.samples_format,))


def get_tree(paths: str | Iterable[str], items: Mapping[str, ExtraNetworksItem]) -> dict[str, Any]:
    """Folders as nested dicts, by their whole paths; files that are among ``items`` (by path) are these."""

    def below(folder: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in sorted(os.listdir(folder), key=str.casefold):
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                found[path] = below(path)
            elif path in items:
                found[path] = items[path]
        return found

    return {root: below(root) for root in ([paths] if isinstance(paths, str) else paths) if os.path.isdir(root)}


def quote_js(s: str) -> str:
    """A text as JavaScript writes it, inside an HTML attribute."""
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ExtraNetworksPage:
    """A page of cards. Subclasses list items: dicts with name, filename, preview, prompt ..."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.name = title.lower()
        self.id_page = self.name.replace(" ", "_")
        self.extra_networks_tabname = self.id_page
        self.allow_prompt = True
        self.allow_negative_prompt = False
        self.metadata: dict[str, Any] = {}
        self.items: dict[str, Any] = {}
        self.lister: Any = None

    def refresh(self) -> None: ...

    def list_items(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def allowed_directories_for_previews(self) -> list[str]:
        return []

    def create_item(self, name: str, index: int | None = None, enable_filter: bool = True) -> dict[str, Any] | None:
        return None

    def read_user_metadata(self, item: dict[str, Any], use_cache: bool = True) -> None:
        item["user_metadata"] = get_user_metadata(item.get("filename") or "")

    def link_preview(self, filename: str) -> str:
        return f"./sd_extra_networks/thumb?filename={filename}&mtime={os.path.getmtime(filename)}"

    def find_preview(self, path: str) -> str | None:
        """The picture beside a model file."""
        for end in (f"{kind}.{each}" for each in default_allowed_preview_extensions for kind in (".preview", "")):
            if os.path.exists(path + end):
                return self.link_preview(path + end)
        return None

    def find_description(self, path: str) -> str | None:
        for end in (".txt", ".description.txt"):
            if os.path.exists(path + end):
                return Path(path + end).read_text(encoding="utf-8", errors="replace")
        return None

    def find_embedded_preview(self, path: str, name: str, metadata: Any) -> None:
        return None

    def search_terms_from_path(self, filename: str, possible_directories: Any = None) -> str:
        return os.path.relpath(filename, Path(filename).anchor or ".")

    def get_sort_keys(self, path: str) -> dict[str, Any]:
        found = Path(path)
        facts = found.stat() if found.exists() else None
        return {"date_created": int(facts.st_ctime) if facts else 0, "date_modified": f"{int(facts.st_mtime) if facts else 0}{found.stem.lower()}", "name": found.stem.lower(), "path": str(found).lower()}

    def create_user_metadata_editor(self, ui: Any, tabname: str) -> UserMetadataEditor:
        return UserMetadataEditor(ui, tabname, self)


class HousePage(ExtraNetworksPage):
    """One of the house's own four, as extensions find it in ``extra_pages``."""

    own_title = ""

    def __init__(self) -> None:
        super().__init__(self.own_title)

    @property
    def _own(self) -> NetworkPage:
        return current().network_pages.find(self.name)

    def refresh(self) -> None:
        self._own.refresh()

    def create_item(self, name: str, index: int | None = None, enable_filter: bool = True) -> dict[str, Any] | None:
        page = self._own
        found = next((each for each in page.items() if each.name == name), None)
        return _as_dict(page, found, index or 0) if found else None

    def list_items(self) -> Iterator[dict[str, Any]]:
        page = self._own
        for index, each in enumerate(page.items()):
            yield _as_dict(page, each, index)

    def allowed_directories_for_previews(self) -> list[str]:
        return [str(each) for each in self._own.folders]


def _as_dict(page: NetworkPage, item: NetworkItem, index: int) -> dict[str, Any]:
    face, filename = page.face(item), str(item.path or "")
    return {
        "name": item.name, "filename": filename, "shorthash": page.short_hash(item), "preview": face.preview or None, "description": face.description, "search_terms": [item.search],
        "prompt": json.dumps(face.prompt), "negative_prompt": json.dumps(face.negative_prompt), "local_preview": f"{os.path.splitext(filename)[0]}.preview.png",
        "metadata": dict(page.metadata(item)), "sd_version": item.version or "Unknown", "user_metadata": get_user_metadata(filename),
        "sort_keys": {"default": index, "date_created": int(item.created), "date_modified": f"{int(item.modified)}{item.name.lower()}", "name": item.name.lower(), "path": item.inside.lower()},
    }  # fmt: skip


class ExtraNetworksPageTextualInversion(HousePage):
    own_title = "Textual Inversion"


class ExtraNetworksPageHypernetworks(HousePage):
    own_title = "Hypernetworks"


class ExtraNetworksPageCheckpoints(HousePage):
    own_title = "Checkpoints"


class ExtraNetworksPageLora(HousePage):
    own_title = "Lora"


extra_pages: list[Any] = [ExtraNetworksPageTextualInversion(), ExtraNetworksPageHypernetworks(), ExtraNetworksPageCheckpoints(), ExtraNetworksPageLora()]


class UserMetadataEditor:
    """The dialogue for a card. Subclasses add components; where the page has no such dialogue they are never asked to."""

    def __init__(self, ui: Any, tabname: str, page: Any) -> None:
        self.ui = ui
        self.tabname = tabname
        self.page = page
        self.id_part = f"{self.tabname}_{self.page.extra_networks_tabname}_edit_user_metadata"
        self.box = None
        self.edit_name_input = self.button_edit = self.edit_name = self.edit_description = self.edit_notes = None
        self.html_filedata = self.html_preview = self.html_status = self.button_cancel = self.button_replace_preview = self.button_save = None

    def get_user_metadata(self, name: str) -> dict[str, Any]:
        item = self.page.items.get(name, {})
        found = item.get("user_metadata")
        return dict(found) if found is not None else get_user_metadata(item.get("filename") or "")

    def create_extra_default_items_in_left_column(self) -> None: ...

    def create_default_editor_elems(self) -> None: ...

    def create_default_buttons(self) -> None: ...

    def create_editor(self) -> None: ...

    def put_values_into_components(self, name: str) -> list[Any]:
        found = self.get_user_metadata(name)
        return [name, found.get("description", ""), "", "", found.get("notes", ""), {"__type__": "update"}]

    def get_metadata_table(self, name: str) -> list[tuple[str, str]]:
        filename = self.page.items.get(name, {}).get("filename") or ""
        return [("Filename: ", os.path.basename(filename))] if filename else []

    def save_user_metadata(self, name: str, desc: str, notes: str) -> None:
        self.write_user_metadata(name, {**self.get_user_metadata(name), "description": desc, "notes": notes})

    def write_user_metadata(self, name: str, metadata: dict[str, Any]) -> None:
        """Write the JSON beside the model file."""
        from modules.files.atomic import write_json

        filename = self.page.items.get(name, {}).get("filename")
        if filename:
            json.dumps(metadata)
            write_json(Path(filename).with_suffix(".json"), metadata)

    def setup_save_handler(self, button: Any, func: Any, components: Any) -> None: ...

    def setup_ui(self, gallery: Any) -> None: ...


class ExtraNetworksUi:
    """A1111's record of the cards that stand on one tab."""

    def __init__(self) -> None:
        self.pages: list[Any] = []
        self.page_contents: list[Any] = []
        self.user_metadata_editors: list[Any] = []
        self.stored_extra_pages: list[Any] = []
        self.button_save_preview: Any = None
        self.preview_target_filename: Any = None
        self.tabname = ""


def create_ui(interface: Any, unrelated_tabs: Any, tabname: str) -> ExtraNetworksUi:
    """For extensions that want cards on a tab of their own too: the tab is built, and stands there without them."""
    note_use("modules.ui_extra_networks.create_ui", "", logs=False)
    ui = ExtraNetworksUi()
    ui.tabname = tabname
    return ui


def setup_ui(ui: ExtraNetworksUi, gallery: Any) -> None:
    """There is nothing to connect."""
