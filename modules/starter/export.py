"""Writes the finished checkpoint and its card."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel

from modules.starter.captions import COLOUR_WORDS, OBJECT_WORDS
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, PICTURE_SIZE, STYLES
from modules.starter.original_layout import original_tensors

log = logging.getLogger(__name__)

CHECKPOINT = Path(__file__).parents[2] / "models" / "Stable-diffusion" / "starter.safetensors"
LARGEST_BYTES = 32_000_000
LICENSE = "MIT"
DESCRIPTION = (
    "A small text-to-image model that draws one game icon or plain shape in a named colour on a named background. "
    "Trained from scratch on pictures drawn by this program's own code (python -m modules.starter)."
)
EXAMPLE_PROMPTS = (
    "a red potion on a blue background",
    "glossy golden coin on black",
    "pixel art green sword, white background",
    "an outlined purple heart on a yellow background",
    "a cyan gem on a grey background, flat style",
    "orange flame on a black background, glossy",
)


def export_checkpoint(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, path: Path = CHECKPOINT) -> None:
    """Writes ``path`` (at most 32 MB, float16, original names) and its card as ``.json`` beside it."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    save_file(original_tensors(unet, vae, text_encoder), unfinished, metadata)
    size = unfinished.stat().st_size
    if size > LARGEST_BYTES:
        unfinished.unlink()
        raise ValueError(f"The starter checkpoint would be {size} bytes; at most {LARGEST_BYTES} are allowed. Make a network narrower.")
    os.replace(unfinished, path)
    path.with_suffix(".json").write_text(json.dumps(card(), indent=2) + "\n", encoding="utf-8")
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
