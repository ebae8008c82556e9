"""SD 2.x: base, inpainting and depth. Told by OpenCLIP's layout; eps and v cannot be told apart by a header."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import UNET, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks

OPEN_CLIP_H = TextEncoderSpec(
    name="OpenCLIP-H", kind="open_clip", prefix="cond_stage_model.model.", hidden_act="gelu", layer=2, clip_skip="never", pad_token=0
)
_FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"

SD2 = ModelFamily(
    name="SD2",
    marks=(
        has(_FIRST_CONVOLUTION, axis=1, size=4),
        has(f"{UNET}middle_block.1.proj_in.weight", rank=2),
        has("cond_stage_model.model.ln_final.weight"),
        lacks(f"{UNET}label_emb.0.0.weight"),
    ),
    prediction=Prediction.EPSILON,
    latent=LatentFormat(channels=4, downscale=8, scale=0.18215, tiny="taesd", approximation="model.pt"),
    text_encoders=(OPEN_CLIP_H,),
    native_size=(768, 768),
    prediction_varies=True,
    runs=True,
)


def _with_inputs(name: str, in_channels: int, *, runs: bool) -> ModelFamily:
    marks = (has(_FIRST_CONVOLUTION, axis=1, size=in_channels), *SD2.marks[1:])
    return replace(SD2, name=name, marks=marks, in_channels=in_channels, native_size=(512, 512), prediction_varies=False, runs=runs)


SD2_INPAINTING = _with_inputs("SD2 inpainting", 9, runs=True)
SD2_DEPTH = _with_inputs("SD2 depth", 5, runs=True)
SD2_UNCLIP = replace(SD2, name="SD2 unCLIP", marks=(*SD2.marks[:3], has(f"{UNET}label_emb.0.0.weight")), runs=False)

SD2_ROWS = (SD2, SD2_INPAINTING, SD2_DEPTH, SD2_UNCLIP)
