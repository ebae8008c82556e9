"""Requests with ControlNet units through the whole application: pictures, detected maps and parameters are the original extension's.

The whole set is 340 cases; ``-m "not long"`` leaves one of each kind of option (``choices.ORDINARY``) and all that are refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.schema.errors import WebuiError
from modules.schema.infotext_read import parse_infotext
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.golden.cases import as_read
from tests.golden.stages import psnr
from tests.golden_cn import stored
from tests.golden_cn.choices import ELSEWHERE, ORDINARY, REFUSED, SAME_AS

LEAST_PSNR = 50.0


def marked() -> list[Any]:
    """All cases, by their names; most of those that make a picture are marked as long."""
    return [pytest.param(case, id=case.name, marks=() if case.name in ORDINARY or case.name in REFUSED else (pytest.mark.long,)) for case in stored.cases()]


def made(app: Any, case: stored.Case) -> Outcome:
    kind = Img2ImgRequest if case.endpoint.endswith("img2img") else Txt2ImgRequest
    return generate_blocking(app, kind.from_flat(as_read(stored.filled(case.request))))


def fields(text: str) -> dict[str, str]:
    return {key: value for key, value in parse_infotext(text).items() if key != "Version"}


@pytest.mark.golden
@pytest.mark.parametrize("case", marked())
def test_pictures_maps_and_parameters_are_those_of_the_original(case: stored.Case, app: Any) -> None:
    if case.name in REFUSED:
        with pytest.raises((WebuiError, TypeError)) as refused:
            made(app, case)
        assert REFUSED[case.name] in str(refused.value), f"another sentence than expected: {refused.value}"
        return
    outcome = made(app, case)
    if case.name in ELSEWHERE:
        assert ELSEWHERE[case.name]                 # a reason, and that it makes a picture
        return
    model = next(each for each in stored.cases() if each.name == SAME_AS[case.name]) if case.name in SAME_AS else case
    theirs, ours = model.pictures(), [each.picture for each in outcome.images]
    assert len(ours) == len(theirs)
    count = _finished(case, len(theirs))
    for a, b in zip(ours[:count], theirs):
        assert psnr(a, b) >= LEAST_PSNR
    for a, b in zip(ours[count:], theirs[count:]):
        assert stored.worst(a, b) <= 1
    if model is case:
        assert list(fields(outcome.images[0].infotext).items()) == list(fields(case.infotext).items())


def _finished(case: stored.Case, total: int) -> int:
    """How many of the answer's pictures are no detected maps; the grid of a batch is shown apart."""
    return min(case.request.get("batch_size", 1) * case.request.get("n_iter", 1), total)
