"""Krea 2: Raw, and Turbo, which is distilled to few steps. It reads what Qwen3-VL thinks of the prompt after each third of its layers."""

from __future__ import annotations

import math
from dataclasses import replace

from modules.families.family import FlowShift, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, spelled
from modules.families.qwen_text import DESCRIBED

_TOWARDS_NOISE = 1.15

QWEN3_VL_4B = TextEncoderSpec(
    name="Qwen3-VL 4B", kind="qwen3-vl", prefix="text_encoders.qwen3vl_4b.transformer.model.", hidden_act="silu", max_length=546, layers=tuple(range(2, 36, 3)),
    clip_skip="never", masked=True, template=DESCRIBED, dropped=34, files="qwen3vl_4b_fp8_scaled.safetensors",
)  # fmt: skip

KREA_2 = ModelFamily(
    name="Krea 2",
    marks=(has(*spelled("txtfusion.projector.weight", "text_fusion.projector.weight")),),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=1.0, films=True),
    text_encoders=(QWEN3_VL_4B,),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the Qwen3-VL 4B text encoder and Qwen-Image's VAE",
    denoiser="krea2",
    shift=FlowShift(by_size=(0.5, _TOWARDS_NOISE), largest=6400),
    runs=True,
    needs_bfloat16=True,
    vae="qwen_image_vae.safetensors",
    vae_files=("qwen", "wan"),
)
KREA_2_TURBO = replace(KREA_2, name="Krea 2 Turbo", called="turbo|distilled", shift=FlowShift(factor=math.exp(_TOWARDS_NOISE)))

KREA_ROWS = (KREA_2,)
