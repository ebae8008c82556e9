"""A1111's ``sd_unet``: UNets of extensions (``on_list_unets``) that run in the model's place, as the setting "SD Unet" says."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from modules.a1111 import callbacks
from modules.a1111.app_slot import current, is_occupied
from modules.a1111.model_view import ldm_of, sd_model
from modules.a1111.options import value_of

unet_options: list[Any] = []
original_forward = None


class SdUnetOption:
    """One that can be chosen. model_name: "Automatic" takes it for the checkpoint of that name."""

    model_name: Any = None
    label: Any = None

    def create_unet(self) -> Any:
        raise NotImplementedError


class SdUnet(nn.Module):
    def forward(self, x: Any, timesteps: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def activate(self) -> None:
        pass

    def deactivate(self) -> None:
        pass


@dataclass(eq=False)
class InPlace:
    """What runs now: an option, what it made, and the UNet in whose place that is."""

    option: Any = None
    unet: Any = None
    replaced: Any = None


in_place = InPlace()


def now(name: str) -> Any:
    """``current_unet`` and ``current_unet_option``, which extensions read in the module."""
    found = {"current_unet": in_place.unet, "current_unet_option": in_place.option}
    if name not in found:
        raise AttributeError(name)
    return found[name]


def list_unets() -> None:
    """Ask extensions for theirs."""
    unet_options[:] = callbacks.list_unets_callback()


def unet_labels() -> list[str]:
    """Those that can be chosen now."""
    if is_occupied():
        list_unets()
    return [str(each.label) for each in unet_options]


def unet_items() -> list[str]:
    return ["Automatic", "None", *unet_labels()]


def get_unet_option(option: Any = None) -> Any:
    """The one of that label, by default the setting's; None for the model's own."""
    wanted, model = option or value_of("sd_unet"), sd_model()
    if wanted == "Automatic" and model is not None:
        return next((each for each in unet_options if each.model_name is not None and each.model_name == model.sd_checkpoint_info.model_name), None)
    return next((each for each in unet_options if each.label == wanted), None)


def apply_unet(option: Any = None) -> None:
    """From now on the loaded model draws with that one, or with its own again. What the extension raises is passed on, and the model keeps its own."""
    parts = current().checkpoints.components
    chosen = get_unet_option(option) if parts is not None and hasattr(parts.unet, "down_blocks") else None
    model = None if chosen is None else ldm_of(parts).diffusion_model
    if chosen is in_place.option and model is in_place.replaced:
        return
    _take_away()
    if chosen is not None:
        made = chosen.create_unet()
        made.option = chosen
        made.activate()
        in_place.option, in_place.unet, in_place.replaced = chosen, made, model
        model.__dict__["stand_in"] = made


def _take_away() -> None:
    before = in_place.unet
    if before is not None:
        in_place.replaced.__dict__["stand_in"] = None
        in_place.option = in_place.unet = in_place.replaced = None
        before.deactivate()


def create_unet_forward(forward: Any) -> Any:
    """A1111 put this around the model's own ``forward``; here the model itself asks what stands in its place."""
    return forward
