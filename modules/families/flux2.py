"""FLUX.2: klein in two sizes, distilled to few steps or not ("base"), which only their names tell; and dev."""

from __future__ import annotations

from dataclasses import replace

from modules.families.family import FlowShift, FurtherPictures, LatentFormat, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

_CHAT_WITHOUT_THOUGHT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_QWEN3 = TextEncoderSpec(
    name="Qwen3 4B", kind="qwen", prefix="text_encoders.qwen3_4b.transformer.model.", hidden_act="silu", max_length=512, layers=(9, 18, 27),
    clip_skip="never", masked=True, filled=True, template=_CHAT_WITHOUT_THOUGHT, files="qwen_3_4b.safetensors",
)  # fmt: skip
_QWEN3_8B = replace(_QWEN3, name="Qwen3 8B", prefix="text_encoders.qwen3_8b.transformer.model.", files="qwen_3_8b_fp8mixed.safetensors")
_SYSTEM = (
    "You are an AI that reasons about image descriptions. You give structured responses focusing on object relationships, object\n"
    "attribution and actions without speculation."
)
MISTRAL_SMALL_3 = TextEncoderSpec(
    name="Mistral Small 3", kind="mistral", prefix="text_encoders.mistral3_24b.transformer.model.", hidden_act="silu", max_length=512, layers=(10, 20, 30),
    clip_skip="never", masked=True, filled=True, before=True, template=f"<s>[SYSTEM_PROMPT]{_SYSTEM}[/SYSTEM_PROMPT][INST]{{}}[/INST]",
    files="mistral_3_small_flux2_bf16.safetensors or mistral_3_small_flux2_fp8.safetensors",
)  # fmt: skip

# One modulation for all blocks of a kind. klein is told no guidance; of its sizes only the larger one has a sixth block.
_SHARED_MODULATION = has(*spelled("single_stream_modulation.lin.weight", "single_stream_modulation.linear.weight"))
_GUIDANCE = spelled("guidance_in.in_layer.weight", "time_guidance_embed.guidance_embedder.linear_1.weight")
_SIXTH_BLOCK = spelled("double_blocks.5.img_attn.qkv.weight", "transformer_blocks.5.attn.to_q.weight")

KLEIN_4B = ModelFamily(
    name="FLUX.2 klein 4B",
    marks=(_SHARED_MODULATION, lacks(*_GUIDANCE), lacks(*_SIXTH_BLOCK)),
    prediction=Prediction.FLOW,
    latent=LatentFormat(channels=32, downscale=8, scale=1.0, patched=True, tiny="taef2"),
    text_encoders=(_QWEN3,),
    native_size=(1024, 1024),
    in_channels=32,
    needs="the Qwen3 4B text encoder and FLUX.2's VAE",
    denoiser="flux2",
    shift=FlowShift(by_steps=((8.73809524e-05, 1.89833333), (0.00016927, 0.45666666)), largest=4300),
    reads_picture="at full strength",
    further=FurtherPictures(),
    runs=True,
    needs_bfloat16=True,
    vae="flux2-vae.safetensors",
    vae_files=("flux2", "flux-2"),
)
KLEIN_9B = replace(
    KLEIN_4B, name="FLUX.2 klein 9B", marks=(_SHARED_MODULATION, lacks(*_GUIDANCE), has(*_SIXTH_BLOCK)), text_encoders=(_QWEN3_8B,),
    needs="the Qwen3 8B text encoder and FLUX.2's VAE",
)  # fmt: skip
FLUX2_DEV = replace(
    KLEIN_4B, name="FLUX.2 dev", marks=(_SHARED_MODULATION, has(*_GUIDANCE)), text_encoders=(MISTRAL_SMALL_3,), guidance="told",
    needs="the Mistral Small 3 text encoder and FLUX.2's VAE",
)  # fmt: skip

FLUX2_ROWS = (KLEIN_4B, KLEIN_9B, FLUX2_DEV)
