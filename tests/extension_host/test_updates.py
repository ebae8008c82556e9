"""Extensions' updates: looked for when asked, taken without losing anything; and states that are saved and gone back to."""
from __future__ import annotations

from pathlib import Path

import pytest

from modules.extension_host.discover import Switches, find_extensions
from modules.extension_host.states import restore, save_state, saved_states
from modules.files.git_updates import GitError, go_to, standing, update
from modules.schema.errors import InvalidValue
from tests.repositories import commit, git


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository of one commit; its clone stands in extensions/mine."""
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one")
    (tmp_path / "extensions").mkdir()
    git(tmp_path, "clone", "-q", str(folder), str(tmp_path / "extensions" / "mine"))
    return folder


def test_news_are_found_and_taken_and_changed_files_stay(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "extensions" / "mine"
    assert standing(mine).sentence == "up to date"
    (source / "other.txt").write_text("x", encoding="utf-8")
    newest = commit(source, "two")
    assert (standing(mine).behind, standing(mine).sentence) == (1, "1 new commit")
    (mine / "notes.txt").write_text("mine", encoding="utf-8")
    assert newest[:8] in update(mine) and git(mine, "rev-parse", "HEAD") == newest
    assert (mine / "notes.txt").exists() and "is up to date" in update(mine)


def test_commits_of_its_own_are_not_lost(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "extensions" / "mine"
    own = commit(mine, "my own")
    commit(source, "two")
    assert standing(mine).sentence == "1 new commit, 1 of its own"
    with pytest.raises(GitError, match="commits of its own"):
        update(mine)
    assert git(mine, "rev-parse", "HEAD") == own


def test_what_cannot_be_asked_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "extensions" / "by-hand").mkdir()
    assert "no git repository" in standing(tmp_path / "extensions" / "by-hand").sentence
    source.rename(tmp_path / "gone")
    assert "names no origin" in standing(tmp_path / "gone").sentence
    assert "git fetch failed" in standing(tmp_path / "extensions" / "mine").sentence


def test_every_refusal_ends_with_what_to_do(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, said = tmp_path / "extensions" / "mine", []
    for program in (str(tmp_path), str(tmp_path / "nothing")):          # a folder cannot be started
        monkeypatch.setenv("GIT", program)
        with pytest.raises(GitError) as refused:
            update(mine)
        said.append(str(refused.value))
    monkeypatch.delenv("GIT")
    with pytest.raises(GitError) as refused:
        go_to(mine, "no commit at all")
    said.append(str(refused.value))
    assert "could not be started: Permission denied. Install git anew" in said[0] and "not installed, so nothing is known about updates. Install git." in said[1]
    assert "is no commit. Choose another saved config" in said[2]


def test_what_a_git_that_was_killed_left_is_named(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "extensions" / "mine"
    commit(source, "two")
    lock = mine / ".git" / "index.lock"
    lock.write_text("", encoding="utf-8")
    with pytest.raises(GitError) as refused:
        update(mine)
    assert str(lock) in refused.value.message and "delete that file" in str(refused.value)
    lock.unlink()
    (source / "new.txt").write_text("whole", encoding="utf-8")
    commit(source, "three")
    (mine / "new.txt").write_text("wh", encoding="utf-8")
    with pytest.raises(GitError, match=r"new\.txt"):
        update(mine)
    (mine / "new.txt").unlink()
    assert "was updated" in update(mine)


def test_a_state_is_saved_and_gone_back_to(source: Path, tmp_path: Path) -> None:
    folder, mine = tmp_path / "config_states", tmp_path / "extensions" / "mine"
    first = git(mine, "rev-parse", "HEAD")
    saved = save_state(folder, "before the update", find_extensions(tmp_path / "extensions", Switches()), disabled=["mine"], program={})
    assert saved.name.endswith("_before_the_update.json")
    commit(source, "two")
    update(mine)
    (tmp_path / "extensions" / "newcomer").mkdir()
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (state,) = saved_states(folder)
    off, told = restore(state, find_extensions(tmp_path / "extensions", Switches()))
    assert sorted(off) == ["mine", "newcomer"] and git(mine, "rev-parse", "HEAD") == first
    assert any("newcomer was not there" in each for each in told) and any(first[:8] in each for each in told)
    assert standing(mine).behind == 1 and "updated" in update(mine) and git(mine, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue):
        save_state(tmp_path, "a\nb", (), disabled=(), program={})
