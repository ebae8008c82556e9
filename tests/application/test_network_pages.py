"""Cards of networks: which files are listed, in what order, and what a click on a card writes."""
from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.application.app import App
from modules.application.network_pages import CardFace, NetworkItem, NetworkPage, NetworkPages, Wanted, slice_of


def network(path: Path, **metadata: str) -> Path:
    """A tiny LoRA file."""
    header: dict[str, Any] = {"lora_unet_x.alpha": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "__metadata__": metadata}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    return path


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    return tmp_path / "models" / "Lora"


def cards(app: App, page: str = "lora", **wanted: Any) -> list[str]:
    return [item.name for item in slice_of(app.network_pages.find(page), Wanted(**wanted), app.settings.get).items]


def face(app: App, name: str, page: str = "lora") -> CardFace:
    kind = app.network_pages.find(page)
    return kind.face(kind.find(name))


def fresh(make_app: Callable[..., App]) -> App:
    """With what headers tell already read."""
    app = make_app()
    app.catalogue.refresh()
    assert app.catalogue.wait(30)
    return app


def test_cards_are_searched_sorted_and_cut_into_slices(make_app: Callable[..., App], loras: Path) -> None:
    for number, name in enumerate(("b/v10", "b/v2", "a/zebra", "c1")):
        os.utime(network(loras / f"{name}.safetensors"), (0, 1000 - number))
    app = fresh(make_app)
    assert cards(app) == ["zebra", "v2", "v10", "c1"]
    assert cards(app, sort="name") == ["c1", "v2", "v10", "zebra"]
    assert cards(app, sort="date_modified") == ["c1", "zebra", "v2", "v10"]
    assert cards(app, sort="date_modified", descending=True, start=1, count=2) == ["v2", "zebra"]
    assert cards(app, search="V 2") == ["v2"]
    assert cards(app, folder="b") == ["v2", "v10"] and cards(app, search="/b/") == ["v2", "v10"]
    found = slice_of(app.network_pages.find("lora"), Wanted(count=1), app.settings.get)
    assert (found.total, found.folders) == (4, {"a": 1, "b": 2})


def test_the_hash_that_texts_of_pictures_name_stands_in_the_dialog_and_finds_the_card(make_app: Callable[..., App], loras: Path) -> None:
    network(loras / "told.safetensors", sshs_model_hash="ab12" * 16)
    network(loras / "untold.safetensors")
    app = fresh(make_app)
    page = app.network_pages.find("lora")
    assert page.short_hash(page.find("told")) == "ab12" * 3 and cards(app, search="ab12ab12ab12") == ["told"]
    assert page.short_hash(page.find("untold")) == "", "to open a dialog no file is read"
    used = app.loras.short_hash(next(file for file in app.catalogue.loras() if file.stem == "untold"))
    assert page.short_hash(page.find("untold")) == used != ""


def test_a_search_finds_what_the_user_wrote_about_a_card(make_app: Callable[..., App], loras: Path) -> None:
    """In A1111's three places for it; a word may stand in the name and another in the description."""
    for name in ("one", "two", "three.v2", "four"):
        network(loras / f"{name}.safetensors")
    (loras / "one.json").write_text('{"description": "For Knights in armour"}')
    (loras / "two.txt").write_text("a knight's horse")
    (loras / "three.v2.description.txt").write_text("knight on foot")
    app = fresh(make_app)
    assert sorted(cards(app, search="knight")) == ["one", "three.v2", "two"] and cards(app, search="two KNIGHT") == ["two"]
    assert face(app, "three.v2").description == "knight on foot"
    (loras / "four.txt").write_text("a knight, too")
    app.network_pages.find("lora").refresh()
    assert "four" in cards(app, search="knight")
    app.settings.set("extra_networks_card_show_desc", False)
    assert cards(app, search="knight") == []


def test_files_of_hidden_folders_follow_the_setting(make_app: Callable[..., App], loras: Path) -> None:
    network(loras / ".secret" / "inner" / "hidden_one.safetensors")
    network(loras / "open_one.safetensors")
    app = fresh(make_app)
    for rule, plain, searched in (("Always", 2, 2), ("When searched", 1, 2), ("Never", 1, 1)):
        app.settings.set("extra_networks_hidden_models", rule)
        assert (len(cards(app)), len(cards(app, search="_one"))) == (plain, searched), rule
    app.settings.set("extra_networks_show_hidden_directories", False)
    assert slice_of(app.network_pages.find("lora"), Wanted(), app.settings.get).folders == {}
    app.settings.set("extra_networks_hidden_models", "Always")
    app.settings.set("list_hidden_files", False)
    assert cards(app) == ["open_one"]


