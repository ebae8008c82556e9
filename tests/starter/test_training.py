"""An interrupted stage goes on where it was, and does not notice."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from modules.starter import training
from modules.starter.training import Run, cosine_rate


def _run(steps: int = 20) -> Run:
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1)
    return Run(name="tiny", networks={"tiny": network}, optimiser=optimiser, steps=steps, peak_rate=0.1, floor_rate=0.01)


def _train(run: Run, stop_at: int | None = None) -> torch.Tensor:
    network = run.networks["tiny"]
    for step in run.remaining_steps():
        if step == stop_at:
            run.save()
            break
        loss = (network(torch.full((4, 3), step / 10)) - 1).pow(2).mean()
        run.optimiser.zero_grad()
        loss.backward()
        run.optimiser.step()
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "WORK_FOLDER", tmp_path / "unbroken")
    unbroken = _train(_run())
    monkeypatch.setattr(training, "WORK_FOLDER", tmp_path / "broken")
    _train(_run(), stop_at=11)
    resumed = _run()
    resumed.resume()
    assert resumed.step == 11
    assert torch.equal(_train(resumed), unbroken)


def test_a_finished_run_has_no_steps_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "WORK_FOLDER", tmp_path)
    _train(_run())
    again = _run()
    again.resume()
    assert list(again.remaining_steps()) == []


def test_the_rate_rises_then_falls_to_its_floor() -> None:
    rates = [cosine_rate(i / 100, peak=1.0, floor=0.1) for i in range(101)]
    assert rates[0] < 0.1 and max(rates) <= 1.0 and rates[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[1:]))
