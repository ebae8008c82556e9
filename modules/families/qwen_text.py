"""Transformers that read prompts with a Qwen language model: Z-Image, Qwen-Image, and Qwen-Image-Edit, whose language model sees the picture too."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import (
    SIXTEEN,
    FlowShift,
    FurtherPictures,
    LatentFormat,
    ModelFamily,
    Prediction,
    Sight,
    TextEncoderSpec,
    has,
    lacks,
    spelled,
)

SHOWN_IS_CLEAN = "__index_timestep_zero__"       # in files of 2511, as ComfyUI publishes them: pictures that are shown are told the time 0
_CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
_DESCRIBE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships "
    "of the objects and background:<|im_end|>\n"
)
DESCRIBED = _DESCRIBE + _CHAT

QWEN3_4B = TextEncoderSpec(
    name="Qwen3 4B", kind="qwen", prefix="text_encoders.qwen3_4b.transformer.model.", hidden_act="silu", max_length=512, layer=2, final_norm=False,
    clip_skip="never", masked=True, template=_CHAT, files="qwen_3_4b.safetensors",
)  # fmt: skip
QWEN25_VL = TextEncoderSpec(
    name="Qwen2.5-VL 7B", kind="qwen", prefix="text_encoders.qwen25_7b.transformer.model.", hidden_act="silu", max_length=1058, clip_skip="never",
    masked=True, template=DESCRIBED, dropped=34, files="qwen_2.5_vl_7b_fp8_scaled.safetensors",
)  # fmt: skip
_PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
_CHANGE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), then explain how the user's text "
    "instruction should alter or modify the image. Generate a new image that meets the user's requirements while maintaining consistency with the original "
    "input where appropriate.<|im_end|>\n"
)
_ONE_PICTURE = Sight(each=_PICTURE, template=_CHANGE + _CHAT, dropped=64, area=1024 * 1024)
_NUMBERED_PICTURES = replace(_ONE_PICTURE, each=f"Picture {{}}: {_PICTURE}", area=384 * 384)

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
    vae="ae.safetensors",
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
    vae="qwen_image_vae.safetensors",
    vae_files=("qwen", "wan"),
)
QWEN_LAYERED = replace(QWEN_IMAGE, name="Qwen-Image Layered", marks=(*_QWEN_MARKS, has(*_LAYERED)), runs=False)
QWEN_EDIT = replace(
    QWEN_IMAGE, name="Qwen-Image-Edit", called=r"edit(?!ion)", native_size=(1024, 1024), text_encoders=(replace(QWEN25_VL, sight=_ONE_PICTURE),), reads_picture="always"
)
QWEN_EDIT_PLUS = replace(       # 2509 and what came after it
    QWEN_EDIT, name="Qwen-Image-Edit Plus", called=r"edit(?!ion).*(plus|2509|2511)|(2509|2511).*edit(?!ion)|qwen.*rapid.?aio", flag=spelled(SHOWN_IS_CLEAN),
    text_encoders=(replace(QWEN25_VL, sight=_NUMBERED_PICTURES),), further=FurtherPictures(multiple=32, enlarges=True),
)  # fmt: skip

QWEN_TEXT_ROWS = (Z_IMAGE, QWEN_IMAGE, QWEN_LAYERED)
