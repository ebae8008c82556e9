"""Where our answer is another one than the original's, and why; which cases an ordinary run leaves out."""

from __future__ import annotations

# refused with a sentence (a part of it) where the original made a picture without ControlNet, or answered 500
REFUSED: dict[str, str] = {}

# makes a picture that the original did not make, or another one: the reason
ELSEWHERE: dict[str, str] = {}

# the answer of another stored case: the original failed, we do what was meant
SAME_AS: dict[str, str] = {}

# an answer without detected maps although units were asked for
WITHOUT_UNITS: frozenset[str] = frozenset()

# what differs from a case that is run in numbers only
LEFT_OUT: frozenset[str] = frozenset()
