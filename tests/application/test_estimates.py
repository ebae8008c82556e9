"""What past jobs teach about the next one: a law of the fit, a file that may be damaged, and what is refused."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from modules.application.cost_model import expected
from modules.application.estimates import Estimates
from modules.compute.memory import MemoryPeak
from modules.engine.cost import Work, work_of
from modules.engine.resolved import ResolvedHires, ResolvedRequest

KIND = "SD1 2.1 GB, cpu"
USUAL = (0.2, 0.01, 1.0, 0.3, 2.0)


def request(width: int = 512, height: int = 512, steps: int = 20, **more: object) -> ResolvedRequest:
    return ResolvedRequest(width=width, height=height, steps=steps, **more)  # pyright: ignore[reportArgumentType]


def test_work_counts_what_time_grows_with() -> None:
    one = work_of(request(), from_picture=False)
    assert (one.calls, one.areas, one.pictures, one.largest) == (20, 40, 1, 2)
    assert work_of(request(guidance_scale=1.0), from_picture=False).areas == 20
    assert work_of(request(sampler_name="Heun"), from_picture=False).calls == 40
    assert work_of(request(denoising_strength=0.5), from_picture=True).calls == 10
    larger = work_of(request(1024, 1024, batch_size=3, batch_count=2), from_picture=False)
    assert (larger.areas, larger.pictures, larger.largest) == (20 * 2 * 2 * 3 * 4, 6 * 4, 24)
    hires = work_of(request(hires=ResolvedHires(enabled=True, scale=2.0, steps=10), denoising_strength=0.5), from_picture=False)
    assert (hires.calls, hires.areas, hires.size) == (25, 40 + 5 * 2 * 4, 4)


def took(work: Work, noise: float = 1.0) -> float:
    """A machine that nobody knows."""
    return noise * (0.3 + 0.004 * work.calls + 0.08 * work.areas + 0.02 * work.squares + 0.5 * work.pictures)


def test_after_one_job_the_estimate_has_the_right_size_and_after_some_it_is_good() -> None:
    draw = random.Random(7)
    jobs = [
        work_of(request(draw.choice((256, 512, 768)), draw.choice((256, 512, 768)), draw.choice((1, 8, 20, 30)), batch_size=draw.choice((1, 1, 2))), from_picture=False)
        for _ in range(20)
    ]
    samples = [(work.for_time, took(work, draw.uniform(0.95, 1.05))) for work in jobs]
    new = work_of(request(640, 704, 25), from_picture=False)
    assert 0.4 < expected(new.for_time, samples[:1], USUAL) / took(new) < 2.5  # pyright: ignore[reportOptionalOperand]
    assert expected(new.for_time, samples, USUAL) == pytest.approx(took(new), rel=0.15)
    assert expected(new.for_time, [], USUAL) is None


def test_a_job_during_which_the_machine_was_busy_does_not_spoil_it() -> None:
    jobs = [work_of(request(size, size, steps), from_picture=False) for size in (256, 384, 512) for steps in (10, 20)]
    samples = [(work.for_time, took(work)) for work in jobs]
    samples.insert(3, (jobs[0].for_time, 9 * took(jobs[0])))
    new = work_of(request(448, 448, 15), from_picture=False)
    assert expected(new.for_time, samples, USUAL) == pytest.approx(took(new), rel=0.2)


def job(seconds: float = 2.0) -> dict[str, object]:
    work = work_of(request(), from_picture=False)
    return {"time": list(work.for_time), "seconds": seconds, "memory": list(work.for_memory), "base": 2e9, "peak": 3e9}


def test_what_was_learned_outlives_the_server_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "job_costs.json"
    first = Estimates(path=path)
    for number in range(40):
        first.note(f"kind {number % 30}", job())  # pyright: ignore[reportArgumentType]
    for _ in range(50):
        first.note(KIND, job())  # pyright: ignore[reportArgumentType]
    first.close()
    found = Estimates(path=path).estimate(KIND, work_of(request(), from_picture=False))
    assert found is not None and found.jobs == 32
    assert found.seconds == pytest.approx(2.0, rel=0.01) and found.bytes == pytest.approx(3e9, rel=0.01)
    kinds = json.loads(path.read_text())["jobs"]
    assert len(kinds) == 24 and path.stat().st_size < 100_000
    assert Estimates(path=path).estimate("another", work_of(request(), from_picture=False)) is None


@pytest.mark.parametrize("text", ["", "[]", '{"jobs": 3}', '{"jobs": {"a": [1, {"time": "x"}]}}', '{"jobs": {"SD1 2.1 GB, cpu": [{"seconds": 1}]}}', "\x00" * 50])
def test_a_damaged_file_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / "costs.json").write_text(text)
    estimates = Estimates(path=tmp_path / "costs.json")
    assert estimates.estimate(KIND, work_of(request(), from_picture=False)) is None
    estimates.note(KIND, job())  # pyright: ignore[reportArgumentType]
    assert Estimates(path=tmp_path / "costs.json").estimate(KIND, work_of(request(), from_picture=False)) is not None


def test_only_what_ended_well_is_learned_from() -> None:
    estimates, work = Estimates(path=None), work_of(request(), from_picture=False)
    with estimates.measured(KIND, work, "cpu") as measured:
        measured.counts = False
    with pytest.raises(ZeroDivisionError), estimates.measured(KIND, work, "cpu"):
        raise ZeroDivisionError
    assert estimates.estimate(KIND, work) is None
    with estimates.measured(KIND, work, "cpu"):
        time.sleep(0.02)
    found = estimates.estimate(KIND, work)
    assert found is not None and 0.01 < found.seconds < 5


def test_the_peak_of_memory_is_seen_where_the_system_tells() -> None:
    peak = MemoryPeak("cpu")
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    before, most = peak.bytes()
    assert (before, most) == (0, 0) or most - before > 50 * 2**20


def test_the_least_need_is_far_below_the_usual_one() -> None:
    """What is refused must be impossible, not merely slow."""
    estimates = Estimates(path=None)
    for _ in range(5):
        estimates.note(KIND, job())  # pyright: ignore[reportArgumentType]
    single = work_of(replace(request(), guidance_scale=1.0), from_picture=False)
    assert estimates.least_bytes(KIND, single) < 0.35e9
    assert estimates.least_bytes("unknown", work_of(request(512, 512), from_picture=False)) < 30e6
    assert estimates.least_bytes(KIND, work_of(request(32768, 32768), from_picture=False)) > 60e9
