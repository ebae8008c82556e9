"""Lumina Image 2 and what was made from it (Neta Lumina, NetaYume). Prompts are read as they are typed, with the instruction that stands before them."""

from __future__ import annotations

from modules.families.family import SIXTEEN, FlowShift, ModelFamily, Prediction, TextEncoderSpec, has, spelled

GEMMA_2_2B = TextEncoderSpec(
    name="Gemma 2 2B", kind="gemma", prefix="text_encoders.gemma2_2b.transformer.model.", hidden_act="gelu_pytorch_tanh", max_length=512, layer=2, final_norm=False,
    clip_skip="never", masked=True, template="<bos>{}", files="gemma_2_2b_fp16.safetensors",
)  # fmt: skip

LUMINA_2 = ModelFamily(
    name="Lumina 2",
    marks=(has(*spelled("cap_embedder.0.weight", "time_caption_embed.caption_embedder.0.weight"), axis=0, size=2304),),
    prediction=Prediction.FLOW,
    latent=SIXTEEN,
    text_encoders=(GEMMA_2_2B,),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the Gemma 2 2B text encoder and FLUX.1's VAE",
    denoiser="lumina2",
    shift=FlowShift(factor=6.0),
    runs=True,
    needs_bfloat16=True,
    vae="ae.safetensors",
    vae_files=("ae", "flux", "lumina"),
    other_vae_files=("sd3", "qwen", "wan"),
)

LUMINA_ROWS = (LUMINA_2,)
