"""Bodies of requests, read as Pydantic 1 read them in A1111: scripts in languages without types send 12.5 steps, 7 for a text and [] for an object."""
from __future__ import annotations

import math
import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class LenientBody(BaseModel):
    """Numbers are taken for texts, fractions cut off where a whole number belongs, empty lists and texts taken for empty objects."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = _kinds(cls.model_fields[info.field_name or ""].annotation)
        if isinstance(value, float) and int in kinds and float not in kinds and math.isfinite(value):
            return int(value)
        if value in ([], "") and dict in kinds:     # PHP's and Lua's way to write an empty object
            return {}
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a field may hold."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) not in (dict, list) else (annotation,)
    return {typing.get_origin(part) or part for part in parts or (annotation,)}
