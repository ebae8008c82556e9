"""Whatever lies where a file of ours should be: the server starts, says so once, and keeps what was there under another name."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.settings_store import SettingsStore
from modules.engine.styles import Style, change_style, read_styles, set_aside_damaged
from modules.extension_host.start import host_for
from modules.gradio_ui.ui_config import UiConfig
from modules.library.cache import FileCache
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from modules.schema.settings.table import SETTINGS
from tests.conftest import FakeEngine

pytestmark = pytest.mark.group("R4")
GOOD = {
    "config.json": '{"jpeg_quality": 55}', "ui-config.json": '{"txt2img/Width/value": 640}', "styles.csv": "name,prompt,negative_prompt\na,b,c\n",
    "models.json": '{"version": 1, "files": {"/a": {"modified": 1.0, "size": 1, "k": 2}}}',
}  # fmt: skip


def _large(path: Path, _good: str) -> None:
    path.touch()
    os.truncate(path, 100 * 2**20)


def _bytes(content: Callable[[bytes], bytes]) -> Callable[[Path, str], None]:
    return lambda path, good: path.write_bytes(content(good.encode())) and None


def _link(path: Path, _good: str) -> None:
    path.symlink_to(path.parent / "nowhere")


def _folder(path: Path, _good: str) -> None:
    (path / "inside").mkdir(parents=True)


DAMAGE: dict[str, Callable[[Path, str], None]] = {
    "half": _bytes(lambda good: good[: len(good) // 3]), "random": _bytes(lambda good: bytes(range(256)) * 40), "zeros": _bytes(lambda good: b"\0" * 999),
    "a list": _bytes(lambda good: b"[1, 2]"), "a number": _bytes(lambda good: b"7"), "null": _bytes(lambda good: b"null"), "text": _bytes(lambda good: b'"x"'),
    "deep": _bytes(lambda good: b"[" * 200_000), "cut in a letter": _bytes(lambda good: good + b"\xe6\x97"), "a program": _bytes(lambda good: b"\x7fELF\x02\x01" + b"\0\xff" * 99),
    "100 MB": _large, "a folder": _folder, "a dangling link": _link, "a web page": _bytes(lambda good: b"<!doctype html><html></html>"),
}  # fmt: skip
READABLE: dict[str, Callable[[Path, str], None]] = {
    "a byte order mark": _bytes(lambda good: b"\xef\xbb\xbf" + good), "UTF-16": lambda path, good: path.write_text(good, "utf-16") and None,
    "UTF-16 of the other order": _bytes(lambda good: b"\xfe\xff" + good.decode().encode("utf-16-be")), "other line ends": _bytes(lambda good: good.replace(b"\n", b"\r\n")),
}  # fmt: skip


def read(name: str, path: Path) -> tuple[Any, list[str]]:
    """What is read, and what is said."""
    if name == "config.json":
        store = SettingsStore(path, SETTINGS)
        return store.get("jpeg_quality"), store.notices
    if name == "ui-config.json":
        return UiConfig.read(path).user_value("txt2img", "Width"), []
    if name == "styles.csv":
        told = set_aside_damaged([path])
        return [each.prompt for each in read_styles([path]).values()], told
    return FileCache(path).get(Path("/a"), 1.0, 1).get("k"), []


MEANT = {"config.json": 55, "ui-config.json": 640, "styles.csv": ["b"], "models.json": 2}
WITHOUT = {"config.json": 80, "ui-config.json": None, "styles.csv": [], "models.json": None}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", GOOD)
def test_it_is_kept_aside_and_said_once(name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / name
    DAMAGE[damage](path, GOOD[name])
    if name == "styles.csv" and damage in ("cut in a letter", "half"):
        return                                      # tables have no end that could be missing: tested below
    content = path.read_bytes() if path.is_file() and path.stat().st_size < 10**6 else None
    began = time.process_time()
    with caplog.at_level(logging.WARNING):
        found, told = read(name, path)
    assert time.process_time() - began < 2          # seconds of the processor
    aside = list(tmp_path.glob(f"{name}.corrupt-*"))
    assert len(aside) == 1 or (aside == [] and path.is_symlink())
    assert found == WITHOUT[name]
    assert content is None or aside[0].read_bytes() == content
    said = [*told, *(each.getMessage() for each in caplog.records)]
    assert len(said) == 1 and name in said[0] and ".corrupt-" in said[0]
    caplog.clear()
    assert read(name, path) == (WITHOUT[name], []) and not caplog.records


@pytest.mark.parametrize("form", READABLE)
@pytest.mark.parametrize("name", GOOD)
def test_what_editors_write_is_read(name: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / name
    READABLE[form](path, GOOD[name])
    assert read(name, path) == (MEANT[name], []) and path.exists()


def test_styles_of_a_spreadsheet_and_of_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes("name,prompt,negative_prompt\nété,à la carte,".encode("cp1252"))
    assert read("styles.csv", path) == (["à la carte"], [])
    path.write_bytes(b"")
    assert read("styles.csv", path) == ([], [])
    path.write_bytes(b"\0\0\0")
    change_style(path, "new", Style(name="new", prompt="x"))
    assert [each.read_bytes() for each in tmp_path.glob("*.corrupt-*")] == [b"\0\0\0"] and list(read_styles([path])) == ["new"]


@pytest.mark.parametrize(("encoding", "separator", "before"), [("utf-8-sig", ";", ""), ("cp1252", ";", "sep=;\r\n"), ("utf-16", "\t", "")])
def test_styles_that_a_spreadsheet_saved_its_own_way_are_read_and_kept(encoding: str, separator: str, before: str, tmp_path: Path) -> None:
    """With a semicolon, as in every country that writes 0,5; or with tabs, as "Unicode text"."""
    path = tmp_path / "styles.csv"
    path.write_bytes((before + separator.join(("name", "prompt", "negative_prompt")) + f'\r\nété{separator}"{{prompt}}, à la carte\n2nd line"{separator}bad\r\n').encode(encoding))
    change_style(path, "new", Style(name="new", prompt="x"))
    found = read_styles([path])
    assert list(found) == ["été", "new"] and not list(tmp_path.glob("*.corrupt-*"))
    assert (found["été"].prompt, found["été"].negative_prompt) == ("{prompt}, à la carte\n2nd line", "bad")
    assert path.read_text("utf-8-sig").startswith("name,prompt,negative_prompt")       # as A1111 reads it


@pytest.mark.parametrize("damage", [b"", b"\0" * 900, b'{"jpeg_quality": 7'])
def test_damaged_settings_are_those_of_the_version_before(damage: bytes, tmp_path: Path) -> None:
    """An empty file, or one of zeros, is what a power cut leaves of other programs' writes."""
    path = tmp_path / "config.json"
    for quality in (71, 72):
        store = SettingsStore(path, SETTINGS)
        store.set("jpeg_quality", quality)
        store.save()
    path.write_bytes(damage)
    store = SettingsStore(path, SETTINGS)
    assert store.get("jpeg_quality") == 71 and "config.json.bak, is used" in store.notices[0]
    store.set("jpeg_quality", 73)
    store.save()
    assert SettingsStore(path, SETTINGS).get("jpeg_quality") == 73 and [each.read_bytes() for each in tmp_path.glob("*.corrupt-*")] == [damage]


