"""How much of the computer's memory can still be had, as Linux tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from modules.compute.memory import spare_bytes


@pytest.mark.parametrize(("limit", "used", "expected"), [("max\n", "5\n", 2_000 * 1024), ("1500000\n", "500000\n", 1_000_000), ("100\n", "500\n", 0), (None, None, 2_000 * 1024), ("rubbish", "1", 2_000 * 1024)])
def test_a_containers_limit_counts(tmp_path: Path, limit: str | None, used: str | None, expected: int) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:       9000 kB\nMemAvailable:       2000 kB\n")
    if limit is not None and used is not None:
        folder = tmp_path / "sys/fs/cgroup"
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(used)
    assert spare_bytes(torch.device("cpu"), system=tmp_path) == expected


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert spare_bytes(torch.device("cpu"), system=tmp_path) == 0
