"""Sizes are read off shapes: for the published SD 1.5 as for small ones, and impossible layouts are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from modules.families.detect import family_of
from modules.families.family import CLIP_L, UNET
from modules.families.sd15 import SD1
from modules.loading.ldm_names import clip_names, unet_names, vae_names
from modules.loading.text_layout import clip_config, heads_for_width
from modules.loading.unet_layout import unet_config
from modules.loading.vae_layout import vae_config, vae_levels
from modules.schema.errors import CannotLoad
from tests.loading.files import layout


def test_the_published_sd15_sizes_are_read_off_its_shapes() -> None:
    shapes = layout("FULL")
    assert family_of(shapes) is SD1
    config = unet_config("full", shapes, SD1)
    assert config["block_out_channels"] == [320, 640, 1280, 1280]
    assert config["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert config["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
    assert (config["layers_per_block"], config["cross_attention_dim"], config["attention_head_dim"]) == (2, 768, 8)
    assert (config["in_channels"], config["out_channels"], config["use_linear_projection"]) == (4, 4, False)


def test_the_published_text_encoder_and_vae_are_read_off_their_shapes() -> None:
    shapes = layout("FULL")
    names = clip_names(shapes, CLIP_L.prefix)
    config = clip_config("full", {name: shapes[source] for name, source in names.items()}, CLIP_L)
    assert (config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"], config["intermediate_size"]) == (768, 12, 12, 3072)
    own = [name for name in shapes if name.startswith("first_stage_model.")]
    renamed = vae_names(own, vae_levels(own))
    vae = vae_config("full", {name: shapes[source] for name, source in renamed.items()}, SD1.latent)
    assert (vae["block_out_channels"], vae["layers_per_block"], vae["latent_channels"]) == ([128, 256, 512, 512], 2, 4)


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (1280, 20), (64, 1), (128, 2), (96, 1), (200, 2), (32, 1), (7, 1), (192, 3)])
def test_the_rule_for_heads(width: int, heads: int) -> None:
    assert heads_for_width(width) == heads and width % heads == 0


def test_every_name_of_the_file_finds_its_place() -> None:
    shapes = layout("FULL")
    placed = [*unet_names(shapes, {"layers_per_block": 2}).values(), *clip_names(shapes, CLIP_L.prefix).values()]
    own = [name for name in shapes if name.startswith("first_stage_model.")]
    placed += vae_names(own, 4).values()
    assert sorted(placed) == sorted(name for name in shapes if not name.endswith("position_ids"))


def test_old_text_encoders_without_text_model_in_their_names_are_read() -> None:
    shapes = {name.replace("transformer.text_model.", "transformer."): shape for name, shape in layout("FULL").items()}
    assert clip_names(shapes, CLIP_L.prefix).keys() == clip_names(layout("FULL"), CLIP_L.prefix).keys()


def _without(shapes: Mapping[str, Any], *parts: str) -> dict[str, Any]:
    return {name: shape for name, shape in shapes.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("input_blocks.5.0.", "layers per level"), ("input_blocks.2.1.", "transformers of depths")],
)
def test_a_unet_that_diffusers_cannot_express_is_refused(missing: str, expected: str) -> None:
    with pytest.raises(CannotLoad, match=expected):
        unet_config("odd", _without(layout("TINY"), UNET + missing), SD1)


def test_a_vae_for_other_latents_is_refused() -> None:
    shapes = {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 16, 3, 3), "decoder.conv_out.weight": (3, 128, 3, 3)}
    with pytest.raises(CannotLoad, match="16-channel latents, the model needs 4"):
        vae_config("flux-ae", shapes, SD1.latent)
