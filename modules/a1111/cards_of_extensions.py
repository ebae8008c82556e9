"""A page of cards that an extension registers, as one of the house's: its items are listed by the extension, shown and searched by us."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.callbacks import caller_file
from modules.a1111.options import opts
from modules.application.network_pages import CardFace, NetworkItem, NetworkPage

_PART = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(\'(?:[^\'\\]|\\.)*\')|opts\.(\w+)|(-?\d+(?:\.\d+)?))\s*(\+|$)')


def offer(page: Any) -> None:
    """Show ``page``, an A1111 ``ExtraNetworksPage``, beside the house's own pages of cards."""
    app = current()
    listed = Listed(page=page, owner=app.extensions.owner_of(caller_file()))
    app.network_pages.register(
        NetworkPage(
            title=str(page.title), name=str(page.name), items=listed.items, face=listed.face, metadata=listed.metadata, refresh=listed.refresh,
            folders=tuple(Path(each).absolute() for each in page.allowed_directories_for_previews() if each),
            goes_into_negative=bool(page.allow_negative_prompt),
        )
    )  # fmt: skip


@dataclass(eq=False, kw_only=True)
class Listed:
    """What the extension's page listed when it was last asked: at first, and when somebody refreshes it."""

    page: Any
    owner: str
    _items: tuple[NetworkItem, ...] | None = None
    _found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def items(self) -> Sequence[NetworkItem]:
        """None where listing them fails, which is noted under the extension's name."""
        if self._items is None:
            found: list[dict[str, Any]] = []
            with current().extensions.guarded(self.owner, f"cards of {self.page.title}"):
                found = [each for each in self.page.list_items() if each]
            for each in found:
                if "user_metadata" not in each:
                    with current().extensions.guarded(self.owner, f"notes of {each.get('name')}"):
                        self.page.read_user_metadata(each)
            self._found = {str(each["name"]): each for each in found}
            self.page.items = dict(self._found)
            self.page.metadata.update({name: each["metadata"] for name, each in self._found.items() if each.get("metadata")})
            self._items = tuple(self._item(name, each) for name, each in self._found.items())
        return self._items

    def _item(self, name: str, each: Mapping[str, Any]) -> NetworkItem:
        path = Path(each["filename"]) if each.get("filename") else None
        keys = each.get("sort_keys") or {}
        terms = each.get("search_terms") or [each.get("search_term") or ""]
        search = " ".join([name, *map(str, terms), str(each.get("description") or "")]).lower()
        return NetworkItem(
            name=name, inside=self._inside(path, name), path=path, created=_number(keys.get("date_created")), modified=_number(keys.get("date_modified")), search=search
        )  # fmt: skip

    def _inside(self, path: Path | None, name: str) -> str:
        for folder in self.page.allowed_directories_for_previews():
            if path is not None and folder and path.absolute().is_relative_to(Path(folder).absolute()):
                return path.absolute().relative_to(Path(folder).absolute()).as_posix()
        return name

    def face(self, item: NetworkItem) -> CardFace:
        each = self._found.get(item.name, {})
        return CardFace(
            prompt=spoken(each.get("prompt")), negative_prompt=spoken(each.get("negative_prompt")), description=str(each.get("description") or ""),
            preview=str(each.get("preview") or ""), has_metadata=bool(each.get("metadata")), sort_keys={str(key): str(value) for key, value in (each.get("sort_keys") or {}).items()},
        )  # fmt: skip

    def metadata(self, item: NetworkItem) -> Mapping[str, str]:
        found = self._found.get(item.name, {}).get("metadata") or {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {"metadata": str(found)}

    def refresh(self) -> None:
        with current().extensions.guarded(self.owner, f"refreshing {self.page.title}"):
            self.page.refresh()
        self._items = None


def spoken(text: Any) -> str:
    """What a card writes: A1111 keeps it as JavaScript, texts and settings with + between them. Anything else is taken as it stands."""
    if not text:
        return ""
    text, parts, place = str(text).strip(), list[str](), 0
    while place < len(text):
        found = _PART.match(text, place)
        if found is None or (found.group(3) and not hasattr(opts, found.group(3))):
            return text
        double, single, key, number = found.group(1, 2, 3, 4)
        parts.append(_text(double or single) if double or single else number or _written(getattr(opts, key)))
        place = found.end()
    return "".join(parts)


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(literal: str) -> str:
    inside = literal[1:-1].replace("\\'", "'") if literal[0] == "'" else literal[1:-1]
    try:
        return json.loads('"' + (inside.replace('"', '\\"') if literal[0] == "'" else inside) + '"', strict=False)
    except ValueError:
        return inside


def _number(value: Any) -> float:
    found = re.match(r"\d+(\.\d+)?", str(value or ""))
    return float(found.group()) if found else 0.0
