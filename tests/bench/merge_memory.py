"""``python -m tests.bench.merge_memory``: seconds and peak memory of merging checkpoints of SD 1.5's size, by method.

Ends with 1 when the peak passes one checkpoint plus its largest tensor (in float32).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEGABYTE = 10**6


def main() -> int:
    from tests.bench.load_memory import write_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one.safetensors", Path(folder) / "two.safetensors"
        write_checkpoint(one)
        os.link(one, two)
        worst = 0.0
        for method in ("Weighted sum", "Add difference", "No interpolation"):
            told = subprocess.run(
                [sys.executable, "-m", "tests.bench.merge_memory", "--one", str(one), str(two), method], capture_output=True, text=True, check=True)
            found = json.loads(told.stdout.splitlines()[-1])
            limit = found["size"] + found["largest"]
            worst = max(worst, found["peak"] / limit)
            print(f"{method}: {found['seconds']:.1f} s, peak {found['peak'] / MEGABYTE:.0f} MB above the start, for files of {found['size'] / MEGABYTE:.0f} MB")
    return int(worst > 1)


def measure(one: Path, two: Path, method: str) -> None:
    """Merge in this process, and print what it took as JSON."""
    import torch

    from modules.files.atomic import write_new_file
    from modules.library.model_file import ModelFile
    from modules.loading.merge import MergeRecipe, opened_merge

    torch.set_num_threads(1)
    first, second = (ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size) for path in (one, two))
    before, began = _peak(), time.perf_counter()
    with opened_merge(MergeRecipe(primary=first, secondary=second, tertiary=second, method=method)) as merge:
        goal = one.with_name(f"{method}.safetensors")
        write_new_file(goal, lambda file: merge.write_safetensors(file, {"format": "pt"}, lambda done, total: None))
        largest = max(each.nbytes for each in merge.plan.tensors) * 2
    print(json.dumps({"seconds": time.perf_counter() - began, "peak": _peak() - before, "size": first.size, "largest": largest}))
    goal.unlink()


def _peak() -> int:
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        sys.exit(main())