def test_a_lora_card_writes_name_weight_and_the_users_words(make_app: Callable[..., App], loras: Path) -> None:
    network(loras / "file.safetensors", ss_output_name="given name")
    network(loras / "twin1.safetensors", ss_output_name="same")
    network(loras / "twin2.safetensors", ss_output_name="same")
    written = {"activation text": "trigger", "negative text": "blurry", "preferred weight": 0.65, "description": "<b>what</b>"}
    (loras / "twin1.json").write_text(json.dumps(written))
    app = fresh(make_app)
    assert face(app, "file").prompt == "<lora:given name:1>"
    assert face(app, "twin2").prompt == "<lora:twin2:1>"
    twin = face(app, "twin1")
    assert (twin.prompt, twin.negative_prompt, twin.description) == ("<lora:twin1:0.65> trigger", "(blurry:1)", "<b>what</b>")
    app.settings.set("lora_preferred_name", "Filename")
    app.settings.set("extra_networks_default_multiplier", 0.5)
    assert face(app, "file").prompt == "<lora:file:0.5>"


def test_an_alias_that_would_break_the_tag_is_not_written(make_app: Callable[..., App], loras: Path) -> None:
    for number, alias in enumerate(("a:b", "a>b", "None")):
        network(loras / f"n{number}.safetensors", ss_output_name=alias)
    app = fresh(make_app)
    assert [face(app, name).prompt for name in ("n0", "n1", "n2")] == ["<lora:n0:1>", "<lora:n1:1>", "<lora:n2:1>"]


def test_loras_of_other_families_are_left_out(make_app: Callable[..., App], loras: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(loras / "old.safetensors", ss_base_model_version="sd_v1")
    network(loras / "large.safetensors", ss_base_model_version="sdxl_base_v1-0")
    network(loras / "unsaid.safetensors")
    network(loras / "corrected.safetensors", ss_base_model_version="sdxl_base_v1-0")
    (loras / "corrected.json").write_text('{"sd version": "SD1"}')
    app = fresh(make_app)
    assert len(cards(app)) == 4  # nothing is known of the checkpoint
    monkeypatch.setattr("modules.application.builtin_network_pages._checkpoint_version", lambda _app: "SD1")
    assert cards(app) == ["corrected", "old", "unsaid"]
    app.settings.set("lora_hide_unknown_for_versions", ["SD1"])
    assert cards(app) == ["corrected", "old"]
    app.settings.set("lora_show_all", True)
    assert len(cards(app)) == 4


def test_the_other_kinds(make_app: Callable[..., App], tmp_path: Path) -> None:
    for path in ("embeddings/style.pt", "models/hypernetworks/net.pt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    app = fresh(make_app)
    assert face(app, "style", "textual inversion").prompt == "style"
    assert app.network_pages.find("textual_inversion").goes_into_negative
    assert face(app, "net", "hypernetworks").prompt == "<hypernet:net:1>"
    assert face(app, "fake", "checkpoints").loads.startswith("fake.safetensors")


def test_the_card_of_a_checkpoint_that_cannot_run_says_why(make_app: Callable[..., App], tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Stable-diffusion"
    lora = network(folder / "lora.safetensors")
    lora.write_bytes(lora.read_bytes().replace(b"lora_unet_x.alpha", b"xx.lora_up.weight"))
    whole = network(folder / "half.safetensors").read_bytes()
    (folder / "half.safetensors").write_bytes(whole[:-2])
    (folder / "page.safetensors").write_text("<!doctype html><title>Log in</title>")
    text = json.dumps({"early_stream_modulations.image.lin.weight": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (folder / "new.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(1))
    app = fresh(make_app)
    for name, words in (("half", "truncated: 2 bytes of"), ("page", "web page"), ("new", "recognised as FLUX.3; this version cannot run"), ("lora", "This is a LoRA")):
        assert words in face(app, name, "checkpoints").description


def test_extensions_add_kinds_and_the_user_orders_the_tabs() -> None:
    def kind(title: str) -> NetworkPage:
        item = NetworkItem(name="one", inside="one")
        return NetworkPage(title=title, name=title.lower(), items=lambda: (item,), face=lambda each: CardFace(prompt=each.name))

    pages = NetworkPages()
    for title in ("First", "Second", "Third One"):
        pages.register(kind(title))
    assert [page.title for page in pages.ordered("third_one, Second")] == ["Third One", "Second", "First"]
    assert pages.find("third_one").name == "third one"
    pages.register(kind("First"))
    assert len(list(pages)) == 3
