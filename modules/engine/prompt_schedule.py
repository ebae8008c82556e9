"""Prompts that change while sampling: ``[from:to:when]``, ``[a|b]``, and parts joined by ``AND``.

Special: where A1111's grammar is ambiguous its answer depends on the hash seed of the process; here a bracket that can
be read as editing or alternation always is. What its grammar refuses (``|`` outside brackets) stays literal text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))")
_TOKEN = re.compile(r"[][():|]|(?:[^\\\[\]():|]+|\\.)+")
_WHEN = re.compile(r"\s*([-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_CLOSES = {")": "(", "]": "["}


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
    tree = reader.read(prompt) if "[" in prompt and "]" in prompt else None
    if tree is None:
        return (ScheduledText(timeline.steps, prompt),)
    texts: dict[object, str] = {}
    schedule: list[ScheduledText] = []
    for step in reader.boundaries():
        state = reader.state_at(step)
        if state not in texts:
            texts[state] = _render(tree, step)
        schedule.append(ScheduledText(step, texts[state]))
    return tuple(schedule)


class _Kind(Enum):
    TEXT = "text"               # brackets that only weigh: their text as written
    EDITING = "editing"         # [before:after:when]
    ALTERNATION = "alternation" # [a|b|c]


class _Group(NamedTuple):
    """Part of a prompt with inner parts; a text is its own leaf. Nested rather than joined, so that depth costs nothing.

    until: of an editing, the last step of its first branch.
    """

    kind: _Kind
    branches: list[list[str | _Group]]
    until: int = 0


_Tree = list[str | _Group]


class _Bracket(NamedTuple):
    """A bracket not closed yet. separators: ``:`` and ``|`` in it; content: what stands between them."""

    kind: str
    separators: list[str]
    content: list[_Tree]


class _Reader:
    """Reads one prompt. Afterwards it knows when the text changes: where editings end, and how alternations repeat."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ends: set[int] = set()
        self._period = 0            # of all alternations together; 0 without any

    def boundaries(self) -> list[int]:
        steps = self._timeline.steps
        return list(range(1, steps + 1)) if self._period else sorted({*self._ends, steps})

    def state_at(self, step: int) -> tuple[int, int]:
        """Equal for steps with the same text."""
        return sum(end < step for end in self._ends), step % self._period if self._period else 0

    def read(self, prompt: str) -> _Tree | None:
        """The prompt as texts and groups; None for a prompt that A1111's grammar refuses."""
        top: _Tree = []
        stack: list[_Bracket] = []
        end = 0
        for match in _TOKEN.finditer(prompt):
            if match.start() != end:
                return None                     # a backslash before a line break
            token, end = match[0], match.end()
            if token == "[" or token == "(":
                stack.append(_Bracket(token, [], [[]]))
            elif not stack:
                if token == "|":
                    return None
                top.append(token)
            elif token == ":" or token == "|":
                stack[-1].separators.append(token)
                stack[-1].content.append([])
            elif token != "]" and token != ")":
                stack[-1].content[-1].append(token)
            elif group := self._group(stack[-1], token):
                stack.pop()
                (stack[-1].content[-1] if stack else top).append(group)
            elif any("|" in bracket.separators for bracket in stack):
                return None
            else:                               # no bracket around this one can be read as a group either
                top += [*_as_literal(stack), token]
                stack.clear()
        if end != len(prompt) or any("|" in bracket.separators for bracket in stack):
            return None
        return top + _as_literal(stack)

    def _group(self, bracket: _Bracket, token: str) -> _Group | None:
        """What a closed bracket stands for: editing, alternation, or mere attention; None when it is nothing of these."""
        kind, separators, content = bracket
        if kind != _CLOSES[token]:
            return None
        if not separators or (kind == "(" and separators == [":"]):
            return _Group(_Kind.TEXT, [[*_as_literal([bracket]), token]])
        if kind == "(":
            return None
        if ":" not in separators:
            # a period longer than the pass never comes round
            self._period = min(math.lcm(self._period or 1, len(content)), self._timeline.steps)
            return _Group(_Kind.ALTERNATION, content)
        if len(separators) > 2 or "|" in separators or len(content[-1]) != 1 or not isinstance(number := content[-1][0], str):
            return None
        when = _WHEN.fullmatch(number)
        if when is None:
            return None
        until = self._timeline.step_of(when[1])
        if until:
            self._ends.add(until)
        return _Group(_Kind.EDITING, [content[0], content[1]] if len(content) == 3 else [[], content[0]], until)


def _as_literal(stack: Iterable[_Bracket]) -> _Tree:
    """Open brackets as the text they were written as; groups inside them stay groups."""
    pieces: _Tree = []
    for bracket in stack:
        for mark, content in zip([bracket.kind, *bracket.separators], bracket.content):
            pieces += [mark, *content]
    return pieces


def _render(tree: _Tree, step: int) -> str:
    """The text at ``step``, counted from 1; no recursion, however deep."""
    texts: list[str] = []
    waiting = [iter(tree)]
    while waiting:
        for piece in waiting[-1]:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            if piece.kind is _Kind.EDITING:
                branch = 0 if step <= piece.until else 1
            else:
                branch = (step - 1) % len(piece.branches)   # a text has one branch
            waiting.append(iter(piece.branches[branch]))
            break
        else:
            waiting.pop()
    return "".join(texts)
