"""The sizes of a VAE, read off its tensors' shapes under AutoencoderKL's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modules.families.family import LatentFormat, Shapes
from modules.schema.errors import CannotLoad


def vae_levels(names: Iterable[str]) -> int:
    """How many resolutions the VAE in a file has, counted in the original layout's names or diffusers'."""
    return max((int(_after(name)) for name in names if "decoder.up." in name or "decoder.up_blocks." in name), default=-1) + 1


def _after(name: str) -> str:
    for marker in ("decoder.up.", "decoder.up_blocks."):
        if marker in name:
            return name.split(marker, 1)[1].split(".", 1)[0]
    return "0"


def vae_config(path: object, shapes: Shapes, latent: LatentFormat) -> dict[str, Any]:
    """AutoencoderKL's config for a VAE with these shapes (AutoencoderKL's names).

    Raises CannotLoad when half of the VAE is missing or its latents do not fit ``latent``.
    """
    try:
        widths = []
        while f"encoder.down_blocks.{len(widths)}.resnets.0.conv1.weight" in shapes:
            widths.append(shapes[f"encoder.down_blocks.{len(widths)}.resnets.0.conv1.weight"][0])
        latent_channels = shapes["decoder.conv_in.weight"][1]
        pictures_in, pictures_out = shapes["encoder.conv_in.weight"][1], shapes["decoder.conv_out.weight"][0]
    except KeyError as error:
        raise CannotLoad(path, f"its VAE is incomplete: it lacks {error.args[0]}", "Download the file again.") from error
    if latent_channels != latent.channels:
        raise CannotLoad(path, f"its VAE makes {latent_channels}-channel latents, the model needs {latent.channels}", "Choose another VAE.")
    layers = 0
    while f"encoder.down_blocks.0.resnets.{layers}.conv1.weight" in shapes:
        layers += 1
    return {
        "in_channels": pictures_in,
        "out_channels": pictures_out,
        "latent_channels": latent_channels,
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "mid_block_add_attention": "decoder.mid_block.attentions.0.to_q.weight" in shapes,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "scaling_factor": latent.scale,
        "shift_factor": latent.shift or None,
        "force_upcast": False,
    }
