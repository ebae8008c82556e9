"""What a LoRA was trained with, read from whatever a stranger's header says."""

from __future__ import annotations

import json

import pytest

from modules.library.training_tags import training_tags


def test_tags_of_all_folders_are_added_up() -> None:
    counts = {"10_a": {"cat": 3, " red eyes": 4, "hat": 1}, "2_b": {"cat ": 9, "": 5}}
    assert training_tags({"ss_tag_frequency": json.dumps(counts)}, 2) == [("cat", 12), ("red eyes", 4)]


def test_whole_sentences_are_taken_apart() -> None:
    counts = {"1_a": {"a photo of a zebra in the snow": 1, "the zebra stands on a hill": 2}}
    assert dict(training_tags({"ss_tag_frequency": json.dumps(counts)}, 99)) == {"zebra": 3, "the": 3, "photo": 1, "snow": 1, "stands": 2, "hill": 2}


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", '{"a": 1, "b": [2], "c": {"x": "y", "z": -1, "t": true, "n": 1e999, "h": 99999999999999999999}}', "[" * 100_000])
def test_nonsense_gives_none(text: str) -> None:
    assert training_tags({"ss_tag_frequency": text}, 9) == []
