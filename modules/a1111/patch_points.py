"""Functions that extensions replace. The house asks here at each call, so that a replaced one takes effect."""
from __future__ import annotations

import sys
from typing import TypeVar

Own = TypeVar("Own")


def looked_up(module: str, name: str, own: Own) -> Own:
    """What stands under ``name`` in A1111's ``module`` now; ``own`` where nobody has imported that module."""
    return getattr(sys.modules.get(module), name, own)
