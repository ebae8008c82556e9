"""The list of extensions that can be installed: fetched when its button is pressed; searched and sorted in the browser (extensions.js)."""
from __future__ import annotations

import os
from html import escape

import gradio as gr

from modules.application.app import App
from modules.extension_host.discover import Extension, is_called
from modules.extension_host.index import USUAL, Offer, read_index
from modules.files.git_facts import plain_address, remote_of
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.messages import message_html
from modules.gradio_ui.who_installs import install_refused
from modules.schema.errors import WebuiError

_ORDERS = (("name", "by name"), ("added", "newest first"), ("updated", "changed last first"), ("stars", "most stars first"))     # a row's data, and its words


def build_available(app: App) -> None:
    """Inside the Extensions tab."""
    gr.HTML("<h3>Available extensions</h3>", elem_id="extensions_available_title")
    with gr.Row(elem_id="extensions_available_row", elem_classes=["gradio-row"]):
        index = gr.Textbox(os.environ.get("WEBUI_EXTENSIONS_INDEX") or USUAL, label="List: an address, or the path of a file on the server",
                           elem_id="extensions_index", elem_classes=["gradio-textbox"], interactive=True, scale=4, min_width=0, max_lines=1)  # fmt: skip
        load = gr.Button("Load list", elem_id="extensions_load_list", scale=0)
    table = gr.HTML("", elem_id="extensions_available")

    def show(source: str) -> str:
        refused = install_refused(app.flags)
        if refused:
            return message_html(refused, "error")
        try:
            return offers_html(read_index(source), _installed(app))
        except WebuiError as error:
            return message_html(str(error), "error")

    load.click(show, inputs=[index], outputs=[table], **QUICK)


def installed_now(app: App) -> tuple[Extension, ...]:
    """Also those that were installed since the start."""
    return app.extensions.with_newcomers(app.paths.data_dir / "extensions")


def _installed(app: App) -> frozenset[str]:
    """Addresses, and names of folders: one that was unpacked from an archive, or ships with the program, has no address."""
    here = installed_now(app)
    return frozenset(plain_address(remote_of(each.path)) for each in here) | {each.name.lower() for each in here}


def _is_here(url: str, installed: frozenset[str]) -> bool:
    address = plain_address(url)
    return address in installed or any(is_called(each, address.rpartition("/")[2]) for each in installed)


def offers_html(offers: tuple[Offer, ...], installed: frozenset[str]) -> str:
    """The table with its search field; extensions that are here already have no button."""
    if not offers:
        return message_html("The list is empty.")
    tags = sorted({tag for each in offers for tag in each.tags if tag != "installed"})
    choices = "".join(f'<option value="{escape(tag, quote=True)}">{escape(tag)}</option>' for tag in tags)
    orders = "".join(f'<option value="{value}">{words}</option>' for value, words in _ORDERS if value == "name" or any(getattr(each, value) for each in offers))
    head = (
        '<div class="extensions-filter"><input type="search" id="extensions_search" placeholder="Search" aria-label="Search extensions">'
        f'<select id="extensions_tag" aria-label="Tag"><option value="">all tags</option>{choices}</select>'
        f'<select id="extensions_sort" aria-label="Order">{orders}</select></div>'
    )
    rows = "".join(_row(each, _is_here(each.url, installed)) for each in sorted(offers, key=lambda each: each.name.casefold()))
    return f'{head}<table class="extensions-table" id="extensions_offers"><tbody>{rows}</tbody></table>'


def _row(each: Offer, is_here: bool) -> str:
    name, url = escape(each.name, quote=True), escape(each.url, quote=True)
    button = "installed" if is_here else f'<button type="button" class="dialog-button" data-install="{url}" aria-label="Install {name}">Install</button>'
    tags = escape(", ".join(each.tags))
    updated, stars = f"updated {escape(each.updated)}" if each.updated else "", f"{each.stars} ★" if each.stars else ""
    facts = " · ".join(filter(None, (tags, escape(each.added), updated, stars)))
    return (
        f'<tr data-name="{name.lower()}" data-added="{escape(each.added, quote=True)}" data-updated="{escape(each.updated, quote=True)}" data-stars="{each.stars}"'
        f' data-tags="{escape("|".join(each.tags), quote=True)}">'
        f'<td><a href="{url}" target="_blank" rel="noopener">{name}</a><br><small>{facts}</small></td><td>{escape(each.description)}</td><td>{button}</td></tr>'
    )
