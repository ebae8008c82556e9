"""Draws the checkpoint's preview: the example prompts of its card, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from transformers.models.clip import CLIPTextModel

from modules.starter.export import CHECKPOINT, EXAMPLE_PROMPTS
from modules.starter.sampling import sample_pictures

COLUMNS = 3


def write_preview(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel) -> Path:
    """Writes ``starter.png`` beside the checkpoint, and returns where."""
    pictures = sample_pictures(unet, vae, text_encoder, list(EXAMPLE_PROMPTS))
    path = CHECKPOINT.with_suffix(".png")
    Image.fromarray(sheet(pictures, COLUMNS)).save(path, optimize=True)
    return path


def sheet(pictures: np.ndarray, columns: int) -> np.ndarray:
    """(B, H, W, 3) laid out in rows of ``columns``; the last row is filled up with black."""
    missing = -len(pictures) % columns
    pictures = np.concatenate([pictures, np.zeros_like(pictures[:1]).repeat(missing, axis=0)])
    rows = [np.concatenate(list(pictures[i : i + columns]), axis=1) for i in range(0, len(pictures), columns)]
    return np.concatenate(rows, axis=0)
