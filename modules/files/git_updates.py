"""Whether newer commits are to be had for a folder that is a git clone, and fetching them. Only when somebody asks: nothing here runs by itself."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modules.files.git_advance import advance, set_branch
from modules.files.git_command import GitError
from modules.files.git_command import git as _git
from modules.files.git_facts import git_facts

__all__ = ["GitError", "Standing", "go_to", "head", "newest", "set_back", "standing", "update"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a clone stands to where it came from: commits it lacks, commits of its own, changed files. problem: why nobody knows."""

    behind: int = 0
    ahead: int = 0
    is_changed: bool = False
    problem: str = ""

    @property
    def sentence(self) -> str:
        if self.problem:
            return self.problem
        own = [f"{self.ahead} of its own" if self.ahead else "", "changed files" if self.is_changed else ""]
        news = f"{self.behind} new commit{'' if self.behind == 1 else 's'}" if self.behind else "up to date"
        return ", ".join([news, *filter(None, own)])


def standing(folder: Path) -> Standing:
    """Asks its server. What goes wrong is said in the answer."""
    facts = git_facts(folder)
    if facts is None:
        is_one = (folder / ".git").exists()
        return Standing(problem="its git repository names no origin to get updates from" if is_one else "no git repository, so nobody knows where it came from: a newer one has to be unpacked over it")
    try:
        _git(folder, "fetch", "--quiet", "origin")
        counted = _git(folder, "rev-list", "--left-right", "--count", f"HEAD...{_goal(folder, facts.branch)}").split()
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except GitError as error:
        return Standing(problem=error.message)
    return Standing(ahead=int(counted[0]), behind=int(counted[1]), is_changed=bool(changed))


def update(folder: Path) -> str:
    """Go on to the newest commit; changed files stay as they are. Returns what happened, in words. Raises GitError."""
    facts = git_facts(folder)
    if facts is None:
        raise GitError(f"{folder.name} is no git repository, so it cannot be updated from here", "Replace its folder by a newer one.")
    _git(folder, "fetch", "--quiet", "origin")
    goal = _goal(folder, facts.branch)
    if int(_git(folder, "rev-list", "--count", f"{goal}..HEAD")):
        raise GitError(f"{folder.name} has commits of its own, which an update would lose", "Merge it by hand, with git, in its folder.")
    if facts.branch == "HEAD":                  # a single commit was gone back to: its branch goes on
        goal = _git(folder, "rev-parse", "--abbrev-ref", goal)
        _git(folder, "checkout", "--quiet", goal.removeprefix("origin/"))
    try:
        advance(folder, goal)
    except GitError:
        if facts.branch == "HEAD":
            _git(folder, "checkout", "--quiet", facts.commit)
        raise
    _bring_submodules(folder)
    now = _git(folder, "rev-parse", "--short=8", "HEAD")
    return f"{folder.name} was updated from {facts.commit[:8]} to {now}." if not facts.commit.startswith(now) else f"{folder.name} is up to date."


def go_to(folder: Path, commit: str) -> None:
    """Check out ``commit``, fetched if need be. Raises GitError; files that were changed by hand are not given up."""
    _have(folder, commit)
    _git(folder, "checkout", "--quiet", commit)
    _bring_submodules(folder)


def head(folder: Path) -> str:
    """The whole name of the commit that is checked out. Raises GitError."""
    return _git(folder, "rev-parse", "HEAD")


def newest(folder: Path) -> str:
    """The whole name of the commit that an update leads to; its server is asked. Raises GitError."""
    _git(folder, "fetch", "--quiet", "origin")
    return _git(folder, "rev-parse", _goal(folder, _git(folder, "rev-parse", "--abbrev-ref", "HEAD")))


def set_back(folder: Path, commit: str) -> None:
    """The branch that is checked out stands at ``commit`` again, fetched if need be. Raises GitError; what was changed by hand stays, or nothing happens."""
    _have(folder, commit)
    set_branch(folder, commit)


def _have(folder: Path, commit: str) -> None:
    if not commit or not all(letter in "0123456789abcdef" for letter in commit.lower()):
        raise GitError(f"{commit[:60]!r} is no commit", "Choose another saved config, or update to the newest version.")
    try:
        _git(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitError:
        _git(folder, "fetch", "--quiet", "origin")


def _bring_submodules(folder: Path) -> None:
    """Repositories inside this one, at the commits that it names."""
    if (folder / ".gitmodules").exists():
        _git(folder, "submodule", "--quiet", "update", "--init", "--recursive")


def _goal(folder: Path, branch: str) -> str:
    """Where an update leads: the server's side of the branch; its usual branch where a single commit is checked out."""
    for name in (f"origin/{branch}", "origin/HEAD", "origin/main", "origin/master"):
        try:
            _git(folder, "rev-parse", "--quiet", "--verify", name)
            return name
        except GitError:
            continue
    raise GitError(f"{folder.name}: its server has no branch that could be followed", f"Run `git checkout` with the name of a branch in {folder}.")
