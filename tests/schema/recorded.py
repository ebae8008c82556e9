"""What A1111 1.10.1 itself answered, kept beside the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
# API names of parameters that A1111 does not have, or not so
OUR_OWN = {"depth_map"}         # A1111 estimates it with a model that it fetches


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
