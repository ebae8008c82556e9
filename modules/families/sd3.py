"""SD 3 and SD 3.5: joint transformers over 16-channel latents. The 3.5 models normalise queries and keys."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import UNET, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks

_TEXT = "text_encoders."
CLIP_L_SD3 = TextEncoderSpec(name="CLIP-L", kind="clip", prefix=f"{_TEXT}clip_l.transformer.")
CLIP_G_SD3 = TextEncoderSpec(name="CLIP-G", kind="clip", prefix=f"{_TEXT}clip_g.transformer.", hidden_act="gelu")
T5_XXL = TextEncoderSpec(name="T5-XXL", kind="t5", prefix=f"{_TEXT}t5xxl.transformer.", hidden_act="gelu_new", max_length=256)

_QUERY_NORM = "joint_blocks.0.x_block.attn.ln_q.weight"
_COMMON = (
    has(f"{UNET}x_embedder.proj.weight", "x_embedder.proj.weight", axis=1, size=16),
    has(f"{UNET}joint_blocks.0.x_block.attn.qkv.weight", "joint_blocks.0.x_block.attn.qkv.weight"),
)

SD3 = ModelFamily(
    name="SD3",
    marks=(*_COMMON, lacks(f"{UNET}{_QUERY_NORM}", _QUERY_NORM)),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=1.5305, shift=0.0609),
    text_encoders=(CLIP_L_SD3, CLIP_G_SD3, T5_XXL),
    native_size=(1024, 1024),
    in_channels=16,
)
SD35 = replace(SD3, name="SD3.5", marks=(*_COMMON, has(f"{UNET}{_QUERY_NORM}", _QUERY_NORM)))

SD3_ROWS = (SD3, SD35)
