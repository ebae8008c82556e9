"""A pass begins: its control units are asked for, and their pictures encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from modules.compute.noise import Stream
from modules.engine.control import Beginning, Control
from modules.engine.encode import encode_drawn
from modules.engine.rescue import once_more

if TYPE_CHECKING:
    from modules.engine.hooks import BatchPlan
    from modules.engine.run import Run


def begin_control(run: Run, plan: BatchPlan, *, hires: bool) -> Control | None:
    """The control units of a pass, ready to act; None without any. Raises what their makers raise, before any step."""
    known = len(run.control_pictures)

    def begin() -> Control | None:
        del run.control_pictures[known:]            # a second try draws the same numbers for them
        return _begun(run, plan, hires=hires)

    return once_more(begin, said=run.say, make_room=run.free_room)


def _begun(run: Run, plan: BatchPlan, *, hires: bool) -> Control | None:
    family = run.components.family
    control: Control | None = run.hooks.control(plan, hires=hires, components=run.components)
    if control is None or not control.units:
        return None
    stream = Stream(plan.images[-1].seed, "CPU")     # A1111's global stream, as the last image's noise left it

    def encode(picture: Tensor) -> Tensor:
        for known, latent in run.control_pictures:
            if known.shape == picture.shape and torch.equal(known, picture):
                return latent
        found = encode_drawn(picture, run.components.vae, family.latent, stream, run.vae_rescue)
        run.control_pictures.append((picture, found))
        return found

    return control.prepared(
        Beginning(
            encode=encode, stream=stream, unet=run.components.unet, is_sdxl=family.is_sdxl, shown_channels=family.in_channels - family.latent.channels,
            last_alpha=float(run.models.now.model.alphas_cumprod[-1]),
        )
    )
