"""Every picture that A1111 made, made again: its stages in order, so that a wrong picture names its fault, then its pixels."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.golden.cases import Case, cases
from tests.golden.stages import psnr, run_case

pytestmark = pytest.mark.golden

EACH, MEAN = 50.0, 70.0         # dB
TOLERANCE = {"init": 2e-3}      # of the stage's largest value: a pixel that tips over to the next level shows in the encoded latent
USUAL_TOLERANCE = 1e-3
STAGES = ("noise", "init", "sigmas", "hrlow", "latent")

# pattern of case names -> why they are not compared yet
NOT_YET = {
    r"script-.*": "scripts have no room yet",
    r"extras-.*": "no generation: they stand in test_extras.py",
}
# case -> why ours is another picture on purpose
ON_PURPOSE = {
    "sampler-alias-k-euler-a": "A1111 falls back to its first sampler for a name it does not know; with us an alias means its sampler",
}
_measured: dict[str, float] = {}


def reason_to_skip(case: Case) -> str | None:
    not_yet = next((reason for pattern, reason in NOT_YET.items() if re.fullmatch(pattern, case.name)), None)
    return not_yet or ON_PURPOSE.get(case.name)


def compare(stage: str, ours: np.ndarray, theirs: np.ndarray) -> str | None:
    if ours.shape != theirs.shape:
        return f"{stage}: shape {ours.shape}, A1111's {theirs.shape}"
    off, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    return f"{stage}: off by {off:.2g} of {largest:.2g}" if off > TOLERANCE.get(stage, USUAL_TOLERANCE) * largest else None


@pytest.mark.parametrize("case", [*cases(), *cases("sd15-inpaint")], ids=str)
def test_a_request_makes_a1111s_picture(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := reason_to_skip(case):
        pytest.skip(reason)
    result, stages = run_case(case, monkeypatch)
    wrong = []
    for stage in (f"{name}{number}" for name in STAGES for number in ("", "-1", "-2")):
        if stage in case.arrays:
            found = stages.found.get(stage)
            wrong.append(f"{stage}: not reached" if found is None else compare(stage, found, case.arrays[stage]))
    values = [psnr(image.picture, theirs) for image, theirs in zip(result.images, case.images())]
    _measured.update({f"{case.name}-{number}": value for number, value in enumerate(values)})
    said = f"PSNR {', '.join(f'{value:.1f}' for value in values)} dB; stages off: {'; '.join(filter(None, wrong)) or 'none'}"
    assert len(result.images) == len(case.image_paths), said
    assert min(values) >= EACH and not any(wrong), said
    assert [image.picture.size for image in result.images] == [theirs.size for theirs in case.images()]


def test_the_mean_over_all_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs after the pictures; with a selection of cases it speaks of those."""
    if not _measured:
        pytest.skip("no picture was compared in this run")
    mean = sum(_measured.values()) / len(_measured)
    worst = sorted(_measured, key=_measured.__getitem__)[:3]
    with capsys.disabled():
        print(f"\nPSNR over {len(_measured)} pictures: mean {mean:.1f} dB, worst {', '.join(f'{n} {_measured[n]:.1f}' for n in worst)}")
    assert mean >= MEAN
