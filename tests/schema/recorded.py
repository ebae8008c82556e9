"""What A1111 1.10.1 itself answered, kept beside the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
# API names of parameters that A1111 does not have, or not so
OUR_OWN = {"depth_map", "further_images"}         # A1111 estimates the first with a model that it fetches; its models take one picture


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
