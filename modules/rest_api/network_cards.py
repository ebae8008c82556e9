"""One card of a network as HTML, with A1111's class names. What it says is text; what a click does is read from its data by scripts."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from modules.application.network_pages import CardFace, NetworkItem, NetworkPage
from modules.rest_api.safe_html import safe_html


def card_html(page: NetworkPage, item: NetworkItem, settings: Callable[[str], Any]) -> str:
    """settings: a setting's value by key."""
    face = page.face(item)
    return (
        f'<div class="card" tabindex="0" role="button" {_data(page, item, face)}>{_picture(face)}<div class="button-row">{_buttons(page, item, face)}</div>'
        f'<div class="actions"><div class="additional"><span class="search_terms" hidden>{escape(item.search)}</span></div>'
        f'<span class="name">{escape(item.name)}</span>{_description(face, settings)}</div></div>'
    )


def _data(page: NetworkPage, item: NetworkItem, face: CardFace) -> str:
    values = {
        "name": item.name,
        "inside": item.inside,
        "prompt": face.prompt,
        "negative": face.negative_prompt,
        "loads": face.loads,
        "allow-negative": "true" if page.goes_into_negative else "",
        "sort-name": item.name.lower(),
        "sort-path": item.inside.lower(),
        "sort-date_created": f"{item.created:.0f}",
        "sort-date_modified": f"{item.modified:.0f}",
        **{f"sort-{key}": value for key, value in face.sort_keys.items() if key.replace("_", "").isalnum()},
    }
    title = f'title="{_quoted(item.inside)}"'
    return " ".join([title, *(f'data-{name}="{_quoted(value)}"' for name, value in values.items())])


def _picture(face: CardFace) -> str:
    if not face.preview:
        return '<span class="preview no-preview" aria-hidden="true"></span>'
    return f'<img src="{_quoted(face.preview)}" class="preview" alt="" loading="lazy" decoding="async" draggable="false">'


def _buttons(page: NetworkPage, item: NetworkItem, face: CardFace) -> str:
    buttons = []
    if item.path is not None:
        buttons.append(_button("copy-path-button", "Copy path to clipboard", f' data-clipboard-text="{_quoted(item.path)}"'))
    if face.has_metadata:
        buttons.append(_button("metadata-button", "Show internal metadata"))
    if page.has_user_metadata and item.path is not None:
        buttons.append(_button("edit-button", "Edit metadata"))
    return "".join(buttons)


def _button(name: str, words: str, more: str = "") -> str:
    return f'<button type="button" class="{name} card-button" title="{words}" aria-label="{words}"{more}></button>'


def _description(face: CardFace, settings: Callable[[str], Any]) -> str:
    if not face.description or not settings("extra_networks_card_show_desc"):
        return '<span class="description"></span>'
    text = safe_html(face.description) if settings("extra_networks_card_description_is_html") else escape(face.description)
    return f'<span class="description">{text}</span>'


def _quoted(value: object) -> str:
    return escape(str(value), quote=True)