@pytest.mark.parametrize("damage", ["half", "deep", "a folder", "100 MB"])
def test_a_server_starts_over_all_of_them_at_once(damage: str, make_app: Callable[..., App], fake_engine: FakeEngine, tmp_path: Path) -> None:
    make_app().close()
    (tmp_path / "cache").mkdir(exist_ok=True)
    places = [tmp_path / "config.json", tmp_path / "ui-config.json", tmp_path / "styles.csv", tmp_path / "cache" / "models.json",
              tmp_path / "cache" / "extension_start.json", tmp_path / "cache" / "launch" / "install_notes.json", tmp_path / "cache" / "extensions.json"]
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        DAMAGE[damage](path, GOOD.get(path.name, GOOD["models.json"]))
    if damage == "half":
        (tmp_path / "styles.csv").write_bytes(b"\0name")
    began = time.process_time()
    host_for(parse_flags(["--data-dir", str(tmp_path)], {}).flags)
    app = make_app()
    assert time.process_time() - began < 6          # seconds of the processor, imports included
    assert sum("config.json" in each for each in app.notices) == 1 and sum("styles.csv" in each for each in app.notices) == 1
    assert len(generate_blocking(app, Txt2ImgRequest.from_flat({"prompt": "a cat", "steps": 1, "width": 64, "height": 64})).images) == 1
    app.settings.set("jpeg_quality", 66)
    app.settings.save()
    assert json.loads((tmp_path / "config.json").read_text())["jpeg_quality"] == 66
