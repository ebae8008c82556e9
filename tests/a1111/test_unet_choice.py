"""A UNet that an extension lists runs in the model's place while the setting "SD Unet" names it."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from modules.a1111 import callbacks, unet_choice
from modules.application.app import App
from tests.a1111.test_model_insides import app, plain  # noqa: F401
from tests.a1111.test_model_insides import drawn as by_scripts

pytestmark = pytest.mark.golden


class Halved(unet_choice.SdUnet):
    """As Deep Shrink and its like do it: the model's own blocks, called one after the other."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.told = model.to("cpu"), list[str]()

    def forward(self, x: Any, timesteps: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        from modules.a1111.foreign_packages import REAL

        model = self.model
        emb = model.time_embed(REAL["ldm.modules.diffusionmodules.util"]["timestep_embedding"](timesteps, model.model_channels, repeat_only=False))
        h, kept = x.type(model.dtype), []
        for block in model.input_blocks:
            h = block(h, emb, context)
            kept.append(h)
        h = model.middle_block(h, emb, context)
        for block in model.output_blocks:
            h = block(torch.cat([h, kept.pop()], dim=1), emb, context)
        return model.out(h) / 2

    def activate(self) -> None:
        self.told.append("activated")

    def deactivate(self) -> None:
        self.told.append("deactivated")


@pytest.fixture
def listed(app: App, plain: bytes) -> Iterator[unet_choice.SdUnetOption]:  # noqa: F811
    from modules import shared

    option = unet_choice.SdUnetOption()
    option.label = "Halved"
    option.create_unet = lambda: Halved(shared.sd_model.model.diffusion_model)  # type: ignore[method-assign]
    add = lambda found: found.append(option)
    callbacks.on_list_unets(add)
    unet_choice.list_unets()
    yield option
    app.extensions.registry.remove_function(add)
    unet_choice.list_unets()


def drawn(app: App, **settings: Any) -> bytes:  # noqa: F811
    return by_scripts(app, "", override_settings=settings).images[0].picture.tobytes()


def test_it_draws_while_it_is_chosen(app: App, plain: bytes, listed: unet_choice.SdUnetOption) -> None:  # noqa: F811
    from modules import sd_unet

    assert unet_choice.unet_items() == ["Automatic", "None", "Halved"] and drawn(app) == plain
    assert drawn(app, sd_unet="Halved") != plain
    made = sd_unet.current_unet
    assert sd_unet.current_unet_option is listed and made.told == ["activated"]
    drawn(app, sd_unet="Halved")
    assert made.told == ["activated"], "it stays for the next picture"
    assert drawn(app) == plain and made.told == ["activated", "deactivated"] and sd_unet.current_unet is None


def test_automatic_takes_the_one_that_is_named_like_the_checkpoint(app: App, plain: bytes, listed: unet_choice.SdUnetOption) -> None:  # noqa: F811
    from modules import shared

    listed.model_name = shared.sd_model.sd_checkpoint_info.model_name
    assert drawn(app) != plain and drawn(app, sd_unet="None") == plain
