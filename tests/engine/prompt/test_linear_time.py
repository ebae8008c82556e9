"""64 kB of anything is read in a quarter of a second of a quiet processor, however nested; what is not linear takes many seconds."""

import time
from collections.abc import Callable

import pytest

from modules.engine.extra_networks import take_out_tags
from modules.engine.prompt_attention import parse_attention
from modules.engine.prompt_comments import strip_comments
from modules.engine.prompt_schedule import pass_timeline, schedule_prompt, split_and
from modules.engine.prompt_tokens import prompt_tokenizer
from tests.short_form import one_in

pytestmark = pytest.mark.group("S17")

SIZE = 64 * 1024
SECONDS = 4 * 0.25                              # a busy machine, and a heap that other tests have filled, cost several times as much
HALF = SIZE // 2
HARD = {
    "words": "a red cat, ", "round": "(", "square": "[", "round with words": "(a", "square with words": "[a", "closing": ")]", "pairs": "()",
    "weights": "(a:1.1)", "open weights": "(a:", "colons": ":", "colons and blanks": ": ", "colon and digits": ":1", "blanks": " ", "lines": "\n",
    "edits": "[a:b:3]", "open edits": "[a:b:", "alternation": "[a|b]", "bars": "|", "open bars": "[|", "AND": "a AND ", "ANDs": "AND ", "break": "BREAK ",
    "commas": ",", "backslashes": "\\", "escapes": "\\(", "tags": "<lora:a:1>", "open tags": "<a:", "angles": "<", "comments": "#\n", "hashes": "#",
    "umlauts": "äöü", "emoji": "🐱", "combining": "e\u0301", "digits": "1", "dots": ":1.", "entities": "&amp;", "fullwidth": "ａ",
}  # fmt: skip
NESTED = {
    "balanced round": "(" * HALF + ")" * HALF, "balanced square": "[" * HALF + "]" * HALF, "staircase": "(a" * (SIZE // 3) + ")" * (SIZE // 3),
    "nested edits": "[" * (SIZE // 4) + ":3]" * (SIZE // 4), "nested alternation": "[" * (SIZE // 4) + "|a]" * (SIZE // 4),
    "crossed": "([" * (SIZE // 4) + ")]" * (SIZE // 4), "one colon and blanks": ":" + " " * SIZE, "nested entities": "&" + "amp;" * (SIZE // 4),
}  # fmt: skip
PROMPTS = {name: (piece * SIZE)[:SIZE] for name, piece in HARD.items()} | NESTED


def read(prompt: str) -> None:
    text, _ = take_out_tags(strip_comments(prompt))
    timeline = pass_timeline(20)
    for part in split_and(text):
        schedule_prompt(part.text, timeline)
    parse_attention(text)


@pytest.mark.parametrize("name", one_in(2, list(PROMPTS)))
def test_reading_takes_linear_time(name):
    assert takes_less_than(SECONDS, lambda: read(PROMPTS[name]))


@pytest.mark.parametrize("name", one_in(2, list(PROMPTS)))
def test_tokens_take_linear_time(name):
    tokenizer = prompt_tokenizer()
    assert takes_less_than(2 * SECONDS, lambda: [tokenizer.tokenize(piece.text) for piece in parse_attention(PROMPTS[name])])


def takes_less_than(seconds: float, work: Callable[[], object]) -> bool:
    """Whether one of a few tries did: other processes make a shared machine slow, never fast."""
    return any(_seconds(work) < seconds for _ in range(6))


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
