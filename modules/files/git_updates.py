"""Whether newer commits are to be had for a folder that is a git clone, and fetching them. Only when somebody asks: nothing here runs by itself."""
from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from modules.files.git_facts import git_facts

SECONDS = 120                           # for one question to a server


class GitError(Exception):
    """git could not do it: what happened (``message``, without a full stop) and what to do about it. ``str()`` gives both, as sentences."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message.rstrip(".")          # git's own complaints have one now and then
        super().__init__(f"{self.message}. {remedy}")


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
    _git(folder, "merge", "--quiet", "--ff-only", "--autostash", goal)
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
    _git(folder, "reset", "--quiet", "--keep", commit)


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


def _git(folder: Path, *words: str) -> str:
    command = [os.environ.get("GIT", "git"), "-C", str(folder), "-c", "core.fsmonitor=false", "-c", f"safe.directory={folder}", *words]
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise GitError("git is not installed, so nothing is known about updates", "Install git.") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"{folder.name}: git {words[0]} gave no answer within {SECONDS} seconds", "Try again.") from None
    except OSError as error:
        raise GitError(f"{folder.name}: git could not be started: {error.strerror}", "Install git anew, or name a working one in the variable GIT.") from None
    if done.returncode != 0:
        said = _said(done.stderr)
        raise GitError(f"{folder.name}: git {words[0]} failed: {said}", _remedy(words[0], said, folder))
    return done.stdout.strip()


def _said(stderr: str) -> str:
    """From git's first complaint on: its last line is advice, or that it stops."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if line.startswith(("fatal:", "error:"))), max(0, len(lines) - 1))
    told = lines[first : first + 3]
    if told and ".lock'" in told[0]:
        del told[1:]                # what follows guesses at editors
    return " ".join(told).removeprefix("fatal: ").removeprefix("error: ")[:300] or "no answer"


def _remedy(command: str, said: str, folder: Path) -> str:
    if ".lock'" in said:            # left by a git that was ended: a power cut, kill -9
        return "If no other git is at work there, delete that file and try again."
    if command in ("fetch", "submodule"):
        return "Look whether this machine reaches its server."
    return f"Look into {folder}."
