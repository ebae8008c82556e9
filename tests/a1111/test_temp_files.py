"""Files that extensions want shown on the page by A1111's ``ui_tempdir``."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import HTTPException
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.a1111.temp_files import check_tmp_file, cleanup_tmpdr, register_tmp_file, save_pil_to_file
from modules.application.app import App
from modules.rest_api.file_route import served_file
from tests.a1111.test_script_host import MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[App]:
    app = make_app()
    with occupied(app):
        yield app


class Page:
    def __init__(self) -> None:
        self.allowed_paths: list[str] = []


@pytest.mark.parametrize(("name", "is_shown"), [("film.mp4", True), ("picture.png", True), ("model.safetensors", False), ("key.pem", False)])
def test_a_registered_file_is_handed_out_and_none_beside_it(app: App, tmp_path: Path, name: str, is_shown: bool) -> None:
    page, file = Page(), tmp_path / "elsewhere" / name
    file.parent.mkdir()
    file.write_bytes(b"x")
    (file.parent / "other.png").write_bytes(b"x")
    with pytest.raises(HTTPException):
        served_file(app, str(file))
    register_tmp_file(page, str(file))
    register_tmp_file(page, str(file))
    assert page.allowed_paths == [os.path.realpath(file)] and check_tmp_file(page, file)
    if is_shown:
        assert Path(served_file(app, str(file)).path) == Path(os.path.realpath(file))
    for hidden in [file.parent / "other.png"] + [file] * (not is_shown):
        with pytest.raises(HTTPException):
            served_file(app, str(hidden))


def test_a_picture_gets_a_file_with_its_texts(app: App, tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8), "red")
    picture.info["parameters"] = "a cat"
    file = save_pil_to_file(None, picture, dir=str(tmp_path / "new"))
    assert Path(file).parent == tmp_path / "new" and Image.open(file).info["parameters"] == "a cat"
    picture.already_saved_as = file     # type: ignore[attr-defined]
    assert save_pil_to_file(picture).split("?")[0] == file and check_tmp_file(None, file)
    app.settings.update({"temp_dir": str(tmp_path / "new")})
    cleanup_tmpdr()
    assert not Path(file).exists()
