"""From a header's tensor names and shapes to the family of the model. No weight is read."""

from __future__ import annotations

import re
from pathlib import PurePath

from modules.families.family import PIPELINE, HeaderLike, ModelFamily, Shapes
from modules.families.foreign import foreign_kind, quantised_kind
from modules.families.table import FAMILIES, NAMED_FAMILIES
from modules.schema.errors import CannotLoad


def detect(header: HeaderLike) -> ModelFamily:
    """The family of the checkpoint with this header.

    Raises CannotLoad naming what the file is instead, or the family that it is nearest to.
    """
    shapes = header.shapes
    unreadable = quantised_kind(shapes)
    if unreadable is not None:
        raise CannotLoad(header.path, f"this is {unreadable.title}, which this version cannot read", unreadable.advice)
    family = family_of_file(header)
    if family is not None:
        return family
    if not shapes:
        raise CannotLoad(header.path, "it holds no tensors", "Download the file again.")
    kind = foreign_kind(shapes)
    if kind is not None:
        raise CannotLoad(header.path, f"this is {kind.title}, not a checkpoint", kind.advice)
    raise CannotLoad(
        header.path,
        f"its {len(shapes)} tensors fit no model family that this version knows ({nearest(shapes)})",
        "Choose a Stable Diffusion checkpoint in the original single-file layout.",
    )


def family_of(shapes: Shapes) -> ModelFamily | None:
    """The first row all of whose marks hold, or None."""
    return next((family for family in FAMILIES if all(mark.failure(shapes) is None for mark in family.marks)), None)


def family_of_file(header: HeaderLike) -> ModelFamily | None:
    """The same, with what the names of the file and of its pipeline tell."""
    family = family_of(header.shapes)
    names = f"{PurePath(str(header.path)).name} {header.metadata.get(PIPELINE, '')}".casefold()
    alike = [each for each in NAMED_FAMILIES if family is not None and each.marks == family.marks]
    return next((each for each in alike if re.search(each.called, names) or any(name in header.shapes for name in each.flag)), family)


def nearest(shapes: Shapes) -> str:
    """The family of which most marks hold, and what keeps the file from it: "SD1 is nearest, but it lacks model.diffusion_model...."."""
    failed = {family.name: [why for mark in family.marks if (why := mark.failure(shapes))] for family in FAMILIES}
    shares = {family.name: len(failed[family.name]) / len(family.marks) for family in FAMILIES}
    name = min(shares, key=lambda each: shares[each])
    return f"{name} is nearest, but it {failed[name][0]}"
