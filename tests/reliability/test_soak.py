"""Short forms of ``python -m tests.soak``: its kinds of requests in any order against their references, and what it makes of what it sees."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from tests.reliability.conftest import Real
from tests.soak import (
    FEWEST,
    SLOPE_LIMIT,
    WARM_UP,
    Findings,
    Sample,
    Soak,
    growth,
    pictures_of,
    references,
    request_kinds,
    table,
    unexpected,
)
from tests.soak_server import SoakServer

pytestmark = pytest.mark.group("R20")


def files_and_threads() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0, threading.active_count()


@pytest.mark.long
def test_kinds_of_requests_in_random_order(real: Real) -> None:
    draw, kinds = random.Random(3), request_kinds()
    chosen = draw.sample(list(kinds), 9)
    wanted: dict[str, list[bytes]] = {}
    for number in range(27):
        kind = chosen[number] if number < len(chosen) else draw.choice(chosen)
        path, values = kinds[kind]
        answer = real.server.client.post(path, json=values)
        assert answer.status_code == 200, (kind, answer.text[:300])
        assert wanted.setdefault(kind, pictures_of(answer.json())) == pictures_of(answer.json()), kind
        if number == 15:
            before = files_and_threads()
    files, threads = files_and_threads()
    assert files <= before[0] + 2 and threads <= before[1] + 2


def lives(growing: float, *, jobs: int = WARM_UP + 2 * FEWEST) -> list[Sample]:
    """A short life, then a long one that grows at rest by ``growing`` MB per 1,000 jobs once it is warm, and under traffic by 30 more."""
    found = [Sample(life=0, jobs=n, megabytes=900 + n, files=9, threads=9, at_rest=True) for n in range(WARM_UP + 20)]
    for n in range(jobs):
        level = 400 + (n if n < WARM_UP else WARM_UP + (n - WARM_UP) * growing / 1000)
        found.append(Sample(life=1, jobs=n, megabytes=level, files=20, threads=8, at_rest=True))
        found.append(Sample(life=1, jobs=n, megabytes=level + 30 * n / 1000, files=20, threads=8))
    return found


@pytest.mark.parametrize("growing", [0.0, 1.5, 7.0, -3.0])
def test_growth_is_that_of_the_longest_life_at_rest_once_it_is_warm(growing: float) -> None:
    found = Findings(samples=lives(growing))
    assert growth(found.samples, "megabytes", at_rest=True).slope == pytest.approx(growing, abs=0.01)
    assert growth(found.samples, "megabytes").slope == pytest.approx(growing + 30, abs=0.01) and growth(found.samples, "files").slope == pytest.approx(0, abs=1e-6)
    assert table(found, 20, [], 3)[1] is (growing < SLOPE_LIMIT)


def test_the_error_of_a_growth_is_that_of_the_numbers_it_was_fitted_to() -> None:
    draw, slopes, told = random.Random(3), list[float](), list[float]()
    for _ in range(60):
        samples = [Sample(life=0, jobs=WARM_UP + 20 * n, megabytes=400 + draw.gauss(0, 5), files=9, threads=9, at_rest=True) for n in range(1, 61)]
        found = growth(samples, "megabytes", at_rest=True)
        slopes.append(found.slope)
        told.append(found.error)
    spread = (sum(each**2 for each in slopes) / len(slopes)) ** 0.5
    assert 0.7 < spread / (sum(told) / len(told)) < 1.4


@pytest.mark.parametrize("name", ["wrong pictures", "lost jobs", "failed jobs", "refused", "not saved"])
def test_one_thing_wrong_is_enough(name: str) -> None:
    found = Findings(samples=lives(0.0))
    assert table(found, 20, [], 3)[1]
    found.wrong[name].append("one")
    assert not table(found, 20, [], 3)[1] and not table(Findings(), 20, ["Traceback"], 3)[1]


def test_lines_of_trouble_are_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("loaded a in 0.1 s\nTraceback (most recent call last):\nthe running job was interrupted by an error\na picture was not saved: full\n")
    assert unexpected(log) == ["Traceback (most recent call last):", "a picture was not saved: full"]


@pytest.mark.long
def test_ten_minutes(tmp_path: Path) -> None:
    server = SoakServer(tmp_path / "server", 0)
    soak = Soak(server, references(tmp_path / "fresh", server.models, 0), seed=1)
    try:
        soak.run(600, 90)
    finally:
        server.kill()
    text, good = table(soak.found, 10, unexpected(server.log), len(soak.wanted))
    assert good, f"{text}\n{dict(soak.found.wrong)}"
