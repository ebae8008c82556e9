"""Which machines compute with NumPy's matrix products: AMD's, unless whoever starts the server chose otherwise or it is too late."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from modules.compute.products import VARIABLE as READ
from modules.launching.processor import CHOICE, ENVIRONMENT, VARIABLE, read_cpu_info, set_processor_environment

AMD, INTEL = "processor\t: 0\nvendor_id\t: AuthenticAMD\n", "processor\t: 0\nvendor_id\t: GenuineIntel\n"


def chosen(info: str, environ: dict[str, str] | None = None, imported: tuple[str, ...] = ()) -> dict[str, str]:
    found = dict(environ or {})
    set_processor_environment(found, info, imported)
    return found


def test_amd_computes_with_numpy_and_others_do_not() -> None:
    assert chosen(AMD) == {**ENVIRONMENT, VARIABLE: CHOICE}
    assert not chosen(INTEL) and not chosen("")


@pytest.mark.parametrize("environ", [{VARIABLE: "torch"}, {"OPENBLAS_NUM_THREADS": "8"}, {"GOMP_SPINCOUNT": "1"}], ids=str)
def test_own_choice_stands(environ: dict[str, str]) -> None:
    found = chosen(AMD, environ)
    assert found.get(VARIABLE) != CHOICE and found | environ == found


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_what_was_read_already_is_not_set(library: str) -> None:
    assert not chosen(AMD, imported=(library,))


def test_both_rooms_mean_the_same_variable() -> None:
    assert READ == VARIABLE


@pytest.mark.skipif("AuthenticAMD" not in read_cpu_info(), reason="this machine's processor is not AMD's, or does not say")
def test_the_program_sets_it_in_time() -> None:
    code = "import os, webui; from modules.schema.flags import parse_flags; webui.set_environment(os.environ, parse_flags([], {}).flags); from modules.compute import products; print(products.by_numpy())"
    environ = {name: value for name, value in os.environ.items() if name not in (VARIABLE, *ENVIRONMENT)}
    assert subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout.strip() == "True"
