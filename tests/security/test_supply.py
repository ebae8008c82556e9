"""What the program is made of is locked with hashes, can be listed, and has no known hole that nobody waived. Offline."""

from __future__ import annotations

from datetime import date

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.supply import LOCK, Advisory, Waiver, audit, bill, closure, holes, locked, read_advisories, requirements

pytestmark = pytest.mark.group("S21")
OLD = Advisory(package="Some_Thing", id="CVE-1", fixed="2.0", severity="high", what="it breaks")


def test_no_known_hole_is_left_without_a_waiver() -> None:
    assert audit() == []


def test_the_floors_are_in_the_list() -> None:
    floors = {canonicalize_name(each.package): max(Version(one.fixed) for one in read_advisories()[0] if one.package == each.package) for each in read_advisories()[0]}
    assert floors["gradio"] >= Version("6.16") and floors["torch"] >= Version("2.10") and floors["pillow"] >= Version("11.3")
    stated = {canonicalize_name(each.name): each.specifier for each in requirements()}
    for name in ("gradio", "pillow", "transformers", "numpy", "pyyaml"):        # what our ranges allow is not below the floor
        lowest = min(Version(clause.version) for clause in stated[name] if clause.operator in (">=", "=="))
        assert lowest >= floors[name], name


@pytest.mark.parametrize(
    ("version", "waivers", "found"),
    [
        ("1.9", [], 1), ("2.0", [], 0), ("2.0+cpu", [], 0), ("10.0", [], 0), ("1.9.9+cu130", [], 1), ("1.9", [Waiver(package="some-thing", id="CVE-1", reason="not reached", until="2030-01-01")], 0),
        ("1.9", [Waiver(package="some-thing", id="CVE-1", reason="not reached", until="2020-01-01")], 1), ("1.9", [Waiver(package="some-thing", id="CVE-2", reason="another", until="2030-01-01")], 1),
    ],
)  # fmt: skip
def test_versions_are_held_against_the_list(version: str, waivers: list[Waiver], found: int) -> None:
    assert len(list(holes({"some-thing": version}, [OLD], waivers, date(2026, 6, 1)))) == found


def test_every_waiver_says_why() -> None:
    advisories, waivers = read_advisories()
    assert all(len(each.reason) > 20 and (each.package, each.id) in {(one.package, one.id) for one in advisories} for each in waivers)


def test_every_package_of_ours_is_locked_in_its_range_with_a_hash() -> None:
    found = locked(LOCK.read_text(encoding="utf-8"))
    assert LOCK.read_text(encoding="utf-8").count("==") == len(found) and all(hashes for _, hashes in found.values())
    for each in requirements():
        if each.name != "torch":
            assert each.specifier.contains(found[canonicalize_name(each.name)][0]), each.name


def test_the_bill_lists_all_that_runs() -> None:
    made = bill()
    names = {each["name"] for each in made["components"]}
    assert made["bomFormat"] == "CycloneDX" and names == set(closure(requirements())) and {"torch", "gradio", "starlette", "h11"} <= names
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in made["components"])
