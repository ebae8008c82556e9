"""Ovis-Image, which is small and good at letters: FLUX.1's blocks, and a Qwen3 of Ovis' own for the prompt."""

from __future__ import annotations

from modules.families.family import SIXTEEN, FlowShift, ModelFamily, Prediction, TextEncoderSpec, has, lacks, spelled

_DESCRIBE = "Describe the image by detailing the color, quantity, text, shape, size, texture, spatial relationships of the objects and background: "

OVIS_2B = TextEncoderSpec(
    name="Ovis2.5 2B", kind="qwen", prefix="text_encoders.qwen3_2b.transformer.model.", hidden_act="silu", max_length=284, clip_skip="never", masked=True,
    template=f"<|im_start|>user\n{_DESCRIBE}{{}}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", dropped=28, filled=True, empties=True,
    files="ovis_2.5.safetensors",
)  # fmt: skip

OVIS_IMAGE = ModelFamily(
    name="Ovis-Image",
    marks=(
        has(*spelled("double_blocks.0.img_mod.lin.weight", "transformer_blocks.0.norm1.linear.weight")),
        has(*spelled("txt_norm.weight", "semantic_txt_norm.weight", "context_embedder_norm.weight")),
        lacks(*spelled("vector_in.in_layer.weight", "time_text_embed.text_embedder.linear_1.weight")),
    ),
    prediction=Prediction.FLOW,
    latent=SIXTEEN,
    text_encoders=(OVIS_2B,),
    native_size=(1024, 1024),
    in_channels=16,
    needs="the Ovis2.5 2B text encoder and FLUX.1's VAE",
    denoiser="ovis",
    shift=FlowShift(by_size=(0.5, 1.15)),
    runs=True,
    needs_bfloat16=True,
    vae="ae.safetensors",
    vae_files=("ae", "flux"),
    other_vae_files=("sd3", "qwen", "wan"),
)

OVIS_ROWS = (OVIS_IMAGE,)
