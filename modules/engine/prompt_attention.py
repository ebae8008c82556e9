"""Attention in prompts: ``(more)``, ``[less]``, ``(exactly:1.3)``, ``\\(`` for a plain bracket, ``BREAK``.

Special: brackets need not balance. Round and square ones are matched apart, an unclosed one lasts to the end,
and a weight multiplies in the order in which brackets close, so equal weights are equal floats.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

ROUND_MULTIPLIER = 1.1
SQUARE_MULTIPLIER = 1 / 1.1

# Exact multiplication costs (pieces x nesting). No prompt written by a person comes near this many.
_EXACT_PRODUCTS = 100_000

_TOKEN = re.compile(
    r"""\\[()\[\]\\]?                       # escaped character; a lone backslash vanishes
      | [(\[]
      | :\s*+([+-]?[.\d]++)\s*+\) # closes a round bracket with a weight
      | [)\]]
      | [^\\()\[\]:]+
      | :""",
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")
LARGEST_WEIGHT = 1e30           # of a stretch; products and sums of it stay below float32's 3e38


class WeightedText(NamedTuple):
    """A stretch of prompt and the factor on its text encoder output (1.0 = as it is)."""

    text: str
    weight: float

    @property
    def is_break(self) -> bool:
        """True for the word BREAK outside brackets; inside ``(a BREAK b)`` its weight is not -1 and it is a word, as in A1111."""
        return self.text == "BREAK" and self.weight == -1


def parse_attention(prompt: str) -> list[WeightedText]:
    """Split a prompt into stretches of equal weight; never empty, any text is accepted, linear time.

    Neighbours of equal weight are joined, so that ``(foo)(bar)`` is tokenised as one word.
    """
    texts: list[str] = []
    weights: list[float] = []
    ranges = _Ranges([], [], [])
    open_round: list[int] = []
    open_square: list[int] = []
    for match in _TOKEN.finditer(prompt):
        token = match[0]
        kind = token[0]
        if kind == "(":
            open_round.append(len(texts))
        elif kind == "[":
            open_square.append(len(texts))
        elif kind == ")" and open_round:
            ranges.add(open_round.pop(), len(texts), ROUND_MULTIPLIER)
        elif kind == "]" and open_square:
            ranges.add(open_square.pop(), len(texts), SQUARE_MULTIPLIER)
        elif kind == ":" and open_round and (weight := _as_weight(match[1])) is not None:
            ranges.add(open_round.pop(), len(texts), weight)
        elif "BREAK" in token:
            for text, weight in _split_at_breaks(token):
                texts.append(text)
                weights.append(weight)
        else:
            texts.append(token[1:] if kind == "\\" else token)
            weights.append(1.0)
    for start in open_round:
        ranges.add(start, len(texts), ROUND_MULTIPLIER)
    for start in open_square:
        ranges.add(start, len(texts), SQUARE_MULTIPLIER)
    return _joined(texts, [_bounded(weight) for weight in _multiplied(weights, ranges)])


def _bounded(weight: float) -> float:
    """Thousands of brackets multiply to infinity, and no model gives a picture for that."""
    return max(-LARGEST_WEIGHT, min(LARGEST_WEIGHT, weight)) if weight == weight else 0.0


class _Ranges(NamedTuple):
    """Pieces ``starts[i]`` to ``ends[i]`` (exclusive) get multiplied by ``factors[i]``, in this order."""

    starts: list[int]
    ends: list[int]
    factors: list[float]

    def add(self, start: int, end: int, factor: float) -> None:
        self.starts.append(start)
        self.ends.append(end)
        self.factors.append(factor)


def _as_weight(text: str | None) -> float | None:
    """The number in ``:1.3)``; None where the digits and dots are none, such as ``:1.2.3)``."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _split_at_breaks(text: str) -> list[WeightedText]:
    """``a BREAK b`` as three pieces; BREAK takes the blanks around it."""
    parts = _BREAK.split(text)
    found: list[WeightedText] = []
    for number, part in enumerate(parts):
        if number:
            found.append(WeightedText("BREAK", -1))
            part = part.lstrip()
        found.append(WeightedText(part.rstrip() if number < len(parts) - 1 else part, 1.0))
    return found


def _multiplied(weights: list[float], ranges: _Ranges) -> list[float]:
    if sum(ranges.ends) - sum(ranges.starts) > _EXACT_PRODUCTS:
        return _multiplied_by_logarithms(weights, ranges)
    for start, end, factor in zip(*ranges):
        for index in range(start, end):
            weights[index] *= factor
    return weights


def _multiplied_by_logarithms(weights: list[float], ranges: _Ranges) -> list[float]:
    """The same products to 12 digits in linear time, for thousands of nested brackets."""
    size = len(weights) + 1
    logarithms, zeros, signs = [0.0] * size, [0] * size, [0] * size
    for start, end, factor in zip(*ranges):
        if factor == 0:
            zeros[start] += 1
            zeros[end] -= 1
            continue
        logarithm = math.log(abs(factor))
        logarithms[start] += logarithm
        logarithms[end] -= logarithm
        if factor < 0:
            signs[start] += 1
            signs[end] -= 1
    exponent, zero, sign = 0.0, 0, 0
    for index, weight in enumerate(weights):
        exponent, zero, sign = exponent + logarithms[index], zero + zeros[index], sign + signs[index]
        product = 0.0 if zero else math.exp(min(round(exponent, 12), 700.0))    # exp(710) overflows
        weights[index] = weight * (-product if sign % 2 else product)
    return weights


def _joined(texts: list[str], weights: list[float]) -> list[WeightedText]:
    """Join neighbours of equal weight; an empty prompt is one empty stretch."""
    joined: list[WeightedText] = []
    start = 0
    for index in range(1, len(texts) + 1):
        if index == len(texts) or weights[index] != weights[start]:
            joined.append(WeightedText("".join(texts[start:index]), weights[start]))
            start = index
    return joined or [WeightedText("", 1.0)]
