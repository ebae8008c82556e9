"""The on_cfg_* callbacks around each call of the model: A1111's records over ours, read back afterwards. Free where nobody listens."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.callback_params import AfterCFGCallbackParams, CFGDenoisedParams, CFGDenoiserParams
from modules.a1111.latent_pictures import store_latent
from modules.a1111.patch_points import looked_up
from modules.a1111.state import state
from modules.a1111.timestep_form import TimestepForm
from modules.engine.guidance import RowWeights
from modules.engine.hooks import DenoiserCall

if TYPE_CHECKING:
    from torch import Tensor


def before_model(p: Any, call: DenoiserCall, form: TimestepForm | None) -> DenoiserCall:
    """on_cfg_denoiser. SDXL's conditionings are dicts with "crossattn" and "vector", as in A1111. form: of a timestep sampler's call."""
    state.sampling_step, state.sampling_steps = call.sampling_step, call.sampling_steps
    if not listened("cfg_denoiser"):
        return call
    no_picture = call.x.new_zeros(len(call.x), 5, 1, 1)
    x, sigma = (call.x, call.sigma) if form is None else (form.input, torch.full_like(call.sigma, form.timestep))
    x_before, before = None if form is None else x.clone(), sigma.clone()
    params = CFGDenoiserParams(
        x, no_picture if call.image_cond is None else call.image_cond, sigma, call.sampling_step, call.sampling_steps, _cond(call.cond, call.vector_cond),
        None if call.uncond is None else _cond(call.uncond, call.vector_uncond), _denoiser(p, call),
    )  # fmt: skip
    callbacks.cfg_denoiser_callback(params)
    cond, vector = _parts(params.text_cond)
    uncond, vector_uncond = _parts(params.text_uncond)
    told = None if torch.equal(params.sigma, before) else params.sigma
    x, sigma = params.x, params.sigma
    if form is not None:
        told = None if told is None else form.sigmas_at(told)
        is_same = told is None and x_before is not None and torch.equal(x, x_before)
        x, sigma = call.x if is_same else form.latents_of(x, told), call.sigma
    return replace(
        call, x=x, sigma=sigma, told_sigma=told, image_cond=_picture(params.image_cond), cond=cond, vector_cond=vector, uncond=uncond,
        vector_uncond=vector_uncond,
    )  # fmt: skip


def after_model(call: DenoiserCall, rows: Tensor, inner_model: Any, form: TimestepForm | None) -> Tensor:
    """on_cfg_denoised: what the model found in all rows, changed in place; x0, of a timestep sampler the noise.

    inner_model: (x, sigma, cond=...), or (x, timesteps, cond=...) -> the same, the model once more.
    """
    if form is None:
        callbacks.cfg_denoised_callback(CFGDenoisedParams(rows, call.sampling_step, call.sampling_steps, inner_model))
        return rows
    noise, is_other = form.noise_of_rows(call, rows), call.told_sigma is not None or call.x is not form.own
    if listened("cfg_denoised"):
        before = noise.clone()
        callbacks.cfg_denoised_callback(CFGDenoisedParams(noise, call.sampling_step, call.sampling_steps, inner_model))
        is_other = is_other or not torch.equal(noise, before)       # as in A1111, another tensor in its place is not looked at
    return form.clean_rows(noise) if is_other else rows


def after_guidance(call: DenoiserCall, denoised: Tensor, weights: RowWeights, form: TimestepForm | None) -> Tensor:
    """on_cfg_after_cfg: (B, C, h, w), x0 or the noise. weights: of the rows."""
    if not listened("cfg_after_cfg"):
        return denoised
    x = denoised if form is None else form.noise(denoised, weights)
    before = None if form is None else x.clone()
    params = AfterCFGCallbackParams(x, call.sampling_step, call.sampling_steps)
    callbacks.cfg_after_cfg_callback(params)
    if form is None or before is None:
        return params.x
    return denoised if torch.equal(params.x, before) else form.clean(params.x, weights)


def store(latent: Tensor) -> None:
    """What previews show of this call; ``store_latent``, where an extension has put its own in that place, is told."""
    state.tell_latent(latent)
    stored = looked_up("modules.sd_samplers_common", "store_latent", store_latent)
    if stored is not store_latent:
        stored(latent)


def listened(category: str) -> bool:
    """Whether anybody registered for it."""
    return is_occupied() and bool(callbacks.registry().ordered(category))


def _denoiser(p: Any, call: DenoiserCall) -> Any:
    """What callbacks read of A1111's CFGDenoiser."""
    made = getattr(p.sampler, "model_wrap_cfg", None)
    if made is not None:
        return made
    return SimpleNamespace(p=p, step=call.step, total_steps=call.total_steps, steps=p.steps, sampler=p.sampler, mask=None, nmask=None,
                           init_latent=getattr(p, "init_latent", None), image_cfg_scale=getattr(p, "image_cfg_scale", None))


def _picture(image_cond: Any) -> Any:
    """None where it is, or was cut from, the zeros (B, 5, 1, 1) that stand there when the model reads no picture."""
    return None if image_cond is None or image_cond.shape[-2:] == (1, 1) else image_cond


def _cond(cross: Tensor, vector: Tensor | None) -> Any:
    return cross if vector is None else {"crossattn": cross, "vector": vector}


def _parts(cond: Any) -> tuple[Any, Any]:
    return (cond["crossattn"], cond["vector"]) if isinstance(cond, dict) else (cond, None)
