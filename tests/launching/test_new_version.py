"""Another version of the program: gone to at a start, kept when it comes up, left again when it does not."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modules.files import git_advance
from modules.files.git_command import GitError
from modules.launching import new_version
from modules.launching.new_version import NEWEST, NewVersion
from tests.bench.server import ROOT, BenchServer
from tests.repositories import commit, git


class Program:
    """A repository, its clone, and what is said of the clone's starts."""

    def __init__(self, folder: Path) -> None:
        self.source, self.clone, self.said = folder / "source", folder / "program", list[str]()
        self.source.mkdir()
        git(self.source, "init", "-q", "-b", "main")
        (self.source / "kept.txt").write_text("as it came")
        self.first = commit(self.source, "one")
        git(folder, "clone", "-q", str(self.source), str(self.clone))
        self.version = NewVersion(self.clone, folder / "data")

    def start(self, *, asked: bool = False) -> bool:
        """Up to where the web UI is to come up; whether it has to be begun anew."""
        anew = self.version.settle(asked=asked, say=self.said.append)
        if not anew:
            self.version.begins()
        return anew

    def end(self, code: int, *, by_user: bool = False) -> bool:
        return self.version.ended(code, self.said.append, by_user=by_user)

    @property
    def now(self) -> str:
        return git(self.clone, "rev-parse", "HEAD")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_nothing_is_asked_of_anybody_at_an_ordinary_start(program: Program) -> None:
    shutil.rmtree(program.source)
    assert not program.start() and not program.end(1) and program.said == [] and not program.version.take_told()


@pytest.mark.parametrize("asked", [True, False])
def test_the_newest_version_is_kept_once_it_comes_up(program: Program, asked: bool) -> None:
    second = commit(program.source, "two")
    (program.clone / "kept.txt").write_text("changed by hand")
    if not asked:
        program.version.wish(NEWEST)
    assert program.start(asked=asked) and program.now == second and f"from {program.first[:8]} to {second[:8]}" in program.said[0]
    assert not program.start(asked=asked)
    program.version.came_up()
    assert program.version.book.last == program.first and not program.end(1), "later ends do not speak against it"
    assert not program.start() and program.now == second and (program.clone / "kept.txt").read_text() == "changed by hand"
    assert git(program.clone, "rev-parse", "--abbrev-ref", "HEAD") == "main"


@pytest.mark.parametrize("how", ["its process was killed", "it ended with an error"])
def test_one_that_does_not_come_up_is_left_and_not_tried_again(program: Program, how: str) -> None:
    second = commit(program.source, "two")
    (program.clone / "kept.txt").write_text("changed by hand")
    assert program.start(asked=True) and not program.start(asked=True)
    assert program.start(asked=True) if how == "its process was killed" else program.end(1)
    assert program.now == program.first and (program.clone / "kept.txt").read_text() == "changed by hand"
    assert not program.start(asked=True) and program.now == program.first and "did not start here before" in program.said[-1]
    assert f"{second[:8]} did not start" in program.version.take_told() and not program.version.take_told()
    third = commit(program.source, "three")
    assert program.start(asked=True) and program.now == third


def test_where_the_former_version_cannot_be_brought_back_the_page_says_what_to_run(program: Program) -> None:
    commit(program.source, "two")
    assert program.start(asked=True) and not program.start(asked=True)
    (program.clone / "file.txt").write_text("changed by hand")
    assert not program.end(1) and program.version.take_told() == program.said[-1]
    assert f". Run `git reset --keep {program.first}` in" in program.said[-1]


def test_one_that_failed_is_tried_again_where_a_person_asks_for_it(program: Program) -> None:
    """Its packages could not be had without a network: nothing was wrong with it."""
    second = commit(program.source, "two")
    assert program.start(asked=True) and program.end(1) and not program.start(asked=True) and "Extensions tab" in program.said[-1]
    program.version.wish(NEWEST)
    assert program.start(asked=True) and program.now == second and program.end(1) and program.now == program.first
    assert not program.start(asked=True), "only this once"
    program.version.wish(NEWEST)
    assert program.start() and not program.start()
    program.version.came_up()
    assert program.now == second and not program.version.book.failed


def test_a_start_that_its_user_ended_or_that_waits_for_packages_does_not_count(program: Program) -> None:
    second = commit(program.source, "two")
    assert program.start(asked=True)
    assert not program.version.settle(asked=False, say=program.said.append)      # killed while packages come
    assert not program.version.settle(asked=False, say=program.said.append) and program.now == second
    program.version.begins()
    assert not program.end(130, by_user=True) and not program.start() and program.now == second


