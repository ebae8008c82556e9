"""``python -m tests.reliability_report``: runs what shows the groups of ``reliability_groups.py`` and prints which of them hold.

--fast leaves out tests marked ``long``. Names of groups ("S1 R3") run these alone. The exit code is 1 when a mandatory group does not hold.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.reliability_groups import GROUPS, Group

TESTS = Path(__file__).parent
_MARKED = re.compile(r"mark\.group\(")
OPEN, HOLDS, BROKEN, LEFT_OUT = "not built", "pass", "FAIL", "not applicable"


@dataclass(kw_only=True)
class Evidence:
    """What became of the tests of one group. broken, skipped: node id -> the reason in a line."""

    tests: set[str] = field(default_factory=set)
    passed: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def files(self) -> list[str]:
        return sorted({each.partition("::")[0].removeprefix("tests/") for each in self.tests})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """result: one of the four words above. why: what stands behind it."""

    group: Group
    result: str
    why: str

    @property
    def stops_a_release(self) -> bool:
        return self.group.mandatory and self.result in (OPEN, BROKEN)


class Recorder:
    """A plugin of pytest: leaves only tests of the ``wanted`` groups, and keeps what became of them."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = frozenset(wanted)
        self.evidence: dict[str, Evidence] = defaultdict(Evidence)
        self._groups_of: dict[str, frozenset[str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept, dropped = [], []
        for item in items:
            groups = groups_of(item) & self.wanted
            (kept if groups else dropped).append(item)
            self._groups_of[item.nodeid] = groups
            for name in groups:
                self.evidence[name].tests.add(item.nodeid)
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name in self._groups_of.get(report.nodeid, ()):
            self._note(self.evidence[name], report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported shows nothing: its groups, read from its text, are broken."""
        file = TESTS.parent / report.nodeid
        if report.failed and file.is_file():
            for name in set(re.findall(r"[\"']([SR]\d+)[\"']", file.read_text(encoding="utf-8"))) & self.wanted:
                self.evidence[name].broken[report.nodeid] = "cannot be collected"

    def _note(self, evidence: Evidence, report: pytest.TestReport) -> None:
        evidence.seconds += report.duration
        if report.failed:
            evidence.broken[report.nodeid] = _last_line(report)
        elif report.skipped:
            evidence.skipped[report.nodeid] = _last_line(report)
        elif report.when == "call":
            evidence.passed += 1


def groups_of(item: pytest.Item) -> frozenset[str]:
    """The groups that a test shows. One that the table does not have is an error of the test."""
    named = {name for mark in item.iter_markers("group") for name in mark.args}
    if unknown := named - GROUPS.keys():
        raise pytest.UsageError(f"{item.nodeid} names groups that are not in the table: {', '.join(sorted(unknown))}")
    return frozenset(named)


def verdict(group: Group, evidence: Evidence | None) -> Verdict:
    """What the tests of a group say of it. A group whose tests were all skipped is not shown."""
    if evidence is None or (not evidence.tests and not evidence.broken):
        return Verdict(group=group, result=LEFT_OUT if group.left_out else OPEN, why=group.left_out or "no test shows it")
    if evidence.broken:
        return Verdict(group=group, result=BROKEN, why=f"{len(evidence.broken)} of {len(evidence.tests)} tests fail")
    if not evidence.passed:
        return Verdict(group=group, result=OPEN, why=next(iter(evidence.skipped.values()), "none of its tests was run"))
    more = f", {len(evidence.skipped)} skipped" if evidence.skipped else ""
    return Verdict(group=group, result=HOLDS, why=f"{evidence.passed} tests{more}, {evidence.seconds:.1f} s: {_shortened(evidence.files)}")


def marked_files() -> list[Path]:
    """Test files that show a group, found by their text: nothing else need be imported."""
    return sorted(path for path in TESTS.rglob("test_*.py") if _MARKED.search(path.read_text(encoding="utf-8")))


def table(verdicts: Sequence[Verdict], evidence: Mapping[str, Evidence]) -> str:
    """The report as text: a line for each group, then what failed."""
    lines = [f"{each.group.name:<4}{'M' if each.group.mandatory else 'L'}  {each.result:<15}{each.group.claim}\n{'':<22}{each.why}" for each in verdicts]
    for each in verdicts:
        found = evidence.get(each.group.name)
        lines += [f"{each.group.name}: {test}: {reason}" for test, reason in sorted(found.broken.items())] if found else []
    mandatory = [each for each in verdicts if each.group.mandatory]
    holding = sum(each.result == HOLDS for each in verdicts)
    good = sum(not each.stops_a_release for each in mandatory)
    lines.append(f"{holding} of {len(verdicts)} groups hold; {good} of {len(mandatory)} mandatory ones.")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability_report", description="Which groups of security and reliability hold.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="S1, R3, ...; all where none is named")
    parser.add_argument("--fast", action="store_true", help="without tests marked long")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.groups if name not in GROUPS]:
        parser.error(f"no such group: {', '.join(unknown)}")
    wanted = asked.groups or list(GROUPS)
    recorder = Recorder(wanted)
    files = [str(path) for path in marked_files()]
    options = ["-q", "-p", "no:cacheprovider", *(("-m", "not long") if asked.fast else ())]
    code = pytest.main([*options, *files], plugins=[recorder]) if files else 0
    verdicts = [verdict(GROUPS[name], recorder.evidence.get(name)) for name in GROUPS if name in wanted]
    sys.stdout.write("\n" + table(verdicts, recorder.evidence) + "\n")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    return int(any(each.stops_a_release for each in verdicts))


def _shortened(files: Sequence[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")


def _last_line(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")[:200]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr or "").strip()
    return (text.splitlines() or [""])[0][:200]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
