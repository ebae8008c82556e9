"""A1111's styles as extensions handle them: what they put in and save is in the file, and nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules.a1111.style_names import PromptStyle, StyleDatabase
from modules.engine.styles import read_styles

FILE = "name,prompt,negative_prompt,colour\n# remark,,,\noil,oil painting of {prompt},photo,red\nink,ink drawing,,\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "styles.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_style_that_an_extension_saves_is_in_the_file_beside_what_was_there(file: Path) -> None:
    database = StyleDatabase(str(file))
    database.styles["new"] = PromptStyle("new", "a, b", None)
    database.styles["ink"] = database.styles["ink"]._replace(negative_prompt="grey")
    assert "new" not in read_styles([file]), "nothing is written before it is asked for"
    database.save_styles(str(file))
    found = read_styles([file])
    assert list(found) == ["oil", "ink", "new"] and found["new"].prompt == "a, b" and found["ink"].negative_prompt == "grey"
    text = file.read_text(encoding="utf-8-sig")
    assert "# remark" in text and "photo,red" in text
    assert file.with_name("styles.csv.bak").read_text(encoding="utf-8") == FILE
    assert list(StyleDatabase(str(file)).styles) == ["oil", "ink", "new"]


def test_a_style_that_somebody_else_saves_meanwhile_stays(file: Path) -> None:
    database, other = StyleDatabase(str(file)), StyleDatabase(str(file))
    database.styles["mine"] = PromptStyle("mine", "m", "")
    other.styles["theirs"] = PromptStyle("theirs", "t", "")
    other.save_styles()
    database.save_styles()
    assert list(database.styles) == ["oil", "ink", "theirs", "mine"]


def test_a_style_that_is_taken_out_goes_with_the_save_and_comes_back_with_reload(file: Path) -> None:
    database = StyleDatabase(str(file))
    del database.styles["ink"]
    assert list(database.styles) == ["oil"]
    database.reload()
    assert database.styles.pop("ink").prompt == "ink drawing" and "ink" not in database.styles
    assert database.styles.pop("ink", None) is None
    database.save_styles()
    assert list(read_styles([file])) == ["oil"]
    with pytest.raises(KeyError):
        del database.styles["ink"]


def test_a_style_goes_to_the_file_that_it_names(file: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.csv"
    database = StyleDatabase([str(file), str(second)])
    assert database.styles.setdefault("far", PromptStyle("far", "f", "", str(second))).prompt == "f"
    database.save_styles()
    assert list(read_styles([second])) == ["far"] and list(read_styles([file])) == ["oil", "ink"]
    assert database.styles["far"].path == str(second)
