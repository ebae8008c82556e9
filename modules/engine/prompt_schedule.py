"""Prompts that change while sampling: ``[from:to:when]``, ``[a|b]``, and parts joined by ``AND``.

Special: where A1111's grammar is ambiguous its answer depends on the hash seed of the process; here a bracket that can
be read as editing or alternation always is. What its grammar refuses (``|`` outside brackets) stays literal text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))")
_TOKEN = re.compile(r"[][():|]|(?:[^\\\[\]():|]+|\\.)+")
_WHEN = re.compile(r"\s*([-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_OPENS = {")": "(", "]": "["}


class PromptPart(NamedTuple):
    """One of the prompts joined by AND, and its factor in guidance (may be negative)."""

    text: str
    weight: float


class ScheduledText(NamedTuple):
    """``text`` is used up to and including step ``until``."""

    until: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """How the N of ``[a:b:N]`` becomes a step of one pass.

    steps: what the pass counts: denoiser calls, so twice the sampling steps for a second-order sampler.
    steps_before: those of the first pass, when this is the hires pass: whole numbers go on counting after them,
        fractions run from 1.0 to 2.0.
    old: as before A1111 1.6: below 1 is a fraction, anything else a step.
    """

    steps: int
    steps_before: int | None = None
    old: bool = False

    def step_of(self, number: str) -> int:
        """The last step of the text before; 0 means that it never shows."""
        value = float(number)
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in number:
            value = (value - (self.steps_before is not None)) * self.steps
        else:
            value -= self.steps_before or 0
        return int(max(min(value, self.steps), 0))


def pass_timeline(steps: int, hires_steps: int | None = None, *, old: bool = False) -> Timeline:
    """The timeline of the first pass, or of the hires pass when ``hires_steps`` is given.

    The old rules know no second pass: it has the boundaries of the first.
    """
    if hires_steps is None or old:
        return Timeline(steps=steps, old=old)
    return Timeline(steps=hires_steps, steps_before=steps)


def split_and(prompt: str) -> list[PromptPart]:
    """``a cat :1.2 AND snow :-0.4`` as parts with weights; a weight counts without AND as well, as in A1111."""
    return [_part(text) for text in _AND.split(prompt)]


def _part(text: str) -> PromptPart:
    before, colon, after = text.rpartition(":")
    weight = _PART_WEIGHT.fullmatch(after.rstrip()) if colon else None
    if weight is None:
        return PromptPart(text.rstrip(), 1.0)
    return PromptPart(before.rstrip(), float(weight[1]))


def schedule_prompt(prompt: str, timeline: Timeline) -> tuple[ScheduledText, ...]:
    """The texts of one AND part in the order of their steps; the last one lasts until ``timeline.steps``."""
    reader = _Reader(timeline)
    if "[" not in prompt or "]" not in prompt or not reader.read(prompt):
        return (ScheduledText(timeline.steps, prompt),)
    texts: dict[object, str] = {}
    schedule: list[ScheduledText] = []
    for step in reader.boundaries():
        state = reader.state_at(step)
        if state not in texts:
            texts[state] = reader.text_at(step)
        schedule.append(ScheduledText(step, texts[state]))
    return tuple(schedule)


class _Group(NamedTuple):
    """A bracket whose text changes. places: of ``[``, each ``:`` or ``|``, and ``]`` among the pieces.

    until: of ``[a:b:N]`` the last step of a; None for an alternation.
    """

    places: tuple[int, ...]
    until: int | None

    def branch_at(self, step: int) -> tuple[int, int]:
        """The pieces (first, one past the last) that show at ``step``."""
        places = self.places
        if self.until is None:
            branch = (step - 1) % (len(places) - 1)
        elif step > self.until:
            branch = len(places) - 3
        elif len(places) == 4:
            branch = 0
        else:
            return 0, 0                     # [b:N] shows nothing before
        return places[branch] + 1, places[branch + 1]


class _Reader:
    """Reads one prompt into flat pieces, and says what it is at each step. Nothing is nested, so that depth costs nothing."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._pieces: list[str] = []
        self._groups: dict[int, _Group] = {}        # by the place of their opening bracket
        self._ends: set[int] = set()                # last steps of texts that give way to others
        self._period = 0                            # of all alternations together; 0 without any

    def boundaries(self) -> list[int]:
        steps = self._timeline.steps
        return list(range(1, steps + 1)) if self._period else sorted({*self._ends, steps})

    def state_at(self, step: int) -> tuple[int, int]:
        """Equal for steps with the same text."""
        return sum(end < step for end in self._ends), step % self._period if self._period else 0

    def text_at(self, step: int) -> str:
        """The text at ``step``, counted from 1."""
        texts: list[str] = []
        pieces, groups = self._pieces, self._groups
        place, end = 0, len(pieces)
        resume: list[tuple[int, int]] = []
        while place < end or resume:
            if place == end:
                place, end = resume.pop()
            elif place in groups:
                group = groups[place]
                resume.append((group.places[-1] + 1, end))
                place, end = group.branch_at(step)
            else:
                texts.append(pieces[place])
                place += 1
        return "".join(texts)

    def read(self, prompt: str) -> bool:
        """Whether A1111's grammar takes the prompt.

        Brackets that only weigh stay texts. A bracket that cannot be closed makes all brackets around it texts.
        """
        pieces = self._pieces
        opened: list[int] = []              # places of brackets not closed yet
        marks: list[int] = []               # and of the ``:`` and ``|`` inside them
        end = 0
        for match in _TOKEN.finditer(prompt):
            if match.start() != end:
                return False                # a backslash before a line break
            token, end = match[0], match.end()
            if token == "[" or token == "(":
                opened.append(len(pieces))
            elif token == ":" or token == "|":
                marks.append(len(pieces))
            pieces.append(token)
            if (token == "]" or token == ")") and opened:
                first_mark = len(marks)
                while first_mark and marks[first_mark - 1] > opened[-1]:
                    first_mark -= 1
                if self._close(opened[-1], marks[first_mark:], token):
                    opened.pop()
                    del marks[first_mark:]
                else:
                    opened.clear()
            if marks and not opened:
                if any(pieces[mark] == "|" for mark in marks):
                    return False
                marks.clear()
        return end == len(prompt) and not any(pieces[mark] == "|" for mark in marks)

    def _close(self, start: int, marks: list[int], token: str) -> bool:
        """Whether ``token``, just read, closes the bracket at ``start``: as mere weight, or as a group, which is noted."""
        pieces, close = self._pieces, len(self._pieces) - 1
        if pieces[start] != _OPENS[token]:
            return False
        kinds = {pieces[mark] for mark in marks}
        if not marks or (token == ")" and kinds == {":"} and len(marks) == 1):
            return True
        if token == ")" or len(kinds) == 2 or (":" in kinds and len(marks) > 2):
            return False
        if kinds == {"|"}:
            # a period longer than the pass never comes round
            self._period = min(math.lcm(self._period or 1, len(marks) + 1), self._timeline.steps)
            self._groups[start] = _Group((start, *marks, close), None)
            return True
        when = _WHEN.fullmatch(pieces[close - 1]) if marks[-1] == close - 2 else None
        if when is None:
            return False
        until = self._timeline.step_of(when[1])
        if until:
            self._ends.add(until)
        self._groups[start] = _Group((start, *marks, close), until)
        return True
