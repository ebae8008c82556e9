"""A VAE out of a checkpoint or out of a file of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from modules.compute.policy import ComputePolicy
from modules.families.family import LatentFormat, ModelFamily
from modules.families.foreign import foreign_kind
from modules.library.model_file import ModelFile
from modules.loading.components import size_in_bytes
from modules.loading.fill import filled
from modules.loading.vae_layout import vae_config, vae_levels
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

log = logging.getLogger(__name__)


def load_vae(vae_file: ModelFile, family: ModelFamily, policy: ComputePolicy) -> AutoencoderKL:
    """Load a VAE file (original or diffusers' layout, .safetensors, .ckpt or .pt) for models of ``family``.

    Raises CannotLoad when it is no VAE, or one for another kind of model.
    """
    started = time.perf_counter()
    weights = open_weights(vae_file.path)
    try:
        names = [name for name in weights.header.names if not name.startswith(("loss.", "model_ema."))]
        if any(name.startswith("first_stage_model.") for name in names):
            names = [name for name in names if name.startswith("first_stage_model.")]
        if vae_levels(names) == 0:
            kind = foreign_kind(weights.header.shapes)
            raise CannotLoad(vae_file.path, f"this is {kind.title if kind else 'no VAE that this version knows'}, not a VAE", "Choose another VAE.")
        vae = build_vae(weights, names, family.latent, device=torch.device(policy.load_device), dtype=getattr(torch, policy.vae_dtype))
    finally:
        weights.close()
    log.info("loaded VAE %s in %.1f s, %.0f MB, %s", vae_file.stem, time.perf_counter() - started, size_in_bytes((vae,)) / 1e6, policy.vae_dtype)
    return vae


def build_vae(weights: Weights, names: Iterable[str], latent: LatentFormat, *, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """The VAE whose tensors in the file are called ``names``."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    from modules.loading.ldm_names import vae_names

    names = list(names)
    renamed = vae_names(names, vae_levels(names))
    shapes = {name: weights.header.shapes[source] for name, source in renamed.items()}
    config = vae_config(weights.header.path, shapes, latent)
    with torch.device("meta"):
        module = AutoencoderKL(**config)
    return filled(module, renamed, weights, part="VAE", dtype=dtype, device=device)
