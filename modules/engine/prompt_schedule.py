"""Prompts that change while sampling: ``[from:to:when]``, ``[a|b]``, and parts joined by ``AND``.

Special: where A1111's grammar is ambiguous its answer depends on the hash seed of the process; here a bracket that can
be read as editing or alternation always is. What its grammar refuses (``|`` outside brackets) stays literal text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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
    tree = _parse(prompt)
    if tree is None:
        return (ScheduledText(timeline.steps, prompt),)
    return tuple(ScheduledText(step, _render(tree, step, timeline)) for step in sorted(_boundaries(tree, timeline)))


class _Kind(Enum):
    TEXT = "text"               # brackets that only weigh: their text as written
    EDITING = "editing"         # [before:after:when]
    ALTERNATION = "alternation" # [a|b|c]


@dataclass(frozen=True)
class _Group:
    """Part of a prompt with inner parts; a text is its own leaf. Nested rather than joined, so that depth costs nothing."""

    kind: _Kind
    branches: list[list[str | _Group]]
    when: str = ""


@dataclass
class _OpenBracket:
    """A bracket not closed yet. separators: ``:`` and ``|`` in it; content: what stands between them."""

    kind: str
    separators: list[str] = field(default_factory=list)
    content: list[list[str | _Group]] = field(default_factory=lambda: [[]])


def _parse(prompt: str) -> list[str | _Group] | None:
    """The prompt as texts and groups; None for a prompt that A1111's grammar refuses."""
    top: list[str | _Group] = []
    stack: list[_OpenBracket] = []
    end = 0
    for match in _TOKEN.finditer(prompt):
        if match.start() != end:
            return None                     # a backslash before a line break
        token, end = match[0], match.end()
        if token in "([":
            stack.append(_OpenBracket(token))
        elif not stack:
            if token == "|":
                return None
            top.append(token)
        elif token in ":|":
            stack[-1].separators.append(token)
            stack[-1].content.append([])
        elif token in ")]":
            closed = _close(stack[-1], token)
            if closed is None:              # no bracket around this one can be read as a group either
                top += [*_as_literal(stack), token]
                if any("|" in bracket.separators for bracket in stack):
                    return None
                stack.clear()
            else:
                stack.pop()
                target = stack[-1].content[-1] if stack else top
                target += closed
        else:
            stack[-1].content[-1].append(token)
    if end != len(prompt) or any("|" in bracket.separators for bracket in stack):
        return None
    return top + _as_literal(stack)


def _close(bracket: _OpenBracket, token: str) -> list[str | _Group] | None:
    """What a closed bracket stands for: a group, or for mere attention its own text; None when it is neither."""
    if bracket.kind != _CLOSES[token]:
        return None
    separators = set(bracket.separators)
    if not separators or (bracket.kind == "(" and bracket.separators == [":"]):
        return [_Group(_Kind.TEXT, [[*_as_literal([bracket]), token]])]
    if bracket.kind == "(":
        return None
    if separators == {"|"}:
        return [_Group(_Kind.ALTERNATION, bracket.content)]
    *branches, last = bracket.content
    number = "".join(piece if isinstance(piece, str) else "?" for piece in last)
    when = _WHEN.fullmatch(number)
    if "|" in separators or len(branches) > 2 or when is None:
        return None
    return [_Group(_Kind.EDITING, branches if len(branches) == 2 else [[], *branches], when[1])]


def _as_literal(stack: Iterable[_OpenBracket]) -> list[str | _Group]:
    """Open brackets as the text they were written as; groups inside them stay groups."""
    pieces: list[str | _Group] = []
    for bracket in stack:
        for mark, content in zip([bracket.kind, *bracket.separators], bracket.content):
            pieces += [mark, *content]
    return pieces


def _boundaries(tree: list[str | _Group], timeline: Timeline) -> set[int]:
    steps = {timeline.steps}

    def visit(group: _Group) -> list[list[str | _Group]]:
        if group.kind is _Kind.ALTERNATION:
            steps.update(range(1, timeline.steps + 1))
        elif group.kind is _Kind.EDITING and (step := timeline.step_of(group.when)):
            steps.add(step)
        return group.branches

    for _ in _walk(tree, visit):
        pass
    return steps


def _render(tree: list[str | _Group], step: int, timeline: Timeline) -> str:
    """The text at ``step``, counted from 1."""

    def visit(group: _Group) -> list[list[str | _Group]]:
        if group.kind is _Kind.EDITING:
            return [group.branches[0 if step <= timeline.step_of(group.when) else 1]]
        return [group.branches[(step - 1) % len(group.branches)]]   # a text has one branch

    return "".join(_walk(tree, visit))


def _walk(tree: list[str | _Group], visit: Callable[[_Group], list[list[str | _Group]]]) -> Iterable[str]:
    """The texts of a tree in order, going into the branches that ``visit`` gives; no recursion, however deep."""
    waiting = [iter(tree)]
    while waiting:
        piece = next(waiting[-1], None)
        if piece is None:
            waiting.pop()
        elif isinstance(piece, str):
            yield piece
        else:
            waiting += [iter(branch) for branch in reversed(visit(piece))]
