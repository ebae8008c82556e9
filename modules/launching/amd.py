"""What torch must find in the environment of an AMD card that ROCm does not name, though it runs the programs of one that it does."""
from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from pathlib import Path

VARIABLE = "HSA_OVERRIDE_GFX_VERSION"
TOPOLOGY = Path("/sys/class/kfd/kfd/topology/nodes")


def amd_targets(topology: Path = TOPOLOGY) -> tuple[tuple[int, int, int], ...]:
    """(10, 3, 1) for gfx1031: of each AMD card that computes, as the kernel names it. Empty where there is none."""
    found = []
    for file in sorted(topology.glob("*/properties")):
        try:
            match = re.search(r"^gfx_target_version (\d+)", file.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
        except OSError:
            continue
        number = int(match[1]) if match else 0      # 0: the processor
        if number:
            found.append((number // 10000, number // 100 % 100, number % 100))
    return tuple(found)


def override_for(targets: Sequence[tuple[int, int, int]]) -> str:
    """The version that all of these cards pretend to have: "" where ROCm knows them, or they are of two generations."""
    wanted = {_known_relative(target) for target in targets}
    return wanted.pop() if len(wanted) == 1 else ""


def _known_relative(target: tuple[int, int, int]) -> str:
    """RX 5000 and 6000: gfx1030's programs run on all of them. Small RX 7000: gfx1100's."""
    major, minor, step = target
    if (major, minor) in ((10, 1), (10, 3)) and target != (10, 3, 0):
        return "10.3.0"
    return "11.0.0" if (major, minor) == (11, 0) and step == 3 else ""


def set_amd_environment(environ: MutableMapping[str, str], targets: Sequence[tuple[int, int, int]]) -> None:
    """Set what ROCm reads when it starts, where the user has not set it."""
    if (version := override_for(targets)) and VARIABLE not in environ:
        environ[VARIABLE] = version
