"""Localisation files of the program's folder and of extensions, in A1111's format."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from modules.application.app import App
from modules.application.translations import read_translation, translation_names
from modules.extension_host.discover import Switches, find_extensions


def test_files_of_one_name_add_up(make_app: Callable[..., App], tmp_path: Path) -> None:
    for folder, texts in (("loc", {"Generate": "Erzeugen", "Seed": "Startwert"}), ("extensions/german/localizations", {"Seed": "Saat", "Own tab": "Eigen"})):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "de_DE.json").write_text(json.dumps(texts), encoding="utf-8-sig")
    (tmp_path / "loc" / "broken.json").write_text("{")
    (tmp_path / "loc" / "._de_DE.json").write_bytes(b"\0\5\x16\7 a Mac's note")
    (tmp_path / "loc" / "list.json").write_text('["x"]')
    app = make_app("--localizations-dir", str(tmp_path / "loc"))
    app.extensions.take(find_extensions(tmp_path / "extensions", Switches()))
    assert translation_names(app) == ["broken", "de_DE", "list"]
    assert read_translation(app, "de_DE") == {"Generate": "Erzeugen", "Seed": "Saat", "Own tab": "Eigen"}
    for name in ("None", "", "broken", "list", "gone", "../de_DE"):
        assert read_translation(app, name) == {}


def test_a_file_in_the_data_folder_is_found_once(make_app: Callable[..., App], tmp_path: Path) -> None:
    """Who names an A1111 folder by --data-dir had it there."""
    app = make_app()
    own = app.paths.data_dir / "localizations"
    own.mkdir(parents=True, exist_ok=True)
    (own / "mine_XX.json").write_text(json.dumps({"Generate": "Los"}))
    assert translation_names(app).count("mine_XX") == 1 and read_translation(app, "mine_XX") == {"Generate": "Los"}
