"""A checkpoint file -> Components: family from the header, sizes from the shapes, weights one by one. No network."""

from __future__ import annotations

import logging
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch

from modules.compute.policy import ComputePolicy
from modules.families.detect import detect
from modules.families.family import UNET, ModelFamily, Prediction, TextEncoderSpec
from modules.library.model_file import ModelFile
from modules.loading.beside import Beside, read_beside
from modules.loading.components import Components, TextEncoder, scaled_linear_alphas, size_in_bytes
from modules.loading.fill import filled
from modules.loading.text_layout import clip_config
from modules.loading.unet import build_unet
from modules.loading.vae import build_vae
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)
_TOKENIZER_FOLDER = Path(__file__).parent / "configs" / "clip_tokenizer"


def load_checkpoint(model_file: ModelFile, policy: ComputePolicy) -> Components:
    """Load one checkpoint for drawing under ``policy``.

    Holds at no time more than the weights in their final type and one tensor of the file.
    Raises CannotLoad: what is wrong with the file, or that its family cannot be run yet.
    """
    started = time.perf_counter()
    path = model_file.path
    weights = open_weights(path)
    try:
        family = detect(weights.header)
        if not family.runs:
            raise CannotLoad(path, family.cannot_run, "Choose an SD 1.x checkpoint.")
        components = _components(model_file, family, weights, read_beside(path), policy)
    finally:
        weights.close()
    seconds, size = time.perf_counter() - started, size_in_bytes(components.modules())
    log.info("loaded %s in %.1f s, %.0f MB, %s", model_file.stem, seconds, size / 1e6, policy.weight_dtype)
    return components


def _components(model_file: ModelFile, family: ModelFamily, weights: Weights, beside: Beside, policy: ComputePolicy) -> Components:
    names = weights.header.names
    device, dtype = torch.device(policy.load_device), getattr(torch, policy.weight_dtype)
    for part, prefix in (("denoiser", UNET), ("VAE", "first_stage_model.")):
        if not any(name.startswith(prefix) for name in names):
            raise CannotLoad(model_file.path, f"it has no {part} (no tensor {prefix}...)", "Choose a complete checkpoint.")
    text_encoders = tuple(_text_encoder(spec, weights, beside, device, dtype) for spec in family.text_encoders)
    unet = build_unet(family, weights, beside.unet_heads, device=device, dtype=dtype)
    vae_names = [name for name in names if name.startswith("first_stage_model.")]
    vae = build_vae(weights, vae_names, family.latent, device=device, dtype=getattr(torch, policy.vae_dtype))
    return Components(
        checkpoint=model_file,
        family=family,
        prediction=Prediction.V if beside.is_v_prediction else family.prediction,
        unet=unet,
        vae=vae,
        text_encoders=text_encoders,
        alphas_cumprod=scaled_linear_alphas(family.betas),
    )


def _text_encoder(spec: TextEncoderSpec, weights: Weights, beside: Beside, device: torch.device, dtype: torch.dtype) -> TextEncoder:
    from transformers import CLIPTextConfig, CLIPTextModel

    from modules.loading.ldm_names import clip_names

    header = weights.header
    names = clip_names(header.names, spec.prefix)
    config = clip_config(header.path, {name: header.shapes[source] for name, source in names.items()}, spec, beside.text_heads)
    with torch.device("meta"):
        module = CLIPTextModel(CLIPTextConfig(**config))
    filled(module, names, weights, part=f"{spec.name} text encoder", dtype=dtype, device=device)
    positions = torch.arange(config["max_position_embeddings"], device=device)[None]
    module.embeddings.register_buffer("position_ids", positions, persistent=False)  # no file holds it; meta until now
    return TextEncoder(module=module, tokenizer=clip_tokenizer(), spec=spec)


@cache
def clip_tokenizer() -> Any:
    """CLIP's own byte-pair tokenizer (49,408 entries), from the vocabulary in this folder."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(_TOKENIZER_FOLDER, local_files_only=True)
