"""Editing, alternation and AND: which text is used until which step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.engine.prompt_schedule import pass_timeline, schedule_prompt, split_and

PIECES = ["a", " ", "[", "]", "(", ")", ":", "|", "\\", "3", "0.5", "\n", "[a:b:3]", "[a|b]", "(x:1.2)", "[c:0.5]", "[d::2]", "\\["]
PROMPTS = st.lists(st.sampled_from(PIECES)).map("".join) | st.text()


def texts(prompt, steps=10, hires_steps=None, old=False):
    return [tuple(entry) for entry in schedule_prompt(prompt, pass_timeline(steps, hires_steps, old=old))]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("test", [(10, "test")]),
        ("", [(10, "")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3 ]", [(3, "a "), (10, "a b")]),
        ("[a::3]", [(3, "a"), (10, "")]),
        ("[a:b:0.25]", [(2, "a"), (10, "b")]),
        ("[a:b:.5]", [(5, "a"), (10, "b")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-2]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:1e400]", [(10, "a")]),
        ("[a:[b:c:6]:3]", [(3, "a"), (6, "b"), (10, "c")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[a:3:5]", [(5, "a"), (10, "3")]),
        ("[a\\:b:c:3]", [(3, "a\\:b"), (10, "c")]),
        # not editing: brackets that only weigh, or nothing at all
        ("[a:b]", [(10, "[a:b]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("(a:b:3)", [(10, "(a:b:3)")]),
        ("[a:b:3", [(10, "[a:b:3")]),
        ("\\[a:b:3]", [(10, "\\[a:b:3]")]),
        ("[(a:c:3]", [(10, "[(a:c:3]")]),
        # unbalanced brackets around it do no harm
        ("[[a:b:3]", [(3, "[a"), (10, "[b")]),
        ("[a:b:3]]", [(3, "a]"), (10, "b]")]),
        ("((a [b:c:3] d)", [(3, "((a b d)"), (10, "((a c d)")]),
        # what A1111's grammar refuses stays literal as a whole
        ("a|b [c:d:3]", [(10, "a|b [c:d:3]")]),
        ("[c|d:0.5] [e:f:2]", [(10, "[c|d:0.5] [e:f:2]")]),
        ("[a:b:3]\\", [(10, "[a:b:3]\\")]),
    ],
)
def test_editing(prompt, expected):
    assert texts(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[a|b]", ["a", "b", "a", "b"]),
        ("[a|]x", ["ax", "x", "ax", "x"]),
        ("[|a]", ["", "a", "", "a"]),
        ("[a||b]", ["a", "", "b", "a"]),
        ("[a|[b|c]]", ["a", "c", "a", "c"]),
        ("[[a|b]:c:2]", ["a", "b", "c", "c"]),
        ("[(x:1.2)|y]", ["(x:1.2)", "y", "(x:1.2)", "y"]),
    ],
)
def test_alternation_changes_every_step(prompt, expected):
    assert texts(prompt, 4) == list(enumerate(expected, 1))


def test_the_hires_pass_counts_whole_steps_on_and_fractions_from_one():
    assert texts("[a:b:0.5]", 10, 4) == [(4, "b")]
    assert texts("[a:b:1.5]", 10, 4) == [(2, "a"), (4, "b")]
    assert texts("[a:b:12]", 10, 4) == [(2, "a"), (4, "b")]
    assert texts("[a:b:3]", 10, 4) == [(4, "b")]


def test_old_scheduling_takes_anything_below_one_as_a_fraction():
    assert texts("[a:b:0.5]", old=True) == [(5, "a"), (10, "b")]
    assert texts("[a:b:2.7]", old=True) == [(2, "a"), (10, "b")]
    assert texts("[a:b:0.5]", 10, 4, old=True) == [(5, "a"), (10, "b")]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat :1.2 AND a dog AND snow :-0.4", [("a cat", 1.2), (" a dog", 1.0), (" snow", -0.4)]),
        ("a AND", [("a", 1.0), ("", 1.0)]),
        ("a SAND castle", [("a SAND castle", 1.0)]),
        ("ratio 16:9", [("ratio 16", 9.0)]),                # A1111 does this too
        ("(a:1.2)", [("(a:1.2)", 1.0)]),
        ("a:1:2", [("a:1", 2.0)]),
        ("a: .5\n", [("a", 0.5)]),
        (":3", [("", 3.0)]),
        ("a:1.2.3", [("a:1.2.3", 1.0)]),
    ],
)
def test_and_splits_and_weighs(prompt, expected):
    assert [tuple(part) for part in split_and(prompt)] == expected


@given(PROMPTS, st.integers(1, 30))
def test_every_schedule_ends_at_the_last_step_and_never_goes_back(prompt, steps):
    untils = [until for until, _ in texts(prompt, steps)]
    assert untils[-1] == steps
    assert untils == sorted(set(untils)) and untils[0] >= 1


@given(st.text(alphabet="ab ()[],.:"))
def test_without_a_number_or_a_bar_nothing_changes_over_time(prompt):
    assert texts(prompt) == [(10, prompt)]


@given(PROMPTS)
def test_parts_of_and_hold_all_words(prompt):
    assert sum(part.text.count("a") for part in split_and(prompt)) == prompt.count("a")
