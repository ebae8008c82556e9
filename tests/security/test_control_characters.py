"""What a prompt holds beside letters stays text: it steers no terminal, begins no line of a table, and comes back from the picture as it was."""

from __future__ import annotations

import base64
import csv
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.gradio_ui.result_buttons import _append_log
from modules.imaging.metadata import read_infotext_from
from modules.launching.log_lines import MOST, LogLines
from tests.security.conftest import Attacked

pytestmark = pytest.mark.group("S19")
STEERING = ("\x1b[31mred\x1b]0;owned\x07", "cleared\x1b[2J\x9b2J", "over\rwritten", "back\b\b\b", "turned\u202egnp.exe", "half \ud800 of a letter", "new\x85line\u2028here", "\x00")


@pytest.mark.parametrize("text", STEERING)
def test_a_line_of_the_log_steers_nothing(text: str) -> None:
    record = logging.LogRecord("modules", logging.INFO, "", 1, "the prompt %s is long", (text,), None)
    line = LogLines("%(message)s").format(record)
    assert line.isprintable() and line.encode("utf-8") and line.startswith("the prompt ") and line.endswith(" is long")


def test_a_long_line_is_cut_and_tracebacks_keep_their_lines() -> None:
    line = LogLines("%(message)s").format(logging.LogRecord("modules", logging.INFO, "", 1, "a" * 2_000_000, (), None))
    assert len(line) < MOST + 50 and line.endswith("characters more)")
    assert LogLines("%(message)s").format(logging.LogRecord("modules", logging.INFO, "", 1, "one\n\ttwo 日本 é", (), None)) == "one\n\ttwo 日本 é"


@pytest.mark.parametrize("text", STEERING)
def test_a_picture_gives_the_prompt_back(attacked: Attacked, text: str) -> None:
    answer = attacked.wire.json("POST", "/sdapi/v1/txt2img", {"prompt": f"a {text} b", "steps": 1, "width": 64, "height": 64})
    assert answer.status == 200, answer.text[:300]
    found = json.loads(answer.body)
    kept = read_infotext_from(base64.b64decode(found["images"][0]))[0] or ""
    assert kept.startswith("a " + text.replace("\0", "").replace("\ud800", "?") + " b\nSteps: 1, ")       # PNG has no place for these two
    assert json.loads(found["info"])["prompt"] == f"a {text} b"


def test_a_prompt_begins_no_row_of_a_table(tmp_path: Path) -> None:
    finished: Any = SimpleNamespace(info={"prompt": 'a"\r\n1,2,3\n\ud800', "negative_prompt": "\r,"}, images=[SimpleNamespace(seed=5)])
    for name in ("1.png", "2.png"):
        _append_log(tmp_path / "log.csv", finished, 0, name)
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == ['a"\r\n1,2,3\n\\ud800'] * 2 and [row[7] for row in rows[1:]] == ["1.png", "2.png"]
