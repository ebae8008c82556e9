"""What a checkpoint asks to be drawn with: what its card says, and where that says nothing, what its family is usually drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.engine.sampler_registry import find_sampler, find_schedule
from modules.families.usual import Usual, usual_of
from modules.library.card import DRAW_WITH, read_card
from modules.library.model_file import ModelFile
from modules.schema.errors import WebuiError


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """values: by the names of DRAW_WITH. written: those that its card says."""

    values: Mapping[str, Any]
    written: tuple[str, ...] = ()


def wishes_of(model: ModelFile) -> Wishes:
    """Of one checkpoint. A sampler or schedule that is not there is passed over."""
    family = model.family
    written = known(read_card(model.path).draw_with)
    return Wishes(values=(_values(usual_of(family, model.stem)) if family else {}) | written, written=tuple(written))


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that can be drawn with: names in the spelling of the lists, numbers in their range."""
    found = {name: DRAW_WITH[name].kind(value) for name, value in values.items() if name in DRAW_WITH and DRAW_WITH[name].holds(value)}
    for name, listed in (("sampler_name", lambda text: find_sampler(text).name), ("scheduler", lambda text: find_schedule(text).label)):
        if name in found:
            try:
                found[name] = listed(found[name])
            except WebuiError:
                del found[name]
    return found


def _values(usual: Usual) -> dict[str, Any]:
    return known({
        "sampler_name": usual.sampler_name, "scheduler": usual.schedule_name, "steps": usual.steps, "cfg_scale": usual.guidance_scale,
        "width": usual.size[0], "height": usual.size[1],
    })  # fmt: skip
