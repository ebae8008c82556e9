"""Another version of the program: fetched before a start, kept once a start of it comes up, and left again when it does not."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from modules.files.atomic import write_json
from modules.files.git_advance import drop_dead_lock, undo_half
from modules.files.git_updates import GitError, head, newest, set_back, standing, update
from modules.files.storage import StorageError

NEWEST = "newest"
_MOST_FAILED = 20


@dataclass(frozen=True, kw_only=True)
class Book:
    """What is known of it from start to start; commits by their whole names.

    wanted: what the next start is to go to, a commit or NEWEST. before, after: on trial, until a start comes up; noted before git begins, which may be
    killed. began: a start of it was begun.
    last: where the program stood before the last change that came up. failed: those that did not come up. told: what the page says once.
    """

    wanted: str = ""
    before: str = ""
    after: str = ""
    began: bool = False
    last: str = ""
    failed: tuple[str, ...] = ()
    told: str = ""


class NewVersion:
    """root: the program's folder, a git clone. data: the user's, where the note is kept."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root, self._file = root, data / "cache" / "launch" / "new_version.json"

    @property
    def book(self) -> Book:
        """A note that is not there, or is damaged, is an empty one; what a newer version wrote into it, which was left again, is passed over."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            found = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
        except (OSError, ValueError, AttributeError):
            return Book()
        return Book(**{name: found[name] for name, empty in asdict(Book()).items() if type(found.get(name)) is type(empty)})

    def wish(self, target: str) -> None:
        """The next start goes to ``target``, a commit or NEWEST. Raises StorageError."""
        write_json(self._file, asdict(replace(self.book, wanted=target)))

    def settle(self, *, asked: bool, say: Callable[[str], None]) -> bool:
        """Before a start. asked: for the newest, by the command line. Whether the program's files are others now, so that it must be begun anew."""
        book = self.book
        if book.after and book.began:
            return self._go_back("its start ended before the page was there", say)
        if book.after:
            return self._bring_to_end(book, say)
        target = book.wanted or (NEWEST if asked else "")
        if not target:
            return False
        self._note(replace(book, wanted=""))
        try:
            return self._go_on(target, say, is_wished=bool(book.wanted))
        except GitError as error:
            say(f"The program stays as it is: {error}")
            return False

    def begins(self) -> None:
        """All is installed; from here on an end without a page speaks against the version on trial."""
        book = self.book
        if book.after:
            self._note(replace(book, began=True))

    def came_up(self) -> None:
        """The start serves: what was on trial is kept."""
        book = self.book
        if book.after:
            self._note(replace(book, before="", after="", began=False, last=book.before, failed=tuple(each for each in book.failed if each != book.after)))

    def ended(self, code: int, say: Callable[[str], None], *, by_user: bool = False) -> bool:
        """A start has ended with ``code``. Whether it was on trial, failed, and the program's files are the former ones again."""
        book = self.book
        if not book.after:
            return False
        if code == 0 or by_user:
            self._note(replace(book, began=False))      # nothing speaks against it: the next start tries it again
            return False
        return self._go_back(f"its start ended with code {code}", say)

    def take_told(self) -> str:
        """The sentence for the page, once."""
        book = self.book
        if book.told:
            self._note(replace(book, told=""))
        return book.told

    def news(self) -> str:
        """How the program stands to its newest version, in words; its server is asked."""
        found = standing(self.root)
        advice = " `python launch.py --update` brings them." if found.behind else ""
        return f"The program's own version: {found.sentence}.{advice}"

    def _go_on(self, target: str, say: Callable[[str], None], *, is_wished: bool) -> bool:
        """is_wished: a person chose it, this once; what did not start before is tried again then."""
        before = head(self.root)
        goal = newest(self.root) if target == NEWEST else target
        if not is_wished and goal in self.book.failed:
            say(f"The newest version, {goal[:8]}, did not start here before: the program stays at {before[:8]} until there is a newer one. "
                "Where a cause outside of it has gone since, such as no network, tick it on the Extensions tab.")
            return False
        if goal == before:
            say("The program is up to date." if target == NEWEST else f"The program is at {before[:8]} already.")
            return False
        try:
            write_json(self._file, asdict(replace(self.book, before=before, after=goal, began=False)))
        except StorageError as error:   # who cannot note what was before cannot come back to it
            say(f"The program stays as it is: {error}")
            return False
        try:
            if target == NEWEST:
                update(self.root)
            else:
                set_back(self.root, goal)
            after = head(self.root)
        except GitError:
            self._note(replace(self.book, before="", after=""))
            raise
        self._note(replace(self.book, after=after))
        say(f"The program goes from {before[:8]} to {after[:8]}. Should that not start, it comes back by itself.")
        return True

    def _bring_to_end(self, book: Book, say: Callable[[str], None]) -> bool:
        """What is on trial is begun. Where git was killed midway, its files are made whole before. Whether they are others now."""
        told = "Going to another version was broken off"
        try:
            drop_dead_lock(self.root)
            if head(self.root) != book.before:
                return False            # all files are there: git names the commit last
            undo_half(self.root, book.before, book.after)
        except GitError as error:
            say(f"{told}: {error.message}. Run `git reset --hard {book.before}` in {self.root}.")
            return False
        say(f"{told}: it is gone to once more.")
        self._note(replace(book, before="", after="", wanted=book.after))
        return True

    def _go_back(self, why: str, say: Callable[[str], None]) -> bool:
        book = self.book
        settled = replace(book, before="", after="", began=False, failed=(*book.failed, book.after)[-_MOST_FAILED:])
        try:
            set_back(self.root, book.before)
        except GitError as error:
            told = (f"The version {book.after[:8]} did not start ({why}), and {book.before[:8]} could not be brought back: {error.message}. "
                    f"Run `git reset --keep {book.before}` in {self.root}.")
            self._note(replace(settled, told=told))
            say(told)
            return False
        told = f"The version {book.after[:8]} did not start ({why}): the program went back to {book.before[:8]}. The console says more."
        self._note(replace(settled, told=told))
        say(told)
        return True

    def _note(self, book: Book) -> None:
        try:
            write_json(self._file, asdict(book))
        except StorageError:
            return  # a read-only folder: nothing is on trial then
