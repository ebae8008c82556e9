"""A checkpoint that an extension made in memory becomes the one in use: A1111's ``load_model(info, already_loaded_state_dict=...)``."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.a1111 import checkpoint_list as known
from modules.a1111.app_slot import current
from modules.a1111.checkpoint_list import CheckpointInfo, load_chosen
from modules.a1111.options import store
from modules.a1111.running import running_work
from modules.a1111.text_stage import GeneralConditioner
from modules.application.generation import CHECKPOINT_KEY
from modules.engine.text_door import reader_at
from modules.library.model_file import ModelFile
from modules.loading.components import Components
from modules.loading.safetensors_file import write_safetensors
from modules.schema.errors import WebuiError


def take_up(info: CheckpointInfo, state_dict: dict[str, Any]) -> None:
    """Choose it and load it, on the worker. ``info`` says what it is called; where it names a file, that is the model it was made from. Raises WebuiError."""
    app = current()
    tensors: dict[str, Tensor] = state_dict.get("state_dict", state_dict)
    parent, former = Path(info.filename), app.checkpoints.current
    model = app.unsaved.add(
        lambda file: write_safetensors(file, tensors), name=info.name, called=info.name_for_extra, sha256=info.sha256, config=parent.with_suffix(".yaml"), when_gone=_forget)
    known.told_as[model.path] = info
    info.title, info.shorthash = model.title, model.short_hash
    if former is not None:              # its parts may be those that were written into
        app.checkpoints.forget(former.path)
    store(CHECKPOINT_KEY, model.title)
    try:
        load_chosen()
    except WebuiError:
        app.unsaved.drop(model)
        raise
    _cache(info, tensors)


def _cache(info: CheckpointInfo, tensors: dict[str, Tensor]) -> None:
    """As A1111 by the setting: mergers begin from what they merged last."""
    room = current().settings.get("sd_checkpoint_cache")
    if room > 0:
        known.checkpoints_loaded[info] = dict(tensors)
        while len(known.checkpoints_loaded) > room:
            del known.checkpoints_loaded[next(iter(known.checkpoints_loaded))]


def written_into(parts: Components, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of a checkpoint's ``tensors`` that an extension gave other values in the loaded model. Nothing while a run is at work: LoRAs may be in."""
    work, found = running_work(), dict[str, Tensor]()
    view = parts.unet.__dict__.get("ldm_view")
    float8 = parts.policy is not None and parts.policy.float8_weights
    if view is not None and not float8 and not (work is not None and work.listeners):
        for name, each in view.diffusion_model.state_dict().items():
            key, live = f"model.diffusion_model.{name}", each.detach().cpu()
            if key in tensors and live.shape == tensors[key].shape and not torch.equal(tensors[key].to(live.dtype), live):
                found[key] = live.to(tensors[key].dtype, copy=True)
    stage = reader_at(parts)
    prefix = "conditioner." if isinstance(stage, GeneralConditioner) else "cond_stage_model."
    given: dict[str, Tensor] = getattr(stage, "__dict__", {}).get("given", {})
    return found | {prefix + name: each for name, each in given.items() if prefix + name in tensors}


def _forget(model: ModelFile) -> None:
    info = known.told_as.pop(model.path, None)
    if info is None or info in known.told_as.values():
        return
    for listed in (known.checkpoints_list, known.checkpoint_aliases):
        for key in [key for key, each in listed.items() if each is info]:
            del listed[key]
