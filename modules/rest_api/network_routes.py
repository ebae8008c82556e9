"""/sd_extra_networks/*: cards in slices, their pictures, what their files carry, and what the user writes about them."""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from modules.application.app import App
from modules.application.builtin_network_pages import cover_images, header_texts
from modules.application.network_pages import SORT_FIELDS, NetworkItem, NetworkPage, Wanted, slice_of
from modules.engine.sampler_registry import samplers, schedules
from modules.files.resolver import allowed
from modules.imaging.base64_codec import decode_bytes, open_image
from modules.imaging.metadata import png_bytes, read_infotext_from
from modules.library.card import find_preview, read_card
from modules.library.card_edit import save_card, save_preview
from modules.library.training_facts import training_facts
from modules.library.training_tags import training_tags
from modules.rest_api.file_route import PICTURES
from modules.rest_api.network_cards import card_html
from modules.rest_api.routes import Access, Routes
from modules.schema.errors import CannotLoad, InvalidValue

MOST_CARDS = 500
MOST_TAGS = 24  # as many as A1111's dialog shows
_LONGEST_METADATA = 2_000_000  # characters shown of one file's metadata
_KEEP = {"Cache-Control": "private, max-age=3600"}


class CardsRequest(BaseModel):
    """Which card. page: its kind's name or id. name: as the card bears it, or its path below the page's root."""

    page: str = Field(max_length=200)
    name: str = Field(max_length=4096)


class UserMetadata(CardsRequest):
    """values: by the names of ``library.card_edit.KEYS``; those that are not named stay."""

    values: dict[str, Any]


class Preview(CardsRequest):
    """image: the picture in base64 or as a data URL."""

    image: str


class PageRequest(BaseModel):
    page: str = Field(max_length=200)


def add_network_routes(routes: Routes) -> None:
    """They belong to the page and ask for its password."""
    app = routes.app

    def cards(
        page: str, search: str = "", folder: str = "", exactly: bool = False, sort: str = "default", descending: bool = False,
        start: int = 0, count: int = 100,
    ) -> dict[str, Any]:  # fmt: skip
        """Some cards of a page as HTML, how many fit, and the folders."""
        if sort not in SORT_FIELDS:
            raise InvalidValue(f"Cards cannot be sorted by {sort[:50]!r}.", f"Choose one of {', '.join(SORT_FIELDS)}.", field="sort")
        kind = app.network_pages.find(page)
        wanted = Wanted(search=search[:500].strip(), folder=folder.strip("/"), exactly=exactly, sort=sort, descending=descending, start=start,
                        count=min(count, MOST_CARDS))  # fmt: skip
        with app.catalogue.undisturbed():
            found = slice_of(kind, wanted, app.settings.get)
            html = [card_html(kind, item, app.settings.get) for item in found.items]
        return {"total": found.total, "folders": found.folders, "cards": html, "note": kind.note, "places": [str(each) for each in kind.folders]}

    def single_card(page: str = "", tabname: str = "", name: str = "") -> dict[str, str]:
        """One card as HTML, made anew."""
        kind = app.network_pages.find(page)
        return {"html": card_html(kind, kind.find(name), app.settings.get)}

    def metadata(page: str = "", item: str = "") -> dict[str, str]:
        """What the file's header carries, as a text of JSON; {} when there is nothing."""
        kind = app.network_pages.find(page)
        texts = {name: _unpacked(text) for name, text in kind.metadata(kind.find(item)).items()}
        return {"metadata": json.dumps(texts, indent=4, ensure_ascii=False)[:_LONGEST_METADATA]} if texts else {}

    def cover(page: str = "", item: str = "", index: int = 0) -> Response:
        """A picture that the file's header carries."""
        return _cover(app.network_pages.find(page).find(item), index)

    def thumb(filename: str = "") -> FileResponse:
        """A preview picture beside a model file."""
        return _thumb(app, filename)

    def user_metadata(page: str, name: str) -> dict[str, Any]:
        """What the user wrote about a card, and facts about its file."""
        kind, item, path = _found(app, page, name)
        vaes = [vae.path.name for vae in app.catalogue.vaes()] if kind.name == "checkpoints" else []
        texts = _texts(path) if kind.name == "lora" else {}
        return {**_user_metadata(kind, item, path), "vaes": vaes, "samplers": [each.name for each in samplers()], "schedulers": [each.label for each in schedules()],
                "tags": training_tags(texts, MOST_TAGS), "training": training_facts(texts)}

    def save_user_metadata(body: UserMetadata) -> dict[str, str]:
        """Keep it beside the file; answers with the card as it looks now."""
        kind, item, path = _found(app, body.page, body.name)
        save_card(path, body.values)
        kind.refresh()
        return {"html": card_html(kind, item, app.settings.get)}

    def replace_preview(body: Preview) -> dict[str, str]:
        """Make a picture the card's own."""
        kind, item, path = _found(app, body.page, body.name)
        save_preview(path, _as_png(body.image))
        return {"html": card_html(kind, item, app.settings.get)}

    def refresh(body: PageRequest) -> dict[str, Any]:
        """Look through the page's folders again."""
        app.network_pages.find(body.page).refresh()
        return {}

    for name, handler, method in (
        ("cards", cards, "GET"), ("get-single-card", single_card, "GET"), ("metadata", metadata, "GET"), ("cover-images", cover, "GET"),
        ("thumb", thumb, "GET"), ("user-metadata", user_metadata, "GET"), ("user-metadata", save_user_metadata, "POST"),
        ("preview", replace_preview, "POST"), ("refresh", refresh, "POST"),
    ):  # fmt: skip
        routes.add_route(f"/sd_extra_networks/{name}", handler, methods=(method,), access=Access.PAGE)


