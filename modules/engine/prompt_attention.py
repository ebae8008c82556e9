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


class WeightedText(NamedTuple):
    """A stretch of prompt and the factor on its text encoder output (1.0 = as it is)."""

    text: str
    weight: float

    @property
    def is_break(self) -> bool:
        """True for the word BREAK outside brackets; inside ``(a BREAK b)`` its weight is not -1 and it is a word, as in A1111."""
        return self.text == "BREAK" and self.weight == -1


class _Range(NamedTuple):
    """Pieces ``start`` to ``end`` (exclusive) get multiplied by ``factor``."""

    start: int
    end: int
    factor: float


def parse_attention(prompt: str) -> list[WeightedText]:
    """Split a prompt into stretches of equal weight; never empty, any text is accepted, linear time.

    Neighbours of equal weight are joined, so that ``(foo)(bar)`` is tokenised as one word.
    """
    pieces: list[WeightedText] = []
    ranges: list[_Range] = []
    open_round: list[int] = []
    open_square: list[int] = []
    for match in _TOKEN.finditer(prompt):
        token = match[0]
        kind = token[0]
        if kind == "(":
            open_round.append(len(pieces))
        elif kind == "[":
            open_square.append(len(pieces))
        elif kind == ")" and open_round:
            ranges.append(_Range(open_round.pop(), len(pieces), ROUND_MULTIPLIER))
        elif kind == "]" and open_square:
            ranges.append(_Range(open_square.pop(), len(pieces), SQUARE_MULTIPLIER))
        elif kind == ":" and open_round and (weight := _as_weight(match[1])) is not None:
            ranges.append(_Range(open_round.pop(), len(pieces), weight))
        elif kind == "\\":
            pieces.append(WeightedText(token[1:], 1.0))
        elif "BREAK" in token:
            pieces += _split_at_breaks(token)
        else:
            pieces.append(WeightedText(token, 1.0))
    ranges += [_Range(start, len(pieces), ROUND_MULTIPLIER) for start in open_round]
    ranges += [_Range(start, len(pieces), SQUARE_MULTIPLIER) for start in open_square]
    return _joined(pieces, _multiplied([piece.weight for piece in pieces], ranges))


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


def _multiplied(weights: list[float], ranges: list[_Range]) -> list[float]:
    if sum(end - start for start, end, _ in ranges) > _EXACT_PRODUCTS:
        return _multiplied_by_logarithms(weights, ranges)
    for start, end, factor in ranges:
        for index in range(start, end):
            weights[index] *= factor
    return weights


def _multiplied_by_logarithms(weights: list[float], ranges: list[_Range]) -> list[float]:
    """The same products to 12 digits in linear time, for thousands of nested brackets."""
    size = len(weights) + 1
    logarithm, zeros, signs = [0.0] * size, [0] * size, [0] * size
    for start, end, factor in ranges:
        for index, sign in ((start, 1), (end, -1)):
            if factor:
                logarithm[index] += sign * math.log(abs(factor))
                signs[index] += sign * (factor < 0)
            else:
                zeros[index] += sign
    exponent, zero, sign = 0.0, 0, 0
    for index, weight in enumerate(weights):
        exponent, zero, sign = exponent + logarithm[index], zero + zeros[index], sign + signs[index]
        size = 0.0 if zero else math.exp(min(round(exponent, 12), 700.0))    # exp(710) overflows
        weights[index] = weight * (-size if sign % 2 else size)
    return weights


def _joined(pieces: list[WeightedText], weights: list[float]) -> list[WeightedText]:
    """Join neighbours of equal weight; an empty prompt is one empty stretch."""
    joined: list[WeightedText] = []
    texts: list[str] = []
    for piece, weight, following in zip(pieces, weights, [*weights[1:], None]):
        texts.append(piece.text)
        if weight != following:
            joined.append(WeightedText("".join(texts), weight))
            texts = []
    return joined or [WeightedText("", 1.0)]
