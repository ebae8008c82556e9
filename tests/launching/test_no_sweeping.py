"""The collector of unreachable objects rests at the start alone."""
from __future__ import annotations

import gc

from modules.launching.no_sweeping import sweep_all, without_sweeping


def test_it_rests_inside_and_works_afterwards() -> None:
    with without_sweeping():
        inside = gc.isenabled()
    kept, works = gc.get_freeze_count(), gc.isenabled()
    sweep_all()
    assert (inside, works, gc.get_freeze_count()) == (False, True, 0)
    assert kept > 0
