"""Versions and ranges are judged as the ``packaging`` library judges them."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version as Reference

from modules.launching.versions import VersionUnreadable, is_in_range, read_version

NUMBER = st.integers(min_value=0, max_value=12).map(str)
SUFFIX = st.sampled_from(["", "a1", "b2", "rc1", ".post1", ".dev3", "a1.dev2", "rc1.post2", "-1", ".post1.dev4"])
LOCAL = st.sampled_from(["", "+cpu", "+cu130", "+abc.5", "+5"])
RELEASE = st.lists(NUMBER, min_size=1, max_size=4).map(".".join)
PUBLIC = st.builds(lambda epoch, release, suffix: epoch + release + suffix, st.sampled_from(["", "1!"]), RELEASE, SUFFIX)
VERSION = st.builds(lambda public, local: public + local, PUBLIC, LOCAL)
OPERATOR = st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~="])
CLAUSE = st.one_of(
    st.builds(lambda operator, version: operator + version, OPERATOR, PUBLIC),
    st.builds(lambda operator, release: f"{operator}{release}.*", st.sampled_from(["==", "!="]), RELEASE),
    st.builds(lambda version: f"=={version}", VERSION),
)


@given(VERSION, VERSION)
def test_versions_sort_as_packaging_sorts_them(one: str, other: str) -> None:
    ours, reference = (read_version(one), read_version(other)), (Reference(one), Reference(other))
    assert (ours[0] < ours[1]) == (reference[0] < reference[1])
    assert (ours[0] == ours[1]) == (reference[0] == reference[1])


@given(VERSION, st.lists(CLAUSE, min_size=1, max_size=3).map(",".join))
def test_ranges_admit_what_packaging_admits(version: str, clauses: str) -> None:
    try:
        expected = SpecifierSet(clauses).contains(version, prereleases=True)
    except InvalidSpecifier:
        expected = False  # ours may have said no at an earlier clause already
    try:
        assert is_in_range(version, clauses) == expected
    except VersionUnreadable:
        assert not expected


@pytest.mark.parametrize("text", ["", "abc", "1..2", "1.0+", "1.0 beta gamma", "git+https://example.org/x"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(VersionUnreadable):
        read_version(text)


def test_a_local_build_meets_the_plain_version() -> None:
    assert is_in_range("2.13.0+cpu", "==2.13.0")
    assert not is_in_range("2.13.0", "==2.13.0+cpu")
