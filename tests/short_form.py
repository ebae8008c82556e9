"""Which stored cases the short run (``--run-tests``) draws; ``python -m pytest`` draws all."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def one_in(number: int, cases: Sequence[Any]) -> list[Any]:
    """All of them for parametrize; every number-th stays in the short run, the others carry the marker ``long``. Neighbours are alike, so that each kind keeps some."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*each, marks=[pytest.mark.long] if place % number else []) for place, each in enumerate(values)]
