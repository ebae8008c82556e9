"""A clone goes to another commit as a whole, or stays as it was to the last file: also where the disk is full, or git was killed midway."""
from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from modules.files.git_command import GitError, git, git_bytes

_LOCK_SECONDS = 10                      # how old a lock must be before it counts as one of a git that is dead


def advance(folder: Path, goal: str) -> None:
    """To a commit ahead. What was changed by hand stays changed. Raises GitError: all is as it was then, what was changed by hand too."""
    _move(folder, goal, "merge", "--quiet", "--ff-only", goal)


def set_branch(folder: Path, goal: str) -> None:
    """As ``advance``, wherever the commit is: the branch that is checked out stands there afterwards."""
    _move(folder, goal, "reset", "--quiet", "--keep", goal)


def _move(folder: Path, goal: str, *words: str) -> None:
    before = git(folder, "rev-parse", "HEAD")
    changed = _names(git(folder, "diff", "--name-only", "-z", "HEAD"))
    in_the_way = {name for name in _differing(folder, before, goal, "--diff-filter=A") if (folder / name).exists()}
    try:
        git(folder, *words)
        return
    except GitError:
        undo_half(folder, before, goal, spared=changed | in_the_way)
        if in_the_way or not changed.intersection(_differing(folder, before, goal)):
            raise
    git(folder, "stash", "push", "--quiet")         # changed by hand and between the commits: perhaps in different lines
    try:
        git(folder, *words)
        git(folder, "stash", "pop", "--quiet")
    except GitError as error:
        clashing = sorted(_names(git(folder, "diff", "--name-only", "-z", "--diff-filter=U")))
        git(folder, "reset", "--quiet", "--hard", before)
        undo_half(folder, before, goal)             # files that are new there are none of git's here
        git(folder, "stash", "pop", "--quiet")
        if not clashing:
            raise
        raise GitError(f"{folder.name}: {', '.join(clashing[:5])} was changed by hand in the very lines that differ there",
                       f"Put what you changed aside, by `git stash` in {folder}, and try again.") from error


def undo_half(folder: Path, before: str, goal: str, *, spared: Collection[str] = ()) -> None:
    """Files that a git which did not come to its end has brought to ``goal`` already are as at ``before`` again; others are left alone. Raises GitError."""
    for name in sorted(_differing(folder, before, goal).difference(spared)):
        there, was, comes = _on_disk(folder / name), _at(folder, before, name), _at(folder, goal, name)
        if there == was or not (comes or b"").startswith(there or b""):
            continue                    # as it was, or of the user's own making
        if was is not None:
            git(folder, "checkout", "--quiet", before, "--", name)
        else:
            (folder / name).unlink(missing_ok=True)


def drop_dead_lock(folder: Path) -> None:
    """What a git that was killed left behind, which keeps every later one from its work; a git that is alive is waited for."""
    lock = folder / ".git" / "index.lock"
    try:
        while time.time() - lock.stat().st_mtime < _LOCK_SECONDS:
            time.sleep(0.2)
        lock.unlink()
    except OSError:
        return


def _differing(folder: Path, before: str, goal: str, *words: str) -> set[str]:
    return _names(git(folder, "diff", "--name-only", "-z", "--no-renames", *words, before, goal))


def _names(listed: str) -> set[str]:
    return set(filter(None, listed.split("\0")))


def _on_disk(path: Path) -> bytes | None:
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")       # git for Windows writes lines so
    except OSError:
        return None


def _at(folder: Path, commit: str, name: str) -> bytes | None:
    try:
        return git_bytes(folder, "show", f"{commit}:{name}").replace(b"\r\n", b"\n")
    except GitError:
        return None
