"""A checkpoint file -> Components: family from the header, sizes from the shapes, weights one by one. No network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

import torch

from modules.compute.attention import ALWAYS_THE_SAME, BY_MEMORY
from modules.compute.compiled import Compiled
from modules.compute.memory import free_bytes, give_freed_blocks_back, is_out_of_memory
from modules.compute.one_core import OneCore, is_small
from modules.compute.openvino_calls import OpenVinoCalls
from modules.compute.placement import placement_for
from modules.compute.policy import ComputePolicy, ModelBytes, Residency
from modules.compute.replay import Replays
from modules.compute.switches import set_switches
from modules.families.detect import detect
from modules.families.family import ModelFamily
from modules.families.table import RUNNING
from modules.library.model_file import ModelFile
from modules.loading.beside import Beside, read_beside
from modules.loading.components import Components, scaled_linear_alphas, size_in_bytes, with_zero_terminal_snr
from modules.loading.fill import Filling
from modules.loading.float8 import STORED, keep_in_float8
from modules.loading.parts import NO_FILES, FoundParts, PartFiles, Search
from modules.loading.prediction import prediction_of
from modules.loading.unread import may_wait
from modules.loading.vae import filled_vae, prepare_vae, ready, suits_processor
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad, OutOfMemory

log = logging.getLogger(__name__)


def load_checkpoint(
    model_file: ModelFile,
    policy: ComputePolicy,
    *,
    vae_file: ModelFile | None = None,
    files: PartFiles = NO_FILES,
    before_reading: Callable[[], None] | None = None,
) -> Components:
    """Load one checkpoint for drawing under ``policy``, with the VAE of ``vae_file`` instead of its own if that is given.

    files: text encoders and VAEs, of which those are taken that the checkpoint does not hold itself.

    Holds at no time more than the weights in their final type and one tensor of the file.
    before_reading: called once all names and shapes are found right and only the reading is left;
    the place to let go of another model.
    Raises CannotLoad (what is wrong with which file, or that its family cannot be run yet) and OutOfMemory.
    """
    started = time.perf_counter()
    set_switches(policy)
    with ExitStack() as opened, _memory_errors(model_file):
        weights = opened.enter_context(closing(open_weights(model_file.path)))
        family = detect(weights.header)
        if not family.runs:
            raise CannotLoad(model_file.path, family.cannot_run, f"Choose a checkpoint of a family that runs: {RUNNING}.")
        chosen_vae = None if vae_file is None else opened.enter_context(closing(open_weights(vae_file.path)))
        parts = Search(family=family, weights=weights, files=files, opened=opened).found(chosen_vae)
        fill = _prepared(model_file, family, weights, parts, policy.for_family(family))
        if before_reading is not None:
            before_reading()
        components = replace(fill(vae_file or parts.vae_file), own_vae_file=parts.vae_file)
    give_freed_blocks_back()                        # what weights left behind that were put into another order
    seconds, size = time.perf_counter() - started, size_in_bytes(components.built_modules())
    log.info("loaded %s in %.1f s, %.0f MB, %s", model_file.stem, seconds, size / 1e6, policy.weight_dtype)
    return components


def _prepared(
    model_file: ModelFile, family: ModelFamily, weights: Weights, parts: FoundParts, policy: ComputePolicy
) -> Callable[[ModelFile | None], Components]:
    """Everything checked and nothing read: what comes back reads the weights."""
    from modules.loading.text_encoder import prepare_text_encoder
    from modules.loading.transformer import ready_transformer

    beside = read_beside(model_file.path)
    heads = {spec.name: count for spec, count in zip(family.text_encoders, beside.text_heads)}
    encoders = [prepare_text_encoder(spec, file, heads.get(spec.name), weights) for spec, file in parts.text_encoders]
    denoiser, vae = _prepared_denoiser(family, weights, beside), prepare_vae(parts.vae, family.latent)
    asked, dtype, vae_dtype = policy, getattr(torch, policy.weight_dtype), getattr(torch, policy.vae_dtype)
    size = ModelBytes(
        text_encoders=tuple(_bytes(encoder.filling, dtype) for encoder in encoders), vae=_bytes(vae, vae_dtype),
        denoiser=_bytes(denoiser, STORED if policy.float8_weights else dtype))  # fmt: skip

    def fill(vae_file: ModelFile | None) -> Components:
        policy = _with_room(asked, size, model_file)
        target: dict[str, Any] = {"device": torch.device(policy.load_device), "dtype": dtype}
        alphas = scaled_linear_alphas(family.betas)
        text_encoders = tuple(encoder.fill(**target, later=may_wait(encoder.filling, policy)) for encoder in encoders)
        model = denoiser.fill(**target, for_processor=suits_processor(policy))
        model = ready(model, policy) if family.denoiser == "unet" else ready_transformer(model, target["device"])
        if policy.float8_weights:
            keep_in_float8(model, getattr(torch, policy.compute_dtype))
        return Components(
            checkpoint=model_file,
            family=family,
            prediction=family.prediction if family.is_flow else prediction_of(family, beside, model, weights.header.metadata),
            text_encoders=text_encoders,
            unet=model,
            vae=filled_vae(vae, policy),
            alphas_cumprod=with_zero_terminal_snr(alphas) if family.zero_terminal_snr or beside.zero_terminal_snr else alphas,
            placement=placement_for(policy),
            policy=policy,
            **_calls(model, policy, family),
            vae_file=vae_file,
        ).attached()

    return fill


def _calls(model: Any, policy: ComputePolicy, family: ModelFamily) -> dict[str, Any]:
    """For a UNet that is on a GPU as a whole (elsewhere its weights are in another place in the next call), or on the processor, where ``OpenVinoCalls`` can be asked for and small ones have a way of their own."""
    if family.denoiser != "unet" or policy.residency is Residency.STREAM_BLOCKS or not policy.device.startswith(("cuda", "cpu")):
        return {}
    from diffusers.models.attention_processor import AttnProcessor2_0

    if policy.device == "cpu":
        attention = (AttnProcessor2_0, *ALWAYS_THE_SAME, *BY_MEMORY)        # a small model needs little
        return {"calls": (OneCore if is_small(model) else OpenVinoCalls)(model, plain_attention=attention)}
    compiled = Compiled(model)
    return {"calls": Replays(model, plain_attention=(AttnProcessor2_0, *ALWAYS_THE_SAME), own_way=compiled), "compiled": compiled}


def _bytes(filling: Filling[Any], dtype: torch.dtype) -> int:
    return sum(parameter.numel() for parameter in filling.module.parameters()) * dtype.itemsize


def _with_room(policy: ComputePolicy, size: ModelBytes, model_file: ModelFile) -> ComputePolicy:
    """The policy with the memory mode that fits what is free on the device now; where that is not the usual one, it is said."""
    free = free_bytes(torch.device(policy.device))
    found = policy.for_room(size, free)
    if found.residency is not Residency.KEEP and not policy.residency_is_asked:
        log.info("memory: %s has %.1f GB of weights, and %.1f GB are free: %s", model_file.stem, size.whole / 1e9, free / 1e9, found.residency.value)
    return found


def _prepared_denoiser(family: ModelFamily, weights: Weights, beside: Beside) -> Filling[Any]:
    if family.denoiser == "unet":
        from modules.loading.unet import prepare_unet

        return prepare_unet(family, weights, beside.unet_heads)
    from modules.loading.transformer import prepare_transformer

    return prepare_transformer(family, weights, beside)


@contextmanager
def _memory_errors(model_file: ModelFile) -> Iterator[None]:
    """An allocation that fails becomes an OutOfMemory with a remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            size = f"{model_file.size / 1e9:.1f} GB" if model_file.size else "its size"
            raise OutOfMemory(
                f"There is not enough memory to load {model_file.name} ({size} on disk).",
                "Close other programs, choose a smaller checkpoint, or start with --medvram.",
            ) from error
        raise
