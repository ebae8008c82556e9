"""FLUX.1: dev, schnell and fill. Often the bare transformer, without the ``model.diffusion_model.`` in front."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import UNET, KeyShape, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks

CLIP_L_FLUX = TextEncoderSpec(name="CLIP-L", kind="clip", prefix="text_encoders.clip_l.transformer.")
T5_XXL_FLUX = TextEncoderSpec(name="T5-XXL", kind="t5", prefix="text_encoders.t5xxl.transformer.", hidden_act="gelu_new", max_length=512)


def _both(name: str) -> tuple[str, str]:
    return f"{UNET}{name}", name


# The modulation inside each block tells FLUX.1 from FLUX.2, the guidance layer tells it from Chroma.
_COMMON = (
    has(*_both("double_blocks.0.img_mod.lin.weight")),
    lacks(*_both("distilled_guidance_layer.in_proj.weight")),
)


def _inputs(size: int) -> KeyShape:
    return has(*_both("img_in.weight"), axis=1, size=size)


FLUX_DEV = ModelFamily(
    name="FLUX.1 dev",
    marks=(*_COMMON, _inputs(64), has(*_both("guidance_in.in_layer.weight"))),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=0.3611, shift=0.1159),
    text_encoders=(CLIP_L_FLUX, T5_XXL_FLUX),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the CLIP-L and T5-XXL text encoders and its VAE, unless they are inside",
)
FLUX_SCHNELL = replace(FLUX_DEV, name="FLUX.1 schnell", marks=(*_COMMON, _inputs(64), lacks(*_both("guidance_in.in_layer.weight"))))
FLUX_FILL = replace(FLUX_DEV, name="FLUX.1 fill", marks=(*_COMMON, _inputs(384)), in_channels=96)
FLUX_CONTROL = replace(FLUX_DEV, name="FLUX.1 depth or canny", marks=(*_COMMON, _inputs(128)), in_channels=32)

FLUX_ROWS = (FLUX_DEV, FLUX_SCHNELL, FLUX_FILL, FLUX_CONTROL)
