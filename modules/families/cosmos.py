"""Anima: NVIDIA's Cosmos Predict2, whose words come from a small Qwen by way of an adapter that lies in the model's own file."""

from __future__ import annotations

from modules.families.family import FlowShift, KeyShape, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

_ADAPTER = "llm_adapter."
_COSMOS_2 = (has(*spelled("blocks.0.self_attn.q_proj.weight")), has(*spelled("x_embedder.proj.1.weight")))
_ADAPTED = spelled(f"{_ADAPTER}blocks.0.cross_attn.q_proj.weight")
COSMOS_2_MARKS: tuple[KeyShape, ...] = (*_COSMOS_2, lacks(*_ADAPTED))

QWEN3_06B = TextEncoderSpec(
    name="Qwen3 0.6B", kind="qwen", prefix="text_encoders.qwen3_06b.transformer.model.", hidden_act="silu", max_length=512, clip_skip="never",
    masked=True, adapter=_ADAPTER, files="qwen_3_06b_base.safetensors",
)  # fmt: skip

ANIMA = ModelFamily(
    name="Anima",
    marks=(*_COSMOS_2, has(*_ADAPTED)),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=16, downscale=8, scale=1.0, films=True),
    text_encoders=(QWEN3_06B,),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the Qwen3 0.6B text encoder and Qwen-Image's VAE",
    denoiser="anima",
    shift=FlowShift(factor=3.0),
    runs=True,
    needs_bfloat16=True,
    vae="qwen_image_vae.safetensors",
    vae_files=("qwen", "wan"),
)

COSMOS_ROWS = (ANIMA,)
