"""Errors are sentences that say what to do, and the ground floor needs nothing but Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modules.schema.errors import Busy, CannotLoad, InvalidValue, JobSetAside, NoCheckpoint, OutOfMemory, UnknownName, WebuiError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (InvalidValue("Steps cannot be 0.", field="steps"), 422, "Steps cannot be 0."),
        (UnknownName("sampler", "Eular", ("Euler", "DDIM")), 404, "Did you mean 'Euler'?"),
        (UnknownName("sampler", "zzzz", ("Euler", "DDIM")), 404, "Known sampler names: Euler, DDIM."),
        (UnknownName("option", "x" * 5000), 404, "(5000 characters)"),
        (NoCheckpoint("/models"), 409, "--ckpt-dir"),
        (CannotLoad("/a.safetensors", "it is cut off after 10 bytes", "Download it again."), 422, "cut off after 10 bytes. Download"),
        (OutOfMemory("The GPU is full.", "Use --medvram."), 507, "--medvram"),
        (JobSetAside("Set aside."), 409, "Set aside."),
        (Busy("Busy."), 503, "Busy."),
    ],
)
def test_status_and_sentence(error: WebuiError, status: int, part: str):
    assert error.status == status and part in str(error) and isinstance(error, WebuiError)


def test_many_known_names_are_cut():
    assert "and 70 more" in str(UnknownName("sampler", "qqqq", [f"aaa{n}" for n in range(100)]))


def test_the_ground_floor_needs_only_the_standard_library():
    names = sorted(
        "modules." + ".".join(path.relative_to(ROOT / "modules").with_suffix("").parts) for path in (ROOT / "modules/schema").rglob("*.py")
    )
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport importlib\nfor name in {names!r}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
