"""``python -m modules.starter``: draws the pictures, trains the starter model and writes it to models/Stable-diffusion.
``python -m modules.starter control`` does so with its ControlNet, which goes to models/ControlNet; ``guide`` then trains that one on, on what sampling does;
``blend --files ...`` writes the mean of several of its states.

Every stage goes on from its last checkpoint in modules/starter/.work; delete that folder to begin anew.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from modules.starter import export, judge, preview
from modules.starter.control_blend import blend_controls
from modules.starter.control_guidance import guide_control
from modules.starter.control_training import STEPS as CONTROL_STEPS
from modules.starter.control_training import build_control, train_control
from modules.starter.drawing import draw, random_pose, random_subject
from modules.starter.latents import encode_pictures, whiten_latents
from modules.starter.original_layout import fill_control, read_networks
from modules.starter.text_training import train_text_encoder
from modules.starter.training import device
from modules.starter.unet_training import train_unet
from modules.starter.vae_training import as_tensor, train_decoder, train_vae

WHITENING_PICTURES = 768


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m modules.starter", description=__doc__)
    parser.add_argument("stage", nargs="?", choices=("model", "control", "guide", "blend", "judge"), default="model", help="what to train (default: model)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; on a busy machine one is fastest (default: 1)")
    parser.add_argument("--control-steps", type=int, default=CONTROL_STEPS, help="of the ControlNet's training; it may be changed on the way (default: %(default)s)")
    parser.add_argument("--files", type=Path, nargs="+", default=[], help="ControlNets to blend: copies of the shipped file, from several moments")
    arguments = parser.parse_args()
    if arguments.stage == "blend" and not arguments.files:
        parser.error("name the files to blend: --files a.safetensors b.safetensors")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    if arguments.stage == "judge":
        judge.train_judge()
    elif arguments.stage == "control":
        train_control(*read_networks(export.CHECKPOINT), steps=arguments.control_steps)
    elif arguments.stage == "guide":
        guide_shipped_control()
    elif arguments.stage == "blend":
        export.export_control(blend_controls(read_networks(export.CHECKPOINT)[0], arguments.files))
    else:
        train_model()


def train_model() -> None:
    """All stages in order, then the export."""
    text_encoder = train_text_encoder()
    vae = scaled_vae(train_vae())
    pictures = encode_pictures(vae)
    unet = train_unet(pictures, text_encoder)
    vae = train_decoder(vae)
    export.export_checkpoint(unet, vae, text_encoder)
    preview.write_preview(unet, vae, text_encoder)


def guide_shipped_control() -> None:
    unet, vae, text_encoder = read_networks(export.CHECKPOINT)
    control = build_control(unet)
    fill_control(control, export.CONTROL)
    guide_control(control, unet, vae, text_encoder)


def scaled_vae(vae: AutoencoderKL) -> AutoencoderKL:
    whiten_latents(vae, sample_of_pictures(WHITENING_PICTURES))
    return vae


def sample_of_pictures(count: int) -> Tensor:
    rng = np.random.default_rng(2)
    return as_tensor(np.stack([np.asarray(draw(random_subject(rng), random_pose(rng))) for _ in range(count)])).to(device())


if __name__ == "__main__":
    main()
