"""SD 1.x: base, inpainting and pix2pix. Told by a convolution before its transformers and OpenAI's CLIP beside them."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import CLIP_L, UNET, LatentFormat, ModelFamily, Prediction, has, lacks

_FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"

SD1 = ModelFamily(
    name="SD1",
    marks=(
        has(_FIRST_CONVOLUTION, axis=1, size=4),
        has(f"{UNET}middle_block.1.proj_in.weight", rank=4),
        has(f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"),
        lacks(f"{UNET}label_emb.0.0.weight"),
        lacks("cond_stage_model.model.ln_final.weight"),
    ),
    prediction=Prediction.EPSILON,
    latent=LatentFormat(channels=4, downscale=8, scale=0.18215, tiny="taesd", approximation="model.pt"),
    text_encoders=(CLIP_L,),
    native_size=(512, 512),
    fixed_heads=8,
    runs=True,
)


def _with_inputs(name: str, in_channels: int) -> ModelFamily:
    marks = (has(_FIRST_CONVOLUTION, axis=1, size=in_channels), *SD1.marks[1:])
    return replace(SD1, name=name, marks=marks, in_channels=in_channels)


SD1_INPAINTING = _with_inputs("SD1 inpainting", 9)
SD1_PIX2PIX = _with_inputs("SD1 pix2pix", 8)

SD1_ROWS = (SD1, SD1_INPAINTING, SD1_PIX2PIX)
