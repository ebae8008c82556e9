"""Lists of extensions are read from a file or an address, and what is none is told in words."""
from __future__ import annotations

import io
import json
import urllib.error
from pathlib import Path

import pytest

from modules.extension_host import index
from modules.extension_host.index import Offer, read_index
from modules.gradio_ui.available_extensions import offers_html
from modules.schema.errors import InvalidValue, WebuiError

LISTED = {"tags": {"tab": "adds a tab"}, "extensions": [
    {"name": "One", "url": "https://host.test/one.git", "description": "first", "added": "2023-01-02", "tags": ["tab", "UI"],
     "commit_time": "2024-05-06T07:08:09Z", "stars": 321},
    {"name": "No address"}, "junk", {"name": "Script", "url": "javascript:alert(1)"},
]}  # fmt: skip
ONE = Offer(name="One", url="https://host.test/one.git", description="first", added="2023-01-02", updated="2024-05-06", stars=321, tags=("tab", "UI"))


def test_a_file_is_read_and_entries_that_cannot_be_installed_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps(LISTED), encoding="utf-8-sig")
    assert read_index(str(tmp_path / "index.json")) == (ONE,)


def test_a_list_of_this_machine_may_name_repositories_of_this_machine(tmp_path: Path) -> None:
    mine = Offer(name="Mine", url=(tmp_path / "mine").as_uri())
    (tmp_path / "my index.json").write_text(json.dumps({"extensions": [{"name": mine.name, "url": mine.url}]}))
    assert read_index((tmp_path / "my index.json").as_uri()) == (mine,)


def test_an_address_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.urllib.request, "urlopen", lambda request, timeout: io.BytesIO(json.dumps(LISTED).encode()))
    assert read_index(" https://host.test/index.json ") == (ONE,)


@pytest.mark.parametrize("text", ["", "{", "[1", '{"other": []}', '{"extensions": 3}', "null", "7"])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(InvalidValue, match="no list"):
        read_index(str(tmp_path / "index.json"))


def test_places_without_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(request: object, timeout: float) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(index.urllib.request, "urlopen", unreachable)
    for source in ("", "index.json", str(tmp_path / "absent.json"), str(tmp_path), "https://host.test/x"):
        with pytest.raises(WebuiError):
            read_index(source)


def test_the_table_shows_text_as_text_and_what_is_installed_has_no_button() -> None:
    other = Offer(name="<b>Two", url='https://host.test/"two', description="<script>", tags=('"',))
    html = offers_html((other, ONE), frozenset({"https://host.test/one"}))
    assert "<script>" not in html and "<b>Two" not in html and html.count("data-install=") == 1 and "installed" in html


@pytest.mark.parametrize(("folder", "buttons"), [("two", 0), ("two-main", 0), ("two-more", 1)])
def test_what_ships_or_was_unpacked_from_an_archive_is_installed(folder: str, buttons: int) -> None:
    html = offers_html((Offer(name="Two", url="https://host.test/Somebody/Two.git"),), frozenset({"", folder}))
    assert html.count("data-install=") == buttons


def test_the_table_tells_stars_and_changes_and_offers_only_orders_that_its_list_knows() -> None:
    html = offers_html((ONE, Offer(name="Two", url="https://host.test/two", stars=7)), frozenset())
    assert "321 ★" in html and "updated 2024-05-06" in html and 'data-stars="7"' in html and "most stars first" in html
    assert "stars first" not in offers_html((Offer(name="Two", url="https://host.test/two", added="2023-01-02"),), frozenset())
