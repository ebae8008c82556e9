"""Writes the finished checkpoint and its card, once for programs and once for people."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.clip import CLIPTextModel

from modules.starter.captions import COLOUR_WORDS, HELD_OUT_PERCENT, OBJECT_WORDS
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, PICTURE_SIZE, STYLES
from modules.starter.original_layout import control_tensors, original_tensors

log = logging.getLogger(__name__)

CHECKPOINT = Path(__file__).parents[2] / "models" / "Stable-diffusion" / "starter.safetensors"
CONTROL = CHECKPOINT.parents[1] / "ControlNet" / "starter_canny.safetensors"
LARGEST_BYTES = 32_000_000
CONTROL_BYTES = 16_000_000
LICENSE = "MIT"
DESCRIPTION = (
    "A small text-to-image model that draws one game icon or plain shape in a named colour on a named background. "
    "Trained from scratch on pictures drawn by this program's own code (python -m modules.starter)."
)
CONTROL_DESCRIPTION = (
    "A small ControlNet for the starter checkpoint: the picture's edges follow a Canny edge map, its colours the prompt. "
    "Trained from scratch on pictures drawn by this program's own code (python -m modules.starter control)."
)
EXAMPLE_PROMPTS = (
    "a red potion on a blue background",
    "glossy golden coin on black",
    "pixel art green sword, white background",
    "an outlined purple heart on a yellow background",
    "a cyan gem on a grey background, flat style",
    "orange flame on a black background, glossy",
)

CARD_TEXT = """# Starter

{description}

![Example pictures](starter.png)

## What to ask for

{prompts}

Pictures are {size}x{size}. One object, its colour, a background of another colour and a style may be named, in any
order; what is left out is chosen by chance, and words outside the lists below are ignored. It has learned nothing
else: no people, no scenes, no two objects at once, no object on a background of its own colour.

Objects:
{objects}

Colours, of objects and of backgrounds:
{colours}

Styles: {styles}.

## How it was made

From scratch, on pictures drawn by `modules/starter/drawing.py` and described by the grammar in
`modules/starter/captions.py`; no photograph, artwork or other model was used. {held_out} % of the combinations of
object, colour and background were never shown in training: `python -m tests.starter_fidelity` asks for those.
Three networks of Stable Diffusion 1's kind, in its file layout: an autoencoder, then a text encoder that learned to
tell what a caption mentions, then the UNet. `python -m modules.starter` repeats it all in about two hours of one
CPU core, or on a GPU where there is one. The vocabulary is CLIP's (MIT, OpenAI).

## Licence

{license}, like the program.
"""

CONTROL_CARD = """# Starter canny

{description}

## How to use it

Load the starter checkpoint, open ControlNet, enable a unit, put a picture or a drawing into it, choose the preprocessor `canny` (or `none` for a
finished map of white lines on black) with this model, tick Pixel Perfect, and name colours: `a red shape on a blue background`.
Pictures are {size}x{size}. It has seen the starter checkpoint's objects in any pose, and outlines without a name.

## How it was made

A copy of the starter checkpoint's encoder that reads the map, trained while the checkpoint itself stayed as it is, in the original layout of
Stable Diffusion 1's ControlNets: first from noised pictures (`python -m modules.starter control`), then on the ways that sampling takes under
guidance, its own errors included (`... guide`). The file is the mean of three such trainings, one of them by
absolute errors instead of squares, each the mean of ten moments or more, its connections strengthened by a third (`... blend`). Its pictures are drawn by
`modules/starter/edge_pictures.py`; combinations that the checkpoint has not seen
were left out here too: `python -m tests.bench.starter_controlnet` asks for those.

## Licence

{license}, like the program.
"""


def export_checkpoint(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, path: Path = CHECKPOINT) -> None:
    """Writes ``path`` (at most 32 MB, float16, original names) and its card as ``.json`` and ``.md`` beside it."""
    metadata = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/CompVis/stable-diffusion",
        "modelspec.title": "Starter",
        "modelspec.description": DESCRIPTION,
        "modelspec.resolution": f"{PICTURE_SIZE}x{PICTURE_SIZE}",
        "modelspec.prediction_type": "epsilon",
        "modelspec.license": LICENSE,
    }
    _write(path, original_tensors(unet, vae, text_encoder), metadata, LARGEST_BYTES)
    path.with_suffix(".json").write_text(json.dumps(card(), indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(card_text(), encoding="utf-8")


def export_control(control: ControlNetModel, path: Path = CONTROL) -> None:
    """Writes the ControlNet at ``path`` (at most 16 MB, float16, original names), with its card for people beside it."""
    metadata = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/controlnet",
        "modelspec.implementation": "https://github.com/lllyasviel/ControlNet",
        "modelspec.title": "Starter canny",
        "modelspec.description": CONTROL_DESCRIPTION,
        "modelspec.resolution": f"{PICTURE_SIZE}x{PICTURE_SIZE}",
        "modelspec.license": LICENSE,
    }
    _write(path, control_tensors(control), metadata, CONTROL_BYTES)
    path.with_suffix(".md").write_text(CONTROL_CARD.format(description=CONTROL_DESCRIPTION, size=PICTURE_SIZE, license=LICENSE), encoding="utf-8")


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], largest: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    save_file(tensors, unfinished, metadata)
    size = unfinished.stat().st_size
    if size > largest:
        unfinished.unlink()
        raise ValueError(f"{path.name} would be {size} bytes; at most {largest} are allowed. Make a network narrower.")
    unfinished.chmod(0o644)  # the library makes files that only their owner can read
    os.replace(unfinished, path)
    log.info("wrote %s, %.1f MB", path, size / 1e6)


def card() -> dict[str, object]:
    """What the model can draw, for people and for the page: read from the tables that it was trained with."""
    return {
        "title": "Starter",
        "description": DESCRIPTION,
        "license": LICENSE,
        "sd version": "SD1",
        "width": PICTURE_SIZE,
        "height": PICTURE_SIZE,
        "objects": list(OBJECTS),
        "colours": list(COLOUR_NAMES),
        "styles": list(STYLES),
        "words": {name: sorted(set(words)) for name, words in {**OBJECT_WORDS, **COLOUR_WORDS}.items()},
        "example prompts": list(EXAMPLE_PROMPTS),
    }


def card_text() -> str:
    """The same card in Markdown, with how the model was made and what it cannot do."""

    def listed(table: dict[str, tuple[str, ...]]) -> str:
        lines = []
        for name, words in table.items():
            others = [word for word in dict.fromkeys(words) if word != name]
            lines.append(f"- {name}" + (f" (also: {', '.join(others)})" if others else ""))
        return "\n".join(lines)

    return CARD_TEXT.format(
        description=DESCRIPTION,
        prompts="\n".join(f"- `{prompt}`" for prompt in EXAMPLE_PROMPTS),
        objects=listed(OBJECT_WORDS),
        colours=listed(COLOUR_WORDS),
        styles=", ".join(STYLES),
        size=PICTURE_SIZE,
        held_out=HELD_OUT_PERCENT,
        license=LICENSE,
    )
