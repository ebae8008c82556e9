"""What each system and card needs in the environment, as a table: Macs, and AMD cards that pretend to be another one."""
from __future__ import annotations

from pathlib import Path

import pytest

from modules.launching.amd import VARIABLE, amd_targets, override_for, set_amd_environment
from modules.launching.mac import set_mac_environment


@pytest.mark.parametrize(
    ("targets", "version"),
    [
        ([], ""), ([(10, 3, 0)], ""), ([(10, 3, 1)], "10.3.0"), ([(10, 3, 2)], "10.3.0"), ([(10, 3, 5)], "10.3.0"), ([(10, 1, 0)], "10.3.0"),
        ([(11, 0, 0)], ""), ([(11, 0, 2)], ""), ([(11, 0, 3)], "11.0.0"), ([(12, 0, 1)], ""), ([(9, 0, 10)], ""), ([(10, 3, 1), (10, 3, 2)], "10.3.0"),
        ([(11, 0, 0), (10, 3, 1)], ""),
    ],
)  # fmt: skip
def test_each_card_has_programs(targets: list[tuple[int, int, int]], version: str) -> None:
    assert override_for(targets) == version
    environ: dict[str, str] = {}
    set_amd_environment(environ, targets)
    assert environ == ({VARIABLE: version} if version else {})
    set_amd_environment(environ := {VARIABLE: "9.0.0"}, targets)
    assert environ == {VARIABLE: "9.0.0"}


def test_the_kernel_names_the_cards(tmp_path: Path) -> None:
    for number, target in enumerate(("0", "100301", "90010")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "properties").write_text(f"cpu_cores_count 8\ngfx_target_version {target}\nvendor_id 4098\n")
    assert amd_targets(tmp_path) == ((10, 3, 1), (9, 0, 10))
    assert amd_targets(tmp_path / "none") == ()


@pytest.mark.parametrize(("system", "expected"), [("Darwin", {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}), ("Linux", {}), ("Windows", {})])
def test_a_mac_computes_on_the_processor_what_metal_lacks(system: str, expected: dict[str, str]) -> None:
    environ: dict[str, str] = {}
    set_mac_environment(environ, system)
    assert environ == expected
    set_mac_environment(environ := {"PYTORCH_ENABLE_MPS_FALLBACK": "0"}, system)
    assert environ == {"PYTORCH_ENABLE_MPS_FALLBACK": "0"}
