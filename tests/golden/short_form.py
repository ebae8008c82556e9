"""Which stored cases the short run (``--run-tests``) draws; ``python -m pytest`` draws all."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def one_in(number: int, cases: Sequence[Any]) -> list[Any]:
    """All of them for parametrize; every number-th stays, the others carry the marker ``long``. Neighbours are alike, so that each kind keeps some."""
    return [case if place % number == 0 else pytest.param(case, marks=pytest.mark.long) for place, case in enumerate(cases)]
