"""The styles editor's rules, and what becomes of a style's text in a pasted prompt."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.application.app import App
from modules.application.infotext_styles import STYLES, with_styles_found
from modules.engine.styles import read_styles
from modules.gradio_ui.styles_editor import StyleShelf

TEXT = "ink of a cat, paper\nNegative prompt: dog, colour\nSteps: 7, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"


@pytest.fixture
def shelf(make_app: Callable[..., App], tmp_path: Path) -> StyleShelf:
    (tmp_path / "more.csv").write_text("name,prompt,negative_prompt\nother,x,y\n", encoding="utf-8")
    return StyleShelf(app=make_app("--styles-file", str(tmp_path / "own.csv"), "--styles-file", str(tmp_path / "more.csv")))


def test_styles_are_saved_changed_and_deleted_in_their_own_files(shelf: StyleShelf, tmp_path: Path) -> None:
    assert shelf.save(" new ", "a {prompt}", "b") == "Saved style new."
    assert shelf.save("other", "changed", "") == "Saved style other."
    assert list(read_styles([tmp_path / "own.csv"])) == ["new"] and read_styles([tmp_path / "more.csv"])["other"].prompt == "changed"
    assert shelf.texts("new") == ("a {prompt}", "b")
    assert shelf.delete("new") == "Deleted style new." and shelf.names() == ["other"]
    assert "no style" in shelf.delete("new") and "no style" in shelf.delete(None)


def test_a_style_that_another_file_hides_stays_in_its_own(shelf: StyleShelf, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("name,prompt\nother,hidden\n")
    shelf.save("new", "a", "b")
    assert {name: each.prompt for name, each in read_styles([tmp_path / "own.csv"]).items()} == {"other": "hidden", "new": "a"}


@pytest.mark.parametrize("name", ["", "  ", None, "#comment", "two\nlines", "x" * 500])
def test_names_that_no_file_can_hold_are_refused(shelf: StyleShelf, name: Any) -> None:
    assert "needs a name" in shelf.save(name, "a", "b") and shelf.names() == ["other"]


@pytest.mark.parametrize(("rule", "text", "prompt", "styles"), [
    ("Apply if any", TEXT, "a cat", ["ink"]), ("Apply", TEXT, "a cat", ["ink"]), ("Discard", TEXT, "a cat", None), ("Ignore", TEXT, "ink of a cat, paper", None),
    ("Apply if any", TEXT.replace("ink of ", ""), "a cat, paper", None), ("Apply", TEXT.replace("ink of ", ""), "a cat, paper", []),
])
def test_the_text_of_a_style_in_a_pasted_prompt(make_app: Callable[..., App], rule: str, text: str, prompt: str, styles: list[str] | None) -> None:
    app = make_app()
    StyleShelf(app=app).save("ink", "ink of {prompt}, paper", "colour")
    app.settings.update({"infotext_styles": rule})
    values = with_styles_found({"Prompt": text.split("\n")[0], "Negative prompt": "dog, colour"}, app.settings, app.paths)
    assert (values["Prompt"], values.get(STYLES)) == (prompt, styles)
