"""FLUX.1 (dev, schnell, fill, depth, canny, Kontext) and Chroma, which is made from it. Often the bare transformer, without the ``model.diffusion_model.`` in front."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import SIXTEEN, FlowShift, KeyShape, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

CLIP_L_FLUX = TextEncoderSpec(
    name="CLIP-L", kind="clip", prefix="text_encoders.clip_l.transformer.", clip_skip="never", pooled=True, projected=False, files="clip_l.safetensors"
)
T5_XXL_FLUX = TextEncoderSpec(
    name="T5-XXL", kind="t5", prefix="text_encoders.t5xxl.transformer.", hidden_act="gelu_new", max_length=512,
    clip_skip="never", filled=True, files="t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors",
)  # fmt: skip

# The modulation inside each block tells FLUX.1 from FLUX.2, the guidance layer tells it from Chroma. The second names are diffusers'.
_COMMON = (
    has(*spelled("double_blocks.0.img_mod.lin.weight", "transformer_blocks.0.norm1.linear.weight")),
    has(*spelled("single_blocks.0.modulation.lin.weight", "single_transformer_blocks.0.norm.linear.weight")),
    has(*spelled("vector_in.in_layer.weight", "time_text_embed.text_embedder.linear_1.weight")),     # Ovis-Image and LongCat-Image have none
    lacks(*spelled("distilled_guidance_layer.in_proj.weight")),
)
_GUIDED = spelled("guidance_in.in_layer.weight", "time_text_embed.guidance_embedder.linear_1.weight")


def _inputs(size: int) -> KeyShape:
    return has(*spelled("img_in.weight", "x_embedder.weight"), axis=1, size=size)


FLUX_DEV = ModelFamily(
    name="FLUX.1 dev",
    marks=(*_COMMON, _inputs(64), has(*_GUIDED)),
    prediction=Prediction.FLOW,
    latent=SIXTEEN,
    text_encoders=(CLIP_L_FLUX, T5_XXL_FLUX),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the CLIP-L and T5-XXL text encoders and its VAE, unless they are inside",
    denoiser="flux",
    shift=FlowShift(by_size=(0.5, 1.15)),
    guidance="told",
    runs=True,
    needs_bfloat16=True,
    vae="ae.safetensors",
    vae_files=("ae", "flux"),
    other_vae_files=("sd3", "qwen", "wan"),
)
FLUX_SCHNELL = replace(FLUX_DEV, name="FLUX.1 schnell", marks=(*_COMMON, _inputs(64), lacks(*_GUIDED)), shift=FlowShift(), guidance="none")
FLUX_FILL = replace(FLUX_DEV, name="FLUX.1 fill", marks=(*_COMMON, _inputs(384)), in_channels=96)
FLUX_CONTROL = replace(FLUX_DEV, name="FLUX.1 depth or canny", marks=(*_COMMON, _inputs(128)), in_channels=32)
FLUX_KONTEXT = replace(FLUX_DEV, name="FLUX.1 Kontext", called="kontext", reads_picture="always")

_RADIANCE = ("nerf_final_layer_conv.norm.scale", "nerf_final_layer.norm.scale", "img_in_patch.weight")
_CHROMA_MARK = has(*spelled("distilled_guidance_layer.in_proj.weight"))

CHROMA = replace(
    FLUX_DEV, name="Chroma", marks=(_CHROMA_MARK, lacks(*spelled(*_RADIANCE))), needs="the T5-XXL text encoder and FLUX.1's VAE",
    text_encoders=(replace(T5_XXL_FLUX, masked=True),), denoiser="chroma", guidance="classifier-free", shift=FlowShift(),
)  # fmt: skip
CHROMA_RADIANCE = replace(
    CHROMA, name="Chroma Radiance", marks=(_CHROMA_MARK, has(*spelled(*_RADIANCE))), needs="the T5-XXL text encoder", runs=False
)

FLUX_ROWS = (FLUX_DEV, FLUX_SCHNELL, FLUX_FILL, FLUX_CONTROL, CHROMA, CHROMA_RADIANCE)
