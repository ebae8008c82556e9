"""The report of groups says "pass" only where tests ran and none failed."""

from __future__ import annotations

import re

import pytest

from tests.reliability_groups import GROUPS, Group
from tests.reliability_report import BROKEN, HOLDS, LEFT_OUT, OPEN, Evidence, marked_files, verdict

MUST = Group(name="S1", mandatory=True, claim="a claim")
LATER = Group(name="R22", mandatory=False, claim="a claim", left_out="it takes hours")


@pytest.mark.parametrize(
    ("group", "evidence", "result", "stops"),
    [
        (MUST, None, OPEN, True),
        (LATER, None, LEFT_OUT, False),
        (MUST, Evidence(tests={"a::b"}, passed=1), HOLDS, False),
        (MUST, Evidence(tests={"a::b", "a::c"}, passed=1, broken={"a::c": "no"}), BROKEN, True),
        (MUST, Evidence(tests={"a::b"}, skipped={"a::b": "no browser"}), OPEN, True),
        (MUST, Evidence(broken={"a": "cannot be collected"}), BROKEN, True),
        (LATER, Evidence(tests={"a::b"}, broken={"a::b": "no"}), BROKEN, False),
    ],
)
def test_what_was_not_shown_is_not_passed(group: Group, evidence: Evidence | None, result: str, stops: bool) -> None:
    found = verdict(group, evidence)
    assert (found.result, found.stops_a_release) == (result, stops) and found.why


def test_tests_name_groups_of_the_table_only() -> None:
    assert len(GROUPS) == 44 and sum(each.mandatory for each in GROUPS.values()) == 40
    named = {name for path in marked_files() for mark in re.findall(r"mark\.group\(([^)]*)\)", path.read_text(encoding="utf-8")) for name in re.findall(r"\"(\w+)\"", mark)}
    assert named <= GROUPS.keys()