def _found(app: App, page: str, name: str) -> tuple[NetworkPage, NetworkItem, Path]:
    """The card and its file. Raises UnknownName, InvalidValue for a card without a file."""
    kind = app.network_pages.find(page)
    item = kind.find(name)
    if item.path is None or not kind.has_user_metadata:
        raise InvalidValue(f"The card {item.name!r} has no file beside which notes could be kept.", field="name")
    return kind, item, item.path


def _user_metadata(kind: NetworkPage, item: NetworkItem, path: Path) -> dict[str, Any]:
    card = read_card(path)
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    return {
        "name": item.name,
        "filename": item.inside,
        "size": size,
        "hash": kind.short_hash(item),
        "modified": item.modified,
        "version": item.version,
        "description": card.description,
        "notes": card.notes,
        "sd_version": card.sd_version,
        "activation_text": card.activation_text,
        "negative_text": card.negative_text,
        "preferred_weight": card.preferred_weight,
        "vae": card.preferred_vae,
        **card.draw_with,
        "preview": kind.face(item).preview,
        "has_own_preview": find_preview(path) is not None,
    }


def _texts(path: Path) -> Mapping[str, str]:
    """Of a file's header; none where it cannot be read, for what the user wrote can be changed all the same."""
    try:
        return header_texts(path)
    except CannotLoad:
        return {}


def _unpacked(text: str) -> Any:
    """Trainers write JSON into the texts of a header."""
    if text[:1] not in "{[":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _cover(item: NetworkItem, index: int) -> Response:
    covers = cover_images(header_texts(item.path))
    if not 0 <= index < len(covers):
        raise HTTPException(404, "This file carries no such picture.")
    return Response(png_bytes(open_image(decode_bytes(covers[index]))), media_type="image/png", headers=_KEEP)


def _as_png(text: str) -> bytes:
    data = decode_bytes(text, "image")
    picture = open_image(data, "image")
    return data if data.startswith(b"\x89PNG\r\n") else png_bytes(picture, read_infotext_from(data)[0] or "")


def _thumb(app: App, text: str) -> FileResponse:
    """404 for everything that is no picture in a folder of models, there or not."""
    path = Path(text)
    if not text or len(text) > 4096 or any(ord(letter) < 32 for letter in text) or not path.is_absolute() or ".." in path.parts:
        raise HTTPException(404, "File not found")
    try:
        real = Path(os.path.realpath(path))
        is_shown = {path.suffix.lower(), real.suffix.lower()} <= PICTURES and _is_beside_models(app, path, real) and real.is_file()
    except (OSError, ValueError):
        is_shown, real = False, path
    if not is_shown:
        raise HTTPException(404, "File not found")
    return FileResponse(real, media_type=mimetypes.guess_type(real.name)[0] or "application/octet-stream", headers=_KEEP)


def _is_beside_models(app: App, path: Path, real: Path) -> bool:
    """Inside a page's folders, links followed; or beside a listed model, which may lie in a folder that is a link."""
    if allowed(real, [folder for page in app.network_pages for folder in page.folders]):
        return True
    beside = any(item.path is not None and item.path.parent == path.parent for page in app.network_pages for item in page.items())
    return beside and real.parent == Path(os.path.realpath(path.parent))
