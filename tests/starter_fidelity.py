"""``python -m tests.starter_fidelity``: does the starter model draw what the prompt says? Needs no network.

Pictures of combinations that training never saw come from the real engine; a judge that does not see the prompt
names object, colour and background. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from modules.application.app import App
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from modules.starter.captions import Mention, is_held_out, write_caption
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, PICTURE_SIZE, STYLES
from modules.starter.judge import Judge, accuracy_on_drawings, load_judge, name_contents
from modules.starter.preview import sheet

log = logging.getLogger(__name__)
MODELS = Path(__file__).parents[1] / "models"
CHECKPOINT = "starter.safetensors"
PROMPTS_PER_OBJECT = 12
STYLE_SHARE = 0.4  # prompts that also ask for a style; the judge does not rate it
STEPS, GUIDANCE_SCALE, SAMPLER, SCHEDULE = 20, 5.0, "Euler", "Automatic"
JUDGE_TARGET = 0.97
TARGETS = {"background": 0.95, "colour": 0.90, "object": 0.80}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A prompt, and what the picture must show."""

    prompt: str
    object: str
    colour: str
    background: str


def held_out_cases(per_object: int = PROMPTS_PER_OBJECT) -> list[Case]:
    """The same prompts on every run, evenly over the objects, each a combination that training left out."""
    rng = np.random.default_rng(20)
    cases = []
    for name in OBJECTS:
        pairs = [(c, b) for c in COLOUR_NAMES for b in COLOUR_NAMES if c != b and is_held_out(name, c, b)]
        for index in rng.permutation(len(pairs))[:per_object]:
            colour, background = pairs[index]
            style = STYLES[rng.integers(len(STYLES))] if rng.random() < STYLE_SHARE else None
            prompt = write_caption(Mention(object=name, colour=colour, background=background, style=style), rng)
            cases.append(Case(prompt=prompt, object=name, colour=colour, background=background))
    return cases


def generate(app: App, prompt: str, seed: int, sampler: str, schedule: str, guidance_scale: float) -> np.ndarray:
    """One picture, uint8 (H, W, 3), by the way every request goes."""
    request = Txt2ImgRequest.from_flat(
        {
            "prompt": prompt,
            "seed": seed,
            "steps": STEPS,
            "cfg_scale": guidance_scale,
            "sampler_name": sampler,
            "scheduler": schedule,
            "width": PICTURE_SIZE,
            "height": PICTURE_SIZE,
            "save_images": False,
            "override_settings": {"sd_model_checkpoint": CHECKPOINT},
        }
    )
    return np.asarray(generate_blocking(app, request).images[0].picture.convert("RGB"))


def rate(judge: Judge, cases: list[Case], pictures: np.ndarray) -> dict[str, float]:
    """The share of pictures with the right background, colour and object, and with all three."""
    named = name_contents(judge, pictures)
    right = {
        "background": [n[2] == case.background for n, case in zip(named, cases, strict=True)],
        "colour": [n[1] == case.colour for n, case in zip(named, cases, strict=True)],
        "object": [n[0] == case.object for n, case in zip(named, cases, strict=True)],
    }
    shares = {fact: float(np.mean(values)) for fact, values in right.items()}
    shares["all three"] = float(np.mean(np.all(list(right.values()), axis=0)))
    for name in OBJECTS:
        mine = [i for i, case in enumerate(cases) if case.object == name]
        wrong = [
            f"{named[i][1]} {named[i][0]} on {named[i][2]} for {cases[i].prompt!r}" for i in mine if not all(v[i] for v in right.values())
        ]
        log.info("%s: %d of %d right%s", name, len(mine) - len(wrong), len(mine), "".join(f"\n    {line}" for line in wrong))
    return shares


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.starter_fidelity", description=__doc__)
    parser.add_argument("--per-object", type=int, default=PROMPTS_PER_OBJECT, help="prompts per object (default: %(default)s)")
    parser.add_argument("--sampler", default=SAMPLER)
    parser.add_argument("--schedule", default=SCHEDULE)
    parser.add_argument("--cfg-scale", type=float, default=GUIDANCE_SCALE)
    parser.add_argument("--sheet", type=Path, help="also write all pictures to this PNG")
    parser.add_argument("--verbose", action="store_true", help="list every picture that misses its prompt")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(message)s")
    torch.set_num_threads(1)  # so small a network loses more than it gains by sharing out its work
    judge = load_judge()
    on_drawings = accuracy_on_drawings(judge)
    cases = held_out_cases(arguments.per_object)
    with tempfile.TemporaryDirectory() as folder:
        flags = parse_flags(["--data-dir", folder, "--models-dir", str(MODELS)], {}).flags
        app = build_app(flags)
        try:
            made = [
                generate(app, case.prompt, seed, arguments.sampler, arguments.schedule, arguments.cfg_scale)
                for seed, case in enumerate(cases)
            ]
        finally:
            app.close()
    pictures = np.stack(made)
    if arguments.sheet:
        Image.fromarray(sheet(pictures, arguments.per_object)).save(arguments.sheet)
    return report(on_drawings, rate(judge, cases, pictures), arguments, len(cases))


def report(on_drawings: dict[str, float], shares: dict[str, float], arguments: argparse.Namespace, count: int) -> int:
    """Prints the table; 0 when every target is met, else 1."""
    print(f"{count} held-out prompts, {STEPS} steps of {arguments.sampler} ({arguments.schedule}), CFG {arguments.cfg_scale:g}")
    print(f"{'':12}{'judge on drawings':>20}{'starter model':>16}{'target':>9}")
    missed = on_drawings["object"] < JUDGE_TARGET
    for fact, share in shares.items():
        target = TARGETS.get(fact)
        missed |= target is not None and share < target
        drawings = f"{on_drawings[fact]:.1%}" if fact in on_drawings else ""
        print(f"{fact:12}{drawings:>20}{share:>16.1%}{f'{target:.0%}' if target else '':>9}")
    print("missed" if missed else "met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
