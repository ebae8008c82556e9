"""Texts of any kind are read in time that grows with their length; what cannot be read is refused by a sentence. Corpus: what hung A1111, and worse."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.builtin_scripts.prompts_from_file import options_of
from modules.builtin_scripts.xyz.values import split_values, typed_values
from modules.engine.extra_networks import lora_requests, take_out_tags
from modules.engine.prompt_attention import parse_attention
from modules.engine.prompt_comments import strip_comments
from modules.engine.prompt_schedule import pass_timeline, schedule_prompt, split_and
from modules.engine.styles import Style, apply_styles, find_styles, read_styles
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.infotext_read import read_infotext
from modules.schema.table import TXT2IMG
from tests.security.corpora import parser_texts

pytestmark = pytest.mark.group("S17")
SECONDS = 0.25                      # of processor time, for 64 kB; the long form's, as it is a number of a quiet machine
HANGS = 8 * SECONDS                 # what went wrong once took ten seconds and more
ROOT = Path(__file__).resolve().parents[2]


def wildcards() -> ModuleType:
    """The shipped extension's script, loaded without a server."""
    source = (ROOT / "extensions" / "wildcards" / "scripts" / "wildcards.py").read_text(encoding="utf-8")
    module = ModuleType("wildcards_alone")
    before = {name: sys.modules.get(name) for name in ("modules.paths", "modules.scripts", "modules.extensions")}
    sys.modules["modules.paths"], sys.modules["modules.scripts"], sys.modules["modules.extensions"] = (_stand_in(each) for each in before)
    import modules

    kept = {name: getattr(modules, name, None) for name in ("scripts", "extensions")}
    try:
        modules.scripts, modules.extensions = sys.modules["modules.scripts"], sys.modules["modules.extensions"]  # type: ignore[attr-defined]
        exec(compile(source, "wildcards.py", "exec"), module.__dict__)  # our own file
    finally:
        for name, old in before.items():
            sys.modules.pop(name, None)
            if old is not None:
                sys.modules[name] = old
        for name, value in kept.items():
            if value is None:
                delattr(modules, name)
            else:
                setattr(modules, name, value)
    return module


def _stand_in(name: str) -> ModuleType:
    module: Any = ModuleType(name)
    module.data_path, module.basedir, module.active, module.Script, module.AlwaysVisible = "/nowhere", lambda: "/nowhere", list, object, object()
    return module


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[[str], Any]]:
    cards = wildcards()
    folder = tmp_path_factory.mktemp("styles")
    listed = [Style(name="a", prompt="a {prompt} b"), Style(name="b", prompt="[", negative_prompt="x")]

    def lists() -> Any:
        found = cards.Lists()
        found.read["a"] = ["__a__ __a__", "{a|b}"]
        return found

    def prompt(text: str) -> None:
        without, tags = take_out_tags(strip_comments(text))
        lora_requests(tags)
        for part in split_and(without):
            schedule_prompt(part.text, pass_timeline(20))
        parse_attention(without)

    def table(text: str) -> None:
        path = folder / "styles.csv"
        path.write_bytes(b"name,prompt,negative_prompt\n" + text.encode("utf-8", "replace"))
        read_styles([path])

    return {
        "prompt": prompt, "infotext": read_infotext, "styles.csv": table, "styles": lambda text: (find_styles(text, text, listed), apply_styles(text, text, ["a", "b"], {each.name: each for each in listed})),
        "wildcards": lambda text: cards.expanded(text, random.Random(1), lists()),
        "numbers of an axis": lambda text: typed_values("Steps", int, split_values(text)), "fractions of an axis": lambda text: typed_values("CFG", float, split_values(text)),
        "orders of an axis": lambda text: typed_values("Order", str, split_values(text)), "line of a file": lambda text: options_of(text, 1, SimpleNamespace(table=TXT2IMG)),
    }  # fmt: skip


def read(parse: Callable[[str], Any], text: str) -> float:
    """Seconds of processor time; what is refused by a sentence is as good as read."""
    started = time.thread_time()
    try:
        parse(text)
    except WebuiError as error:
        assert len(str(error)) < 3000
    return time.thread_time() - started


def check_all(parsers: dict[str, Callable[[str], Any]], names: list[str], texts: dict[str, str], seconds: float) -> None:
    for name in names:
        for shape, text in texts.items():
            took = read(parsers[name], text)
            if took > seconds:
                took = min(read(parsers[name], text) for _ in range(3))
            assert took < seconds, (name, shape, took)


@pytest.mark.parametrize("name", ["wildcards", "numbers of an axis", "fractions of an axis", "line of a file", "styles.csv", "styles"])
def test_nothing_hangs(parsers: dict[str, Callable[[str], Any]], name: str) -> None:
    check_all(parsers, [name], parser_texts(), HANGS)


@pytest.mark.long
def test_every_parser_on_every_text(parsers: dict[str, Callable[[str], Any]]) -> None:
    check_all(parsers, list(parsers), parser_texts(), SECONDS)


@pytest.mark.long
def test_time_grows_with_the_length(parsers: dict[str, Callable[[str], Any]]) -> None:
    """Four times the text takes at most six times as long, where it takes long enough to be measured."""
    short, whole = parser_texts(16_000), parser_texts(64_000)
    for name, parse in parsers.items():
        for shape in whole:
            few, many = (min(read(parse, texts[shape]) for _ in range(3)) for texts in (short, whole))
            assert many < 6 * max(few, 0.004), (name, shape, few, many)


@settings(max_examples=60, deadline=None)
@given(text=st.lists(st.sampled_from([*"()[]{}<>:|,\\\"'-+_$# \n\t\r\0é日\ud800", "__a__", "{2$$a|b}", "{3::a|b}", "<lora:a:1>", "AND", "BREAK", "0.5", "1-9 [3]", "1-9 (+2)", "--prompt ", "Steps: 20", "9" * 400]), max_size=60).map("".join))
def test_any_text_is_read_or_refused_by_a_sentence(parsers: dict[str, Callable[[str], Any]], text: str) -> None:
    for parse in parsers.values():
        assert read(parse, text) < 1.0


@pytest.mark.long
@settings(max_examples=2000, deadline=None, derandomize=False)
@given(text=st.text(max_size=400))
def test_many_texts_are_read_or_refused_by_a_sentence(parsers: dict[str, Callable[[str], Any]], text: str) -> None:
    for parse in parsers.values():
        assert read(parse, text) < 1.0


def test_styles_do_not_multiply_a_prompt_without_end() -> None:
    doubling = {"x": Style(name="x", prompt="{prompt}{prompt}", negative_prompt="{prompt} {prompt}")}
    assert apply_styles("ab", "", ["x", "x"], doubling)[0] == "ab" * 4
    with pytest.raises(InvalidValue, match="longer"):
        apply_styles("cat", "", ["x"] * 60, doubling)


def test_one_request_makes_no_endless_number_of_pictures() -> None:
    for text in ("1-1000000000", "0-1e9", "1-9 [100000000]", "0-1 (+0.000000001)", ", ".join("1-1000" for _ in range(100))):
        try:
            assert len(typed_values("Steps", float, split_values(text))) < 10_000
        except InvalidValue:
            continue
