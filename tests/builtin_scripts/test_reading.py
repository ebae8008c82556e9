"""What is typed into scripts is read as a shell or a table would, and in time that grows with its length, not faster."""
from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.builtin_scripts.prompts_from_file import options_of, words_of
from modules.builtin_scripts.xyz.values import split_values, typed_values
from modules.schema.errors import InvalidValue
from modules.schema.table import TXT2IMG

P = SimpleNamespace(table=TXT2IMG, prompt="", steps=1)
SIZE = 64 * 1024
LINES = {
    "one word": "a", "words": "a ", "quoted": '"a" ', "open quotes": '" ', "apostrophes": "' ", "escapes": "\\a", "dashes": "-- ", "quotes": "''",
    "backslashes": "\\", "blanks": " ", "escaped quotes": '\\"',
}  # fmt: skip
VALUES = {
    "digits": "1" * SIZE, "blanks": "1-" + " " * SIZE + "x", "blanks before": "1" + " " * SIZE + "x", "signs": "+" * SIZE, "dashes": "1-" * (SIZE // 2),
    "counted": "1-2" + "[" * SIZE, "blanks in brackets": "1-2 (+1" + " " * SIZE, "commas": "," * SIZE, "quotes": '"' * SIZE, "dots": "1." * (SIZE // 2),
    "huge ends": "1-" + "9" * SIZE, "huge count": "1-2 [" + "9" * SIZE + "]",
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab -='\"\\ \té", max_size=30))
def test_words_are_a_shells(line: str) -> None:
    try:
        expected = shlex.split(line)
    except ValueError:
        assert words_of(line) is None
    else:
        assert words_of(line) == expected


@pytest.mark.parametrize("piece", LINES.values(), ids=list(LINES))
@pytest.mark.parametrize("opening", ["--prompt ", '--prompt "'])
def test_a_line_takes_linear_time(opening: str, piece: str) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(InvalidValue):
            options_of(opening + piece * (size // len(piece)), 1, P)

    grows_with_its_length(read)


@pytest.mark.parametrize(("kind", "text", "values"), [
    (float, "1-2 (+0.3)", [1, 1.3, 1.6, 1.9, 2.2]), (float, "1-2 (+0.25)", [1, 1.25, 1.5, 1.75, 2]), (float, "1-1.3 (+0.1)", [1, 1.1, 1.2, 1.3]),
    (float, "2-1 (-0.3)", [2, 1.7, 1.4, 1.1, 0.8]), (float, "0-1 [5]", [0, 0.25, 0.5, 0.75, 1]), (float, "1 - 3", [1, 2, 3]), (float, "-1-0.5", [-1, 0, 1]),
    (float, "4-7 [1]", [4]), (int, "1-5", [1, 2, 3, 4, 5]), (int, "1-6 (+2)", [1, 3, 5]), (int, "10-5 (-3)", [10, 7]), (int, "1-10 [5]", [1, 3, 5, 7, 10]),
    (int, "-2-1", [-2, -1, 0, 1]), (int, "5-1 (+1)", []), (int, "20 - 30 ( +5)", None), (int, "7", [7]),
])
def test_a_range_has_the_values_that_a1111_gives_it(kind: Callable[[str], float], text: str, values: list[float] | None) -> None:
    """A1111 1.10's ranges: of other than whole numbers, the step goes on until the end is reached or passed."""
    if values is None:
        with pytest.raises(InvalidValue):
            typed_values("Steps", kind, split_values(text))
    else:
        assert typed_values("Steps", kind, split_values(text)) == values


@pytest.mark.parametrize("text", VALUES.values(), ids=list(VALUES))
@pytest.mark.parametrize("kind", [int, float])
def test_an_axis_takes_linear_time_and_is_refused_in_words(text: str, kind: Callable[[str], float]) -> None:
    started = time.thread_time()
    try:
        typed_values("Steps", kind, split_values(text))
    except InvalidValue as error:
        assert len(str(error)) < 1000
    assert time.thread_time() - started < 2        # half a minute when quadratic


def grows_with_its_length(read: Callable[[int], None]) -> None:
    """Eight times the text may take eight times the time, some room for noise, and not 64 times."""
    def fastest(size: int) -> float:
        tries = []
        for _ in range(2):
            started = time.thread_time()
            read(size)
            tries.append(time.thread_time() - started)
        return min(tries)

    assert fastest(SIZE) < 30 * fastest(SIZE // 8) + 0.02