def test_a_saved_version_is_gone_back_to_and_updated_again(program: Program) -> None:
    second = commit(program.source, "two")
    assert program.start(asked=True)
    program.version.came_up()
    program.version.wish(program.first)
    assert program.start() and program.now == program.first and not program.start()
    program.version.came_up()
    assert program.start(asked=True) and program.now == second and git(program.clone, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_what_stands_in_the_way_is_said_and_the_start_goes_on(program: Program, tmp_path: Path) -> None:
    second = commit(program.source, "two")
    program.version.wish("f" * 40)
    assert not program.start() and "stays as it is" in program.said[-1] and not program.version.book.wanted
    mine = commit(program.clone, "mine")
    assert not program.start(asked=True) and "commits of its own" in program.said[-1] and program.now == mine
    bare = tmp_path / "unpacked"
    bare.mkdir()
    said: list[str] = []
    assert not NewVersion(bare, tmp_path / "other").settle(asked=True, say=said.append) and "stays as it is" in said[0]
    shutil.rmtree(program.source)
    assert not program.start(asked=True) and second


LINES = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"


def lines_of(program: Program) -> Path:
    """A file of several lines, of which the newest version changes the last."""
    (program.source / "lines.py").write_text(LINES)
    commit(program.source, "lines")
    program.start(asked=True)
    program.version.came_up()
    (program.source / "lines.py").write_text(LINES.replace("seven", "SEVEN"))
    commit(program.source, "its last line")
    return program.clone / "lines.py"


def test_what_was_changed_by_hand_in_the_same_lines_stays_and_no_marks_come_into_the_files(program: Program) -> None:
    lines = lines_of(program)
    before = program.now
    lines.write_text(LINES.replace("seven", "mine"))
    assert not program.start(asked=True) and program.now == before and lines.read_text() == LINES.replace("seven", "mine")
    assert "lines.py was changed by hand" in program.said[-1] and "git stash" in program.said[-1] and not git(program.clone, "stash", "list")


def test_what_was_changed_by_hand_in_other_lines_goes_along_and_comes_back(program: Program) -> None:
    lines = lines_of(program)
    before = program.now
    lines.write_text(LINES.replace("one", "mine"))
    assert program.start(asked=True) and lines.read_text() == LINES.replace("one", "mine").replace("seven", "SEVEN")
    program.start()
    assert program.end(1) and program.now == before and lines.read_text() == LINES.replace("one", "mine")


def many_files(program: Program) -> None:
    for n in range(3):
        (program.source / f"old{n}.py").write_text("old\n")
    commit(program.source, "before")
    program.start(asked=True)
    program.version.came_up()
    for n in range(3):
        (program.source / f"old{n}.py").write_text("new\n" * 100)
        (program.source / f"added{n}.py").write_text("new\n" * 100)
    commit(program.source, "after")


def half_way(program: Program) -> None:
    """As a git leaves the files that is killed, or whose disk is full: some of the new ones, one of them cut off, one taken away."""
    (program.clone / "old0.py").write_text("new\n" * 100)
    (program.clone / "old1.py").write_text("new\n" * 20)
    (program.clone / "old2.py").unlink()
    (program.clone / "added0.py").write_text("new\n" * 100)


@pytest.mark.parametrize("own", [False, True], ids=["", "with a file changed by hand"])
def test_files_are_whole_again_where_the_disk_was_full(program: Program, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    many_files(program)
    before = program.now
    if own:
        (program.clone / "old2.py").write_text("mine\n")
    real = git_advance.git

    def full(folder: Path, *words: str) -> str:
        if words[0] == "merge" and own and not real(folder, "stash", "list"):
            raise GitError("old2.py would be overwritten", "Look there.")
        if words[0] == "merge":
            half_way(program)
            raise GitError("unable to write file old1.py", "Look there.")
        return real(folder, *words)

    monkeypatch.setattr(git_advance, "git", full)
    assert not program.start(asked=True) and program.now == before and "stays as it is" in program.said[-1]
    assert git(program.clone, "status", "--porcelain") == ("M old2.py" if own else "") and not program.version.book.after


def test_one_that_was_killed_while_git_wrote_its_files_is_gone_to_once_more(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    many_files(program)
    before = program.now

    class Killed(BaseException): ...

    def killed(folder: Path) -> str:
        half_way(program)
        lock = folder / ".git" / "index.lock"
        lock.touch()
        os.utime(lock, (1, 1))
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(new_version, "update", killed)
        program.start(asked=True)
    assert program.start() and program.now == before and git(program.clone, "status", "--porcelain") == ""
    assert program.start() and program.now == git(program.source, "rev-parse", "HEAD") and git(program.clone, "status", "--porcelain") == ""
    program.start()
    assert program.end(1) and program.now == before


def test_where_nothing_can_be_noted_the_program_stays(program: Program, tmp_path: Path) -> None:
    commit(program.source, "two")
    (tmp_path / "data").write_text("a file in its place")
    assert not program.start(asked=True) and program.now == program.first and "was not written" in program.said[-1]


def test_a_single_commit_stays_checked_out_where_its_branch_cannot_go_on(program: Program) -> None:
    lines = lines_of(program)
    git(program.clone, "checkout", "-q", "--detach")
    lines.write_text(LINES.replace("seven", "mine"))
    assert not program.start(asked=True) and git(program.clone, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"


def test_a_damaged_note_is_an_empty_one(program: Program, tmp_path: Path) -> None:
    for text in ("{", "[]", '{"after": 5, "never": 1}'):
        (tmp_path / "data" / "cache" / "launch").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "cache" / "launch" / "new_version.json").write_text(text)
        assert not program.start() and program.version.book.after == ""


def test_what_a_newer_version_wrote_is_passed_over_by_the_one_that_came_back(program: Program, tmp_path: Path) -> None:
    program.version.wish(NEWEST)
    note = tmp_path / "data" / "cache" / "launch" / "new_version.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "failed": ["a" * 40], "colour": "unheard of"}))
    assert program.version.book.failed == ("a" * 40,) and program.version.book.wanted == NEWEST, "else it would be tried again and again"


def kept_note(data: Path) -> dict[str, Any]:
    """As it is once the start has come up: some seconds after the first answer."""
    for _ in range(600):
        note = json.loads((data / "cache" / "launch" / "new_version.json").read_text())
        if not note["after"]:
            return note
        time.sleep(0.05)
    raise AssertionError(note)


def test_the_real_program_comes_back_from_a_version_that_is_broken(tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "program"
    source.mkdir()
    for name in ("modules", "extensions"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("launch.py", "webui.py", "requirements.txt", "requirements-alone.txt"):
        shutil.copy(ROOT / name, source / name)
    git(source, "init", "-q", "-b", "main")
    first = commit(source, "one")
    git(tmp_path, "clone", "-q", str(source), str(clone))
    (source / "modules" / "application" / "build.py").write_text("raise RuntimeError('a new mistake')\n")
    broken = commit(source, "two")
    with BenchServer(tmp_path / "data", "--update", "--nowebui", "--skip-load-model-at-start", root=clone) as server:
        server.wait("/internal/ping")
        assert any(f"{broken[:8]} did not start" in each and first[:8] in each for each in server.get("/internal/notices"))
    log = server.log.read_text(encoding="utf-8")
    assert "a new mistake" in log and "went back" in log and git(clone, "rev-parse", "HEAD") == first
    shutil.copy(ROOT / "modules" / "application" / "build.py", source / "modules" / "application" / "build.py")
    mended = commit(source, "three")
    with BenchServer(tmp_path / "data", "--update", "--nowebui", "--skip-load-model-at-start", root=clone) as server:
        server.wait("/internal/ping")
        assert git(clone, "rev-parse", "HEAD") == mended
        note = kept_note(tmp_path / "data")
    assert (note["last"], note["after"], note["failed"]) == (first, "", [broken])


def real_clone(tmp_path: Path) -> tuple[Path, str]:
    """A program that stands on trial: its clone, and the commit it is at. Its page part does only what webui.py says it does."""
    source, clone = tmp_path / "source", tmp_path / "program"
    shutil.copytree(ROOT / "modules" / "launching", source / "modules" / "launching", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("files", "schema", "extension_host"):
        shutil.copytree(ROOT / "modules" / name, source / "modules" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "launch.py", source / "launch.py")
    git(source, "init", "-q", "-b", "main")
    (source / "webui.py").write_text("")
    commit(source, "one")
    git(tmp_path, "clone", "-q", str(source), str(clone))
    return source, git(clone, "rev-parse", "HEAD")


@pytest.mark.parametrize(("webui", "is_kept"), [
    ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)", True), ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", True),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGHUP)", True), ("from modules.launching.failure import CANNOT_SERVE\nmain = lambda _: CANNOT_SERVE", True),
    ("main = lambda _: 1", False), ("import os\nos._exit(139)", False),
], ids=["Ctrl+C", "ended by the system", "its terminal closed", "port taken", "an error", "a crash"])
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_only_a_start_that_fails_by_itself_speaks_against_a_version(tmp_path: Path, webui: str, is_kept: bool) -> None:
    source, first = real_clone(tmp_path)
    (source / "webui.py").write_text(webui)
    second = commit(source, "two")
    command = [sys.executable, "launch.py", "--skip-prepare-environment", "--data-dir", str(tmp_path / "data")]
    for flags in (["--update"], []):
        subprocess.run([*command, *flags], cwd=tmp_path / "program", capture_output=True, timeout=60, check=False)
    assert git(tmp_path / "program", "rev-parse", "HEAD") == (second if is_kept else first)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_twice_right_after_the_first_answer_does_not_speak_against_a_version(tmp_path: Path) -> None:
    note = tmp_path / "cache" / "launch" / "new_version.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"before": "f" * 40, "after": "e" * 40}))
    with BenchServer(tmp_path, "--nowebui", "--skip-load-model-at-start") as server:
        server.wait("/internal/ping")
        assert json.loads(note.read_text())["began"]
        for _ in range(2):
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        server.process.wait(30)
    assert json.loads(note.read_text())["after"] and not json.loads(note.read_text())["began"]
