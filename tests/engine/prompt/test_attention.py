"""Attention: A1111's weights for balanced and unbalanced brackets, escapes and BREAK."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.engine.prompt_attention import LARGEST_WEIGHT, parse_attention

PROMPTS = st.text(alphabet="ab ,:.1-()[]\\\nB") | st.lists(st.sampled_from(["(", ")", "[", "]", ":1.3)", "BREAK", " ", "a", "\\(", "\\", ":"])).map("".join)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", [("", 1.0)]),
        ("plain words", [("plain words", 1.0)]),
        ("a (big) cat", [("a ", 1.0), ("big", 1.1), (" cat", 1.0)]),
        ("((a))", [("a", 1.1 * 1.1)]),
        ("[a]", [("a", 1 / 1.1)]),
        ("(a:1.3)", [("a", 1.3)]),
        ("(a: 1.3 )", [("a", 1.3)]),
        ("(a:-0.5)", [("a", -0.5)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(foo)(bar)", [("foobar", 1.1)]),
        ("((a:1.3) b)", [("a", 1.3 * 1.1), (" b", 1.1)]),
        ("(open", [("open", 1.1)]),
        ("((open", [("open", 1.1 * 1.1)]),
        ("[open", [("open", 1 / 1.1)]),
        ("closed)", [("closed)", 1.0)]),
        ("closed]", [("closed]", 1.0)]),
        ("a:1.3)", [("a:1.3)", 1.0)]),
        ("[a:1.3]", [("a:1.3", 1 / 1.1)]),
        (r"\(a\) \[b\] \\", [("(a) [b] \\", 1.0)]),
        ("lone \\ backslash", [("lone  backslash", 1.0)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1 * 1.1 * (1 / 1.1)), (" c", 1 / 1.1)]),
        ("a BREAK b", [("a", 1.0), ("BREAK", -1), ("b", 1.0)]),
        ("BREAK", [("", 1.0), ("BREAK", -1), ("", 1.0)]),
        ("BREAKFAST", [("BREAKFAST", 1.0)]),
        ("(a BREAK b)", [("a", 1.1), ("BREAK", -1.1), ("b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3)", 1.1)]),
    ],
)
def test_weights_are_a1111s(prompt, expected):
    assert [tuple(piece) for piece in parse_attention(prompt)] == expected


def test_only_break_outside_brackets_breaks():
    assert [piece.text for piece in parse_attention("a BREAK (b BREAK c)") if piece.is_break] == ["BREAK"]


@given(PROMPTS)
def test_any_text_is_read_and_neighbours_differ(prompt):
    pieces = parse_attention(prompt)
    assert pieces
    assert all(first.weight != second.weight for first, second in pairwise(pieces))


@given(st.text(alphabet="abc ,.\n"))
def test_text_without_marks_stays_as_it_is(prompt):
    assert "".join(piece.text for piece in parse_attention(prompt)) == prompt


@given(st.text(alphabet="ab([)]"))
def test_a_bracket_costs_no_character_but_itself(prompt):
    assert "".join(piece.text for piece in parse_attention(prompt)).replace(")", "").replace("]", "") == "".join(c for c in prompt if c in "ab")


@given(st.lists(st.sampled_from("()[]a:"), max_size=40).map("".join))
def test_many_brackets_are_multiplied_as_few_are(prompt):
    """Beyond a budget the products are made another way: same weights to 12 digits."""
    from modules.engine import prompt_attention

    budget = prompt_attention._EXACT_PRODUCTS
    exact = parse_attention(prompt)
    try:
        prompt_attention._EXACT_PRODUCTS = -1
        quick = parse_attention(prompt)
    finally:
        prompt_attention._EXACT_PRODUCTS = budget
    assert "".join(piece.text for piece in quick) == "".join(piece.text for piece in exact)
    by_character = [[piece.weight for piece in pieces for _ in piece.text] for pieces in (exact, quick)]
    assert by_character[0] == pytest.approx(by_character[1], rel=1e-11)


@pytest.mark.parametrize("prompt", ["(a:" * 5000, "(" * 9000 + "a" + ")" * 9000, "(a:" + "9" * 400 + ")", "((a:" + "9" * 400 + "):0)", "(a:1e40)"])
def test_no_number_of_brackets_makes_a_weight_that_is_no_number(prompt):
    assert all(abs(each.weight) <= LARGEST_WEIGHT for each in parse_attention(prompt))
