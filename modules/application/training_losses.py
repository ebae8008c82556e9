"""The CSV file of a training's losses, in A1111's columns."""
from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_loss(file: Path, step: int, epoch_length: int, values: Mapping[str, Any]) -> None:
    """One more row, below a header that the first one brings. step: from 1. Raises OSError."""
    text = io.StringIO(newline="")
    epoch, within = divmod(step - 1, epoch_length)
    row = {"step": step, "epoch": epoch, "epoch_step": within, **values}
    writer = csv.DictWriter(text, fieldnames=list(row))
    if not file.exists():
        writer.writeheader()
    writer.writerow(row)
    with file.open("a", encoding="utf-8", newline="") as opened:
        opened.write(text.getvalue())
