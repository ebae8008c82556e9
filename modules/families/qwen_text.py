"""Transformers that read prompts with a Qwen language model: Z-Image, Qwen-Image."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import SIXTEEN, FlowShift, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

_CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
_DESCRIBE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships "
    "of the objects and background:<|im_end|>\n"
)

QWEN3_4B = TextEncoderSpec(
    name="Qwen3 4B", kind="qwen", prefix="text_encoders.qwen3_4b.transformer.model.", hidden_act="silu", max_length=512, layer=2, final_norm=False,
    clip_skip="never", masked=True, template=_CHAT, files="qwen_3_4b.safetensors",
)  # fmt: skip
QWEN25_VL = TextEncoderSpec(
    name="Qwen2.5-VL 7B", kind="qwen", prefix="text_encoders.qwen25_7b.transformer.model.", hidden_act="silu", max_length=1058, clip_skip="never",
    masked=True, template=_DESCRIBE + _CHAT, dropped=34, files="qwen_2.5_vl_7b_fp8_scaled.safetensors",
)  # fmt: skip

Z_IMAGE = ModelFamily(
    name="Z-Image",
    marks=(
        has(*spelled("cap_embedder.0.weight")),
        has(*spelled("layers.0.attention.qkv.weight", "layers.0.attention.to_q.weight")),
        has(*spelled("cap_pad_token")),
    ),
    prediction=Prediction.FLOW,
    latent=SIXTEEN,
    text_encoders=(QWEN3_4B,),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the Qwen3 4B text encoder and FLUX.1's VAE",
    denoiser="z-image",
    shift=FlowShift(factor=3.0),
    runs=True,
    needs_bfloat16=True,
    vae_files=("ae", "flux", "z_image", "z-image"),
    other_vae_files=("sd3", "qwen", "wan"),
)
_QWEN_MARKS = (has(*spelled("txt_norm.weight")), has(*spelled("transformer_blocks.0.img_mod.1.weight")))
_LAYERED = spelled("time_text_embed.addition_t_embedding.weight")       # which of several layers a token is of

QWEN_IMAGE = ModelFamily(
    name="Qwen-Image",
    marks=(*_QWEN_MARKS, lacks(*_LAYERED)),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=1.0, films=True),
    text_encoders=(QWEN25_VL,),
    native_size=(1328, 1328),
    in_channels=16,
    needs="the Qwen2.5-VL 7B text encoder and its own VAE",
    denoiser="qwen-image",
    shift=FlowShift(by_size=(0.5, 0.9), largest=8192),
    keeps_length=True,
    runs=True,
    needs_bfloat16=True,
    vae_files=("qwen", "wan"),
)
QWEN_LAYERED = replace(QWEN_IMAGE, name="Qwen-Image Layered", marks=(*_QWEN_MARKS, has(*_LAYERED)), runs=False)

QWEN_TEXT_ROWS = (Z_IMAGE, QWEN_IMAGE, QWEN_LAYERED)
