"""SD 3 and SD 3.5: joint transformers over 16-channel latents. The 3.5 models normalise queries and keys."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import FlowShift, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

_TEXT = "text_encoders."
CLIP_L_SD3 = TextEncoderSpec(
    name="CLIP-L", kind="clip", prefix=f"{_TEXT}clip_l.transformer.", layer=2, final_norm=False, clip_skip="never", pooled=True, files="clip_l.safetensors"
)
CLIP_G_SD3 = TextEncoderSpec(
    name="CLIP-G", kind="clip", prefix=f"{_TEXT}clip_g.transformer.", hidden_act="gelu", layer=2, final_norm=False, clip_skip="never",
    pooled=True, pad_token=0, files="clip_g.safetensors",
)  # fmt: skip
T5_XXL = TextEncoderSpec(
    name="T5-XXL", kind="t5", prefix=f"{_TEXT}t5xxl.transformer.", hidden_act="gelu_new", max_length=256, clip_skip="never", filled=True,
    files="t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors",
)  # fmt: skip

_QUERY_NORM = spelled("joint_blocks.0.x_block.attn.ln_q.weight", "transformer_blocks.0.attn.norm_q.weight")
_COMMON = (
    has(*spelled("x_embedder.proj.weight", "pos_embed.proj.weight"), axis=1, size=16),
    has(*spelled("joint_blocks.0.x_block.attn.qkv.weight", "transformer_blocks.0.attn.add_q_proj.weight")),
    has(*spelled("context_embedder.weight")),
)

SD3 = ModelFamily(
    name="SD3",
    marks=(*_COMMON, lacks(*_QUERY_NORM)),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=1.5305, shift=0.0609, tiny="taesd3", approximation="vaeapprox-sd3.pt"),
    text_encoders=(CLIP_L_SD3, CLIP_G_SD3, T5_XXL),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the CLIP-L and CLIP-G text encoders and its VAE, unless they are inside; T5-XXL makes it follow prompts better",
    denoiser="sd3",
    shift=FlowShift(factor=3.0),
    runs=True,
    needs_bfloat16=True,
    vae="sd3_vae.safetensors",
    vae_files=("sd3",),
    other_vae_files=("ae", "flux", "qwen", "wan"),
)
SD35 = replace(SD3, name="SD3.5", marks=(*_COMMON, has(*_QUERY_NORM)))

SD3_ROWS = (SD3, SD35)
