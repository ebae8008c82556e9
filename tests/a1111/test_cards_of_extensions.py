"""Pages of cards that extensions register stand beside ours, with what their cards write."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modules.a1111 import network_pages
from modules.a1111.cards_of_extensions import spoken
from modules.application.app import App
from modules.gradio_ui.network_tabs import network_tabs
from modules.rest_api.build import add_api


class Spells(network_pages.ExtraNetworksPage):
    """As A1111's extensions write them. listed: how often it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__("My Spells")
        self.folder, self.listed, self.names = folder, 0, ["fire", "ice"]
        self.allow_negative_prompt = True

    def refresh(self) -> None:
        self.names.append("wind")

    def list_items(self) -> Iterator[dict[str, Any]]:
        self.listed += 1
        for index, name in enumerate(self.names):
            yield {
                "name": name, "filename": str(self.folder / f"{name}.txt"), "preview": None, "description": f"a <b>{name}</b>", "metadata": {"kind": name},
                "search_terms": [f"/{name} hot"], "prompt": json.dumps(f"<spell:{name}:") + " + opts.extra_networks_default_multiplier + " + json.dumps(">"),
                "sort_keys": {"default": f"{name}", "date_created": index, "date_modified": f"{index:03}", "name": name},
            }  # fmt: skip

    def allowed_directories_for_previews(self) -> list[str]:
        return [str(self.folder)]


@pytest.fixture
def spells(a1111: App, tmp_path: Path) -> Iterator[Spells]:
    page = Spells(tmp_path)
    network_pages.register_page(page)
    yield page
    network_pages.extra_pages.remove(page)


def answers(app: App, path: str, method: str = "GET", **body: Any) -> Any:
    server = FastAPI()
    add_api(server, app, full=True)
    with TestClient(server, base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        found = client.request(method, path, json=body or None)
        assert found.status_code == 200, found.text
        return found.json()


def test_its_cards_are_shown_and_write_what_the_extension_says(a1111: App, spells: Spells) -> None:
    found = answers(a1111, "/sd_extra_networks/cards?page=my_spells")
    assert found["total"] == 2
    html = "".join(found["cards"]) if isinstance(found.get("cards"), list) else str(found)
    assert "&lt;spell:fire:1&gt;" in html or "&lt;spell:fire:1.0&gt;" in html
    assert 'data-sort-date_modified="001"' in html.replace("\\", "")
    assert answers(a1111, "/sd_extra_networks/cards?page=my_spells&search=ice")["total"] == 1
    assert spells.listed == 1                                                   # the rest came out of what is known
    assert "fire" in str(answers(a1111, "/sd_extra_networks/metadata?page=my%20spells&item=fire"))


def test_refreshing_asks_the_extension_again(a1111: App, spells: Spells) -> None:
    assert answers(a1111, "/sd_extra_networks/cards?page=my_spells")["total"] == 2
    answers(a1111, "/sd_extra_networks/refresh", "POST", page="my_spells")
    assert answers(a1111, "/sd_extra_networks/cards?page=my_spells")["total"] == 3


def test_its_tab_stands_on_the_page_under_a1111s_ids(a1111: App, spells: Spells) -> None:
    import gradio as gr

    with gr.Blocks() as page, network_tabs(a1111, "txt2img"):
        pass
    shown = json.dumps(page.get_config_file(), default=str)
    assert all(each in shown for each in ("txt2img_my_spells-button", "txt2img_my_spells_cards_html", "txt2img_my_spells_extra_refresh"))


def test_a_page_that_fails_leaves_the_others_alone(a1111: App, spells: Spells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spells, "list_items", lambda: 1 / 0)
    assert answers(a1111, "/sd_extra_networks/cards?page=my_spells")["total"] == 0
    assert answers(a1111, "/sd_extra_networks/cards?page=lora")["total"] == 0


@pytest.mark.parametrize(
    ("said", "meant"),
    [('"a \\"b\\""', 'a "b"'), ("'it\\'s' + \"!\"", "it's!"), ("a (plain) text", "a (plain) text"), (None, ""), ('"<l:" + opts.nothing_like_it', '"<l:" + opts.nothing_like_it')],
)
def test_what_a_card_writes_is_read_as_the_page_of_a1111_would(a1111: App, said: Any, meant: str) -> None:
    assert spoken(said) == meant


def test_extensions_read_the_houses_pages_as_a1111s(a1111: App) -> None:
    """One that offers a choice of them took ``extra_pages[0]`` of an empty list; another looks there for what a LoRA was made for."""
    titles = [each.title for each in network_pages.extra_pages]
    assert titles[:4] == ["Textual Inversion", "Hypernetworks", "Checkpoints", "Lora"]
    page = network_pages.extra_pages[2]
    [found] = [each for each in page.list_items() if each["name"]][:1]
    assert Path(found["filename"]).is_file() and found["sd_version"] and found["sort_keys"]["name"] == found["name"].lower()
    assert page.create_item(found["name"]) and Path(found["filename"]).parent in map(Path, page.allowed_directories_for_previews())


def test_an_extension_that_wants_cards_on_a_tab_of_its_own_builds_its_tab_without_them() -> None:
    """Unprompted's Template Editor: the whole tab was missing."""
    from modules import ui_extra_networks

    ui = ui_extra_networks.create_ui(None, [], "own_tab")
    ui_extra_networks.setup_ui(ui, None)
    assert ui.tabname == "own_tab" and not ui.pages
