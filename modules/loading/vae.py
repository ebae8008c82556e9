"""A VAE out of a checkpoint or out of a file of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from modules.compute.attention import apply_attention
from modules.compute.policy import ComputePolicy
from modules.compute.processor_layers import suit_processor
from modules.families.family import LatentFormat, ModelFamily
from modules.families.foreign import foreign_kind
from modules.library.model_file import ModelFile
from modules.loading.components import size_in_bytes
from modules.loading.fill import Filling, prepared
from modules.loading.unread import Unread, may_wait, read_later
from modules.loading.vae_layout import vae_config, vae_levels
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    Convolutional = TypeVar("Convolutional", AutoencoderKL, UNet2DConditionModel)

log = logging.getLogger(__name__)
IN_CHECKPOINT = "first_stage_model."
_NOT_OF_THE_VAE = ("loss.", "model_ema.")
_PREFIXES = (IN_CHECKPOINT, "vae.")         # the second is what ComfyUI writes for FLUX.1
DECODER_BEGINNINGS = tuple(f"{prefix}decoder.{name}.weight" for prefix in ("", *_PREFIXES) for name in ("conv_in", "conv1"))


def vae_prefix(names: Iterable[str]) -> str:
    """What the names of a whole checkpoint's VAE begin with; "" when it has none, or the file is a VAE alone."""
    found = {prefix for name in names for prefix in _PREFIXES if name.startswith(prefix)}
    return next((prefix for prefix in _PREFIXES if prefix in found), "")


def load_vae(vae_file: ModelFile, family: ModelFamily, policy: ComputePolicy) -> AutoencoderKL:
    """The VAE of a VAE file or of a whole checkpoint, for models of ``family``.

    Original or diffusers' layout, .safetensors, .ckpt or .pt. Raises CannotLoad when it holds none that fits.
    """
    started = time.perf_counter()
    weights = open_weights(vae_file.path)
    try:
        filling = prepare_vae(weights, family.latent)
        vae = filled_vae(filling, policy)
    finally:
        weights.close()
    seconds, size = time.perf_counter() - started, size_in_bytes((vae,))
    log.info("loaded VAE of %s in %.1f s, %.0f MB, %s", vae_file.stem, seconds, size / 1e6, policy.vae_dtype)
    return vae


def filled_vae(filling: Filling[AutoencoderKL], policy: ComputePolicy) -> AutoencoderKL:
    """The VAE, ``ready``. Where that may wait, its halves are in the file but for the moment when they are used; where the type could not be told otherwise,
    the encoder is read when it is first used, and stays."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    dtype, device, for_processor = getattr(torch, policy.vae_dtype), torch.device(policy.load_device), suits_processor(policy)
    if type(filling.module) is not AutoencoderKL or not may_wait(filling, policy):
        return ready(filling.fill(dtype=dtype, device=device, for_processor=for_processor), policy)
    tells_type = filling.module.post_quant_conv is not None
    most, encoder = filling.split("encoder")
    waits = {"encoder": Unread(encoder, dtype=dtype, returns=tells_type)}
    users = {"encode": "encoder", "tiled_encode": "encoder"} if tells_type else {}
    if tells_type:
        most, decoder = most.split("decoder")
        waits["decoder"] = Unread(decoder, dtype=dtype, returns=True)
        users |= {"decode": "decoder", "tiled_decode": "decoder"}
    vae = most.fill(dtype=dtype, device=device, for_processor=for_processor)
    return ready(read_later(vae, waits, users), policy)


def ready(model: Convolutional, policy: ComputePolicy) -> Convolutional:
    """``model`` (a UNet or VAE) with the attention and the memory format that ``policy`` asks for, in lean blocks, on the processor with our convolutions."""
    from modules.loading.lean_blocks import make_lean

    apply_attention(model, policy)
    if policy.channels_last and all(parameter.ndim < 5 for parameter in model.parameters()):
        nn.Module.to(model, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    make_lean(model)
    if suits_processor(policy):
        suit_processor(model)
    return model


def suits_processor(policy: ComputePolicy) -> bool:
    """Whether a model that is ``ready`` computes with our convolutions."""
    return policy.device == "cpu" and not policy.channels_last


def prepare_vae(weights: Weights, latent: LatentFormat) -> Filling[AutoencoderKL]:
    """The VAE in a file, its weights not read yet. Raises CannotLoad when there is none whose latents are of format ``latent``."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    from modules.loading.ldm_names import vae_names
    from modules.loading.patched_vae import is_patched, patched_vae_names, patched_vae_of

    header = weights.header
    prefix = vae_prefix(header.names)
    names = [name for name in header.names if prefix and name.startswith(prefix)]
    names = names or [name for name in header.names if not name.startswith(_NOT_OF_THE_VAE)]
    is_of_films = any(len(header.shapes[name]) == 5 for name in DECODER_BEGINNINGS if name in header.shapes)
    if is_of_films and latent.films:
        return _prepare_film_vae(weights, names, prefix, latent)
    if is_of_films or latent.films:
        whose = "Qwen-Image and Wan" if is_of_films else "other models than Qwen-Image"
        raise CannotLoad(header.path, f"its VAE is that of {whose}", "Choose another VAE, or Automatic.")
    levels = vae_levels(names)
    is_normalised = is_patched({name: header.shapes[name] for name in names})
    if levels and is_normalised != latent.patched:
        whose = "FLUX.2" if is_normalised else "other models than FLUX.2"
        raise CannotLoad(header.path, f"its VAE is that of {whose}", "Choose another VAE, or Automatic.")
    if levels == 0:
        kind = foreign_kind(header.shapes)
        what = f"this is {kind.title}" if kind else "it holds no VAE that this version knows"
        raise CannotLoad(header.path, what, "Choose another VAE.")
    if is_normalised:
        renamed = patched_vae_names(names, prefix, levels)
        with torch.device("meta"):
            patched = patched_vae_of(header.path, {name: header.shapes[source] for name, source in renamed.items()}, latent)
        return prepared(patched, renamed, weights, part="VAE")
    renamed = vae_names(names, levels)
    config = vae_config(header.path, {name: header.shapes[source] for name, source in renamed.items()}, latent)
    with torch.device("meta"):
        module = AutoencoderKL(**config)
    return prepared(module, renamed, weights, part="VAE")


def _prepare_film_vae(weights: Weights, names: Sequence[str], prefix: str, latent: LatentFormat) -> Filling[Any]:
    from modules.loading.film_vae import film_vae_config, film_vae_names, film_vae_of

    header = weights.header
    renamed = film_vae_names(names, prefix)
    try:
        config = film_vae_config({name: header.shapes[source] for name, source in renamed.items()})
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise CannotLoad(header.path, f"its VAE is incomplete: it lacks {error.args[0]}", "Download the file again.") from error
    if config["z_dim"] != latent.channels:
        raise CannotLoad(header.path, f"its VAE makes {config['z_dim']}-channel latents, the model needs {latent.channels}", "Choose another VAE.")
    with torch.device("meta"):
        module = film_vae_of(config)
    return prepared(module, renamed, weights, part="VAE")
