"""A server's services behind A1111's names."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from modules.a1111 import app_slot
from modules.application.app import App


@pytest.fixture
def a1111(make_app: Callable[..., App]) -> Iterator[App]:
    """An App in the slot, its worker not started."""
    with app_slot.occupied(make_app()) as app:
        yield app
