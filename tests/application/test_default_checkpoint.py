"""While the settings name no checkpoint, the one that draws does not change by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules.application.default_checkpoint import DefaultCheckpoint
from modules.families.sd15 import SD1
from modules.library.model_file import ModelFile


def model(name: str, family: str = SD1.name) -> ModelFile:
    return ModelFile(path=Path("/models") / name, name=name, kind="checkpoint", size=1, family_name=family)


def test_a_new_file_that_comes_first_does_not_take_the_place_of_the_one_in_use() -> None:
    default = DefaultCheckpoint()
    assert default.among([model("b"), model("c")]).name == "b"
    assert default.among([model("a"), model("b"), model("c")]).name == "b"
    assert default.among([model("a"), model("c")]).name == "a"          # it is gone


def test_what_cannot_be_run_is_used_where_nothing_else_is_there() -> None:
    default = DefaultCheckpoint()
    assert default.among([model("a", "")]).name == "a"
    assert default.among([model("a", ""), model("b")]).name == "b"


def test_the_log_is_told_once_that_a_chosen_one_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    default = DefaultCheckpoint()
    for _ in range(7):
        assert default.in_place_of("gone", [model("b")]).name == "b"
    default.in_place_of("another", [model("b")])
    default.in_place_of("another", [model("c")])
    assert [record.getMessage().count("is gone; b") for record in caplog.records] == [1, 1, 0]
