"""Families that are recognised and named, but that this version cannot draw with. Marks are the names of files in circulation, their makers' and diffusers'."""

from __future__ import annotations

from modules.families.cosmos import COSMOS_2_MARKS
from modules.families.family import SIXTEEN, UNET, KeyShape, LatentFormat, ModelFamily, Prediction, has, lacks, spelled


def _has(*names: str, axis: int | None = None, size: int | None = None, rank: int | None = None) -> KeyShape:
    return has(*spelled(*names), axis=axis, size=size, rank=rank)


def _lacks(*names: str) -> KeyShape:
    return lacks(*spelled(*names))


def _row(name: str, *marks: KeyShape, needs: str = "", latent: LatentFormat = SIXTEEN) -> ModelFamily:
    return ModelFamily(
        name=name, marks=marks, needs=needs, prediction=Prediction.FLOW, latent=latent, text_encoders=(), native_size=(1024, 1024), in_channels=latent.channels
    )


_LINEAR = "blocks.0.cross_attn.q_linear.weight"
_REFINER = ("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias", "context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight")
_CAPTIONS = "time_caption_embed.caption_embedder.0.weight"
_FLUX_BLOCK = ("double_blocks.0.img_mod.lin.weight", "transformer_blocks.0.norm1.linear.weight")
_FLUX_VECTOR = ("vector_in.in_layer.weight", "time_text_embed.text_embedder.linear_1.weight")
_CASCADE = LatentFormat(channels=16, downscale=32, scale=1.0)
_FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"

OTHER_ROWS = (
    _row("FLUX.3", _has("early_stream_modulations.image.lin.weight"), needs="its own text encoder and VAE"),
    _row("Qwen-Image 2.1", _has("txt_in.text_norm.weight"), needs="its own text encoder and VAE"),
    _row("Lumina Next", _has("cap_embedder.0.weight"), _has("layers.0.attention.wq.weight"), needs="the Gemma 2B text encoder and SDXL's VAE"),
    _row("OmniGen", _has("llm.layers.0.self_attn.qkv_proj.weight"), needs="SDXL's VAE"),
    _row("OmniGen2", _has(_CAPTIONS), _has("ref_image_refiner.0.attn.to_q.weight"), needs="the Qwen2.5-VL 3B text encoder and FLUX.1's VAE"),
    _row("LongCat-Image", _has(*_FLUX_BLOCK), _has("txt_in.weight", "context_embedder.weight", axis=1, size=3584), _lacks(*_FLUX_VECTOR),
         needs="the Qwen2.5-VL 7B text encoder and FLUX.1's VAE"),
    _row("HiDream", _has("double_stream_blocks.0.block.adaLN_modulation.1.bias"), needs="CLIP-L, CLIP-G, T5-XXL, Llama 3.1 8B and FLUX.1's VAE"),
    _row("Wan", _has("head.modulation", "scale_shift_table"), _has("patch_embedding.weight", rank=5), needs="the UMT5-XXL text encoder and its own VAE"),
    _row("AuraFlow", _has("double_layers.0.attn.w1q.weight", "joint_transformer_blocks.0.attn.to_q.weight"), _has("cond_seq_linear.weight", "context_embedder.weight"),
         needs="the Pile-T5-XL text encoder and SDXL's VAE"),
    _row("Sana", _has(_LINEAR, "patch_embed.proj.weight"), _has("blocks.0.mlp.inverted_conv.conv.weight", "transformer_blocks.0.ff.conv_inverted.weight"),
         needs="the Gemma 2 2B text encoder and its own VAE"),
    _row("PixArt", _has(_LINEAR, "adaln_single.linear.weight"), _has("blocks.0.mlp.fc1.weight", "pos_embed.proj.weight"), needs="the T5-XXL text encoder and SDXL's VAE"),
    _row("HunyuanDiT", _has("mlp_t5.0.weight", "time_extra_emb.pooler.positional_embedding"), needs="a BERT and an mT5 text encoder and SDXL's VAE"),
    _row("HunyuanImage", _has(*_REFINER), _has("img_in.proj.weight", "x_embedder.proj.weight", rank=4), needs="the Qwen2.5-VL and ByT5 text encoders and its own VAE"),
    _row("HunyuanVideo", _has(*_REFINER), _has("img_in.proj.weight", "x_embedder.proj.weight", rank=5), needs="the Llama 3 and CLIP-L text encoders and its own VAE"),
    _row("HunyuanImage 3", _has("model.layers.0.mlp.experts.0.gate_and_up_proj.weight"), _has("patch_embed.model.0.weight")),
    _row("LTX-Video", _has("patchify_proj.weight", "proj_in.weight"), _has("transformer_blocks.27.scale_shift_table"), _lacks("audio_patchify_proj.weight"),
         needs="the T5-XXL text encoder"),
    _row("LTX-2", _has("patchify_proj.weight"), _has("audio_patchify_proj.weight"), needs="the Gemma 3 12B text encoder"),
    _row("CogView4", _has("patch_embed.proj.weight"), _has("time_condition_embed.timestep_embedder.linear_1.weight"), needs="the GLM-4 9B text encoder and its own VAE"),
    _row("CogVideoX", _has("patch_embed.proj.weight"), _has("patch_embed.text_proj.weight"), needs="the T5-XXL text encoder and its own VAE"),
    _row("Kandinsky 5", _has("visual_transformer_blocks.0.self_attention.to_query.weight"), needs="the Qwen2.5-VL 7B and CLIP-L text encoders and its VAE"),
    _row("Mochi", _has("blocks.0.attn.qkv_x.weight"), needs="the T5-XXL text encoder and its own VAE"),
    _row("Cosmos 1", _has("blocks.block1.blocks.0.block.attn.to_q.0.weight"), needs="the T5 11B text encoder and its own VAE"),
    _row("Cosmos Predict2", *COSMOS_2_MARKS, needs="the T5 11B text encoder and Wan's VAE"),
    _row("Stable Cascade, stage C", _has("clip_txt_mapper.weight"), latent=_CASCADE),
    _row("Stable Cascade, stage B", has("down_blocks.1.0.channelwise.0.weight"), _lacks("clip_txt_mapper.weight"), latent=_CASCADE),
    _row("Stable Video Diffusion", has(_FIRST_CONVOLUTION), has(f"{UNET}input_blocks.1.0.time_stack.in_layers.2.weight")),
    _row("SD x4 upscaler", has(_FIRST_CONVOLUTION, axis=1, size=7)),
)  # fmt: skip
