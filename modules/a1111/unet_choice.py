"""A1111's ``sd_unet``: another UNet in the model's place. Extensions may list some (``on_list_unets``); the house has its own only."""
from __future__ import annotations

from typing import Any

from torch import nn

unet_options: list[Any] = []
current_unet_option = None
current_unet = None
original_forward = None


class SdUnetOption:
    """One that can be chosen."""

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


def list_unets() -> None:
    """Ask extensions for theirs."""
    from modules.a1111 import callbacks

    unet_options[:] = callbacks.list_unets_callback()


def get_unet_option(option: Any = None) -> Any:
    """The one of that name; None for the model's own."""
    return next((each for each in unet_options if each.label == option), None)


def apply_unet(option: Any = None) -> None:
    """The model draws with its own UNet. Raises NotImplementedError for another."""
    if option not in (None, "None", "Automatic") and get_unet_option(option) is not None:
        raise NotImplementedError(f"The UNet {option!r} of an extension cannot take the place of the model's own here.")


def create_unet_forward(forward: Any) -> Any:
    return forward
