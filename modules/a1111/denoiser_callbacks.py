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
from modules.engine.hooks import DenoiserCall

if TYPE_CHECKING:
    from torch import Tensor


def before_model(p: Any, call: DenoiserCall) -> DenoiserCall:
    """on_cfg_denoiser. SDXL's conditionings are dicts with "crossattn" and "vector", as in A1111."""
    state.sampling_step, state.sampling_steps = call.sampling_step, call.sampling_steps
    if not listened("cfg_denoiser"):
        return call
    before, no_picture = call.sigma.clone(), call.x.new_zeros(len(call.x), 5, 1, 1)
    params = CFGDenoiserParams(
        call.x, no_picture if call.image_cond is None else call.image_cond, call.sigma, call.sampling_step, call.sampling_steps, _cond(call.cond, call.vector_cond),
        None if call.uncond is None else _cond(call.uncond, call.vector_uncond), _denoiser(p, call),
    )  # fmt: skip
    callbacks.cfg_denoiser_callback(params)
    cond, vector = _parts(params.text_cond)
    uncond, vector_uncond = _parts(params.text_uncond)
    told = None if torch.equal(params.sigma, before) else params.sigma
    return replace(
        call, x=params.x, sigma=params.sigma, told_sigma=told, image_cond=_picture(params.image_cond), cond=cond, vector_cond=vector, uncond=uncond,
        vector_uncond=vector_uncond,
    )  # fmt: skip


def after_model(call: DenoiserCall, rows: Tensor, inner_model: Any) -> Tensor:
    """on_cfg_denoised: x0 of all rows, changed in place or replaced. inner_model: (x, sigma, cond=...) -> x0, the model once more."""
    params = CFGDenoisedParams(rows, call.sampling_step, call.sampling_steps, inner_model)
    callbacks.cfg_denoised_callback(params)
    return params.x


def after_guidance(p: Any, call: DenoiserCall, denoised: Tensor) -> Tensor:
    """on_cfg_after_cfg; and ``store_latent``, where an extension has put its own in that place to be told of each call."""
    state.current_latent = denoised
    stored = looked_up("modules.sd_samplers_common", "store_latent", store_latent)
    if stored is not store_latent:
        stored(denoised)
    if not listened("cfg_after_cfg"):
        return denoised
    params = AfterCFGCallbackParams(denoised, call.sampling_step, call.sampling_steps)
    callbacks.cfg_after_cfg_callback(params)
    return params.x


def listened(category: str) -> bool:
    """Whether anybody registered for it."""
    return is_occupied() and bool(callbacks.registry().ordered(category))


def _denoiser(p: Any, call: DenoiserCall) -> Any:
    """What callbacks read of A1111's CFGDenoiser."""
    made = getattr(p.sampler, "model_wrap_cfg", None)
    if made is not None:
        made.init_latent, made.image_cfg_scale = getattr(p, "init_latent", None), getattr(p, "image_cfg_scale", None)
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
