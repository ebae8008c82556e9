"""What prompts add to the texts of a job's pictures, gathered as A1111 gathers it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

EMPHASIS, EMBEDDINGS = "Emphasis", "TI hashes"
OLD_TIMELINES = "Old prompt editing timelines"


class PromptNotes:
    """Embeddings are named each time a prompt that holds them is read, the latest first.

    What is read again unchanged, as in most jobs of several batches, is not named again.
    facts: infotext key -> value.
    """

    def __init__(self) -> None:
        self.facts: dict[str, object] = {}
        self._read: dict[str, Hashable] = {}
        self._listens = True

    @contextmanager
    def reading(self, what: str, prompts: Hashable) -> Iterator[None]:
        """The prompts of one kind (``what``: positive or negative, of which pass), with all that their reading depends on."""
        self._listens = self._read.get(what) != prompts
        yield
        self._read[what], self._listens = prompts, True

    def emphasis(self, name: str) -> None:
        if self._listens:
            self.facts[EMPHASIS] = name

    def embeddings(self, hashes: Sequence[str]) -> None:
        """``name: hash`` of each embedding in one prompt."""
        if self._listens and hashes:
            before = self.facts.get(EMBEDDINGS)
            self.facts[EMBEDDINGS] = ", ".join([*hashes, str(before)] if before else hashes)
