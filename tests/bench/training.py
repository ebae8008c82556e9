"""``python -m tests.bench.training``: seconds and memory of a training step with weights of SD 1.5's size, an embedding on six pictures."""
from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.bench.load_memory import write_checkpoint

STEPS = 3


def main(arguments: list[str]) -> int:
    """Prints a line for each size; the first step, which reads and prepares, is told by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--checkpoint", type=Path, help="another one than random weights")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "pictures").mkdir()
        for number in range(6):
            Image.new("RGB", (512, 512), (40 * number, 90, 160)).save(folder / "pictures" / f"wall {number}.png")
        path = asked.checkpoint or folder / "sd15-size.safetensors"
        if not path.exists():
            write_checkpoint(path, "FULL")
        for side in asked.sides:
            print(_measured(folder, path, side))
    return 0


def _measured(folder: Path, checkpoint: Path, side: int) -> str:
    from modules.application import training
    from modules.application.build import build_app
    from modules.application.training_run import EMBEDDING
    from modules.schema.flags import parse_flags
    from modules.schema.params_training import NewEmbedding, TrainingRequest

    app = build_app(parse_flags(["--data-dir", str(folder), "--ckpt-dir", str(checkpoint.parent)], {}).flags)
    try:
        training.create_embedding(app, NewEmbedding(name="word", init_text="wall", overwrite_old=True))
        began, before = time.perf_counter(), 0
        job = training.submit(app, TrainingRequest(
            embedding_name="word", data_root="pictures", log_directory="logs", training_width=side, training_height=side, steps=1 + STEPS, create_image_every=0,
            save_embedding_every=0, template_filename="subject.txt"), EMBEDDING, source="bench")  # fmt: skip
        marks: list[tuple[float, float]] = []
        while not job.over.wait(0.02):
            if (step := job.progress.snapshot().step) != before:
                before = step
                marks.append((time.perf_counter(), time.process_time()))
        marks.append((time.perf_counter(), time.process_time()))
        wall, cpu = ((marks[-1][which] - marks[0][which]) / STEPS for which in (0, 1))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        return f"{side}x{side}: first step after {marks[0][0] - began:.1f} s, each of {STEPS} others {wall:.2f} s ({cpu:.2f} of the CPU), most memory so far {peak:.2f} GB{'' if job.error is None else f', {job.error}'}"
    finally:
        app.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
