"""SDXL: base, v-prediction, inpainting, pix2pix and refiner. Told by its size embedding and two text encoders."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import UNET, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks

_FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"
_SIZE_EMBEDDING = f"{UNET}label_emb.0.0.weight"
_REFINER_TEXT = "conditioner.embedders.0.model.ln_final.weight"

CLIP_L_XL = TextEncoderSpec(
    name="CLIP-L", kind="clip", prefix="conditioner.embedders.0.transformer.", layer=2, final_norm=False, clip_skip="asked",
    files="clip_l.safetensors",
)  # fmt: skip
OPEN_CLIP_G = TextEncoderSpec(
    name="OpenCLIP-G", kind="open_clip", prefix="conditioner.embedders.1.model.", hidden_act="gelu",
    layer=2, final_norm=False, clip_skip="never", pooled=True, pad_token=0, files="clip_g.safetensors",
)  # fmt: skip
OPEN_CLIP_G_REFINER = replace(OPEN_CLIP_G, prefix="conditioner.embedders.0.model.")

# SSD-1B and Segmind Vega have no transformers in the middle, KOALA has its first ones earlier
_WITH_TRANSFORMERS = ("middle_block", "input_blocks.4", "input_blocks.3")
_EDM = "edm_mean"
_CHATGLM = f"{UNET}encoder_hid_proj.weight"
_FILM = f"{UNET}input_blocks.1.0.time_stack.in_layers.2.weight"

_COMMON = (
    has(_SIZE_EMBEDDING),
    has(*(f"{UNET}{block}.1.proj_in.weight" for block in _WITH_TRANSFORMERS), rank=2),
    lacks("cond_stage_model.model.ln_final.weight"),
    lacks(_EDM),
    lacks(_CHATGLM),
    lacks(_FILM),
)

SDXL = ModelFamily(
    name="SDXL",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=4), *_COMMON, lacks(_REFINER_TEXT), lacks("v_pred")),
    prediction=Prediction.EPSILON,
    latent=LatentFormat(channels=4, downscale=8, scale=0.13025, tiny="taesdxl", approximation="vaeapprox-sdxl.pt"),
    text_encoders=(CLIP_L_XL, OPEN_CLIP_G),
    native_size=(1024, 1024),
    size_values=("height", "width", "crop_top", "crop_left", "height", "width"),
    runs=True,
    is_sdxl=True,
    vae_needs_float32=True,
)
SDXL_V = replace(
    SDXL,
    name="SDXL v-prediction",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=4), *_COMMON, lacks(_REFINER_TEXT), has("v_pred"), lacks("ztsnr")),
    prediction=Prediction.V,
)
SDXL_V_ZERO_SNR = replace(
    SDXL_V,
    name="SDXL v-prediction, zero terminal SNR",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=4), *_COMMON, lacks(_REFINER_TEXT), has("v_pred"), has("ztsnr")),
    zero_terminal_snr=True,
)
SDXL_INPAINTING = replace(
    SDXL,
    name="SDXL inpainting",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=9), *_COMMON, lacks(_REFINER_TEXT)),
    in_channels=9,
)
SDXL_PIX2PIX = replace(
    SDXL,
    name="SDXL pix2pix",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=8), *_COMMON, lacks(_REFINER_TEXT)),
    in_channels=8,
)
SDXL_REFINER = replace(
    SDXL,
    name="SDXL refiner",
    marks=(has(_FIRST_CONVOLUTION, axis=1, size=4), *_COMMON, has(_REFINER_TEXT)),
    text_encoders=(OPEN_CLIP_G_REFINER,),
    size_values=("height", "width", "crop_top", "crop_left", "aesthetic_score"),
)

PLAYGROUND = replace(SDXL, name="Playground v2.5", marks=(has(_SIZE_EMBEDDING), has(_EDM)), runs=False)

KOLORS = replace(SDXL, name="Kolors", marks=(has(_SIZE_EMBEDDING), has(_CHATGLM)), runs=False, needs="the ChatGLM3 6B text encoder")

SDXL_ROWS = (SDXL, SDXL_V, SDXL_V_ZERO_SNR, SDXL_INPAINTING, SDXL_PIX2PIX, SDXL_REFINER, PLAYGROUND, KOLORS)
