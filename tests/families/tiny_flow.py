"""Tiny random flow models: diffusers' own modules, and their weights under the names of the files in circulation, written here by hand."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    MistralConfig,
    MistralModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLModel,
    Qwen3Config,
    Qwen3Model,
    Qwen3VLConfig,
    Qwen3VLModel,
    T5Config,
    T5EncoderModel,
)

library: Any = diffusers      # it hands out its classes late
State = dict[str, Tensor]
L_WIDTH, G_WIDTH, T5_WIDTH, QWEN_WIDTH, QWEN_VL_WIDTH, WIDTH, HEAD = 32, 48, 96, 48, 128, 64, 32
GEMMA_WIDTH, LUMINA_WIDTH = 2304, 96         # the first tells the family
FLUX_SIZES: dict[str, Any] = {
    "num_layers": 1, "num_single_layers": 2, "attention_head_dim": HEAD, "num_attention_heads": 2, "joint_attention_dim": T5_WIDTH,
    "axes_dims_rope": (4, 14, 14),
}  # fmt: skip
FLUX2_BLOCKS = {"FLUX.2 klein 4B": 1, "FLUX.2 klein 9B": 6, "FLUX.2 dev": 1}       # the sixth one tells the larger size


def randomised(module: Any, seed: int) -> Any:
    """The module with random weights everywhere, norms near one, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * (0.08 if parameter.ndim > 1 else 0.05)
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(noise + 1 if is_norm else noise)
    return module.eval()


def transformer_of(family: str) -> Any:
    if family in FLUX2_BLOCKS:
        made: nn.Module = library.Flux2Transformer2DModel(
            num_layers=FLUX2_BLOCKS[family], num_single_layers=2, attention_head_dim=HEAD, num_attention_heads=2, joint_attention_dim=3 * QWEN_WIDTH,
            axes_dims_rope=(8, 8, 8, 8), guidance_embeds=family == "FLUX.2 dev")
    elif family.startswith("FLUX"):
        inputs = {"FLUX.1 fill": 384, "FLUX.1 depth or canny": 128}.get(family, 64)
        guided = family != "FLUX.1 schnell"
        made = library.FluxTransformer2DModel(in_channels=inputs, out_channels=64, pooled_projection_dim=L_WIDTH, guidance_embeds=guided, **FLUX_SIZES)
    elif family == "Chroma":
        made = library.ChromaTransformer2DModel(in_channels=64, approximator_hidden_dim=32, approximator_layers=2, **FLUX_SIZES)
    elif family == "Z-Image":
        made = library.ZImageTransformer2DModel(
            dim=WIDTH, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=QWEN_WIDTH, axes_dims=[8, 12, 12])
    elif family == "Lumina 2":
        made = library.Lumina2Transformer2DModel(
            hidden_size=LUMINA_WIDTH, num_layers=2, num_refiner_layers=1, num_attention_heads=4, num_kv_heads=2, multiple_of=32, axes_dim_rope=(8, 8, 8), cap_feat_dim=GEMMA_WIDTH)
    elif family.startswith("Krea 2"):
        made = library.Krea2Transformer2DModel(
            num_layers=2, attention_head_dim=HEAD, num_attention_heads=2, num_key_value_heads=1, intermediate_size=64, timestep_embed_dim=32, text_hidden_dim=QWEN_WIDTH,
            text_num_attention_heads=2, text_num_key_value_heads=2, text_intermediate_size=64, num_layerwise_text_blocks=1, num_refiner_text_blocks=1, axes_dims_rope=(8, 12, 12))
    elif family == "Ovis-Image":
        made = library.OvisImageTransformer2DModel(
            num_layers=1, num_single_layers=2, attention_head_dim=HEAD, num_attention_heads=2, joint_attention_dim=QWEN_WIDTH, axes_dims_rope=(4, 14, 14))
    elif family == "Anima":
        made = library.CosmosTransformer3DModel(
            num_attention_heads=2, attention_head_dim=24, num_layers=2, text_embed_dim=QWEN_WIDTH, adaln_lora_dim=16, rope_scale=(1.0, 4.0, 4.0), extra_pos_embed_type=None)
    elif family.startswith("Qwen-Image"):
        made = library.QwenImageTransformer2DModel(num_layers=2, attention_head_dim=HEAD, num_attention_heads=2, joint_attention_dim=QWEN_VL_WIDTH, axes_dims_rope=(4, 14, 14))
    else:
        normed = family == "SD3.5"
        made = library.SD3Transformer2DModel(
            num_layers=2, attention_head_dim=HEAD if normed else WIDTH, num_attention_heads=2 if normed else 1, joint_attention_dim=T5_WIDTH,
            caption_projection_dim=WIDTH, pooled_projection_dim=L_WIDTH + G_WIDTH, pos_embed_max_size=12,
            dual_attention_layers=(0,) if normed else (), qk_norm="rms_norm" if normed else None,
        )
    return randomised(made, 1)


def vae_of(family: str) -> Any:
    if family in FLUX2_BLOCKS:
        made = randomised(library.AutoencoderKLFlux2(block_out_channels=[32] * 4, layers_per_block=1), 2)
        statistics = torch.Generator().manual_seed(3)
        with torch.no_grad():
            made.quant_conv.weight[32:], made.quant_conv.bias[32:] = 0.0, -30.0
            made.bn.running_mean.copy_(torch.randn(128, generator=statistics) * 0.3)
            made.bn.running_var.copy_(torch.rand(128, generator=statistics) + 0.5)
        return made
    if family.startswith(("Qwen-Image", "Krea 2")) or family == "Anima":
        made = randomised(library.AutoencoderKLQwenImage(base_dim=16, dim_mult=[1, 2, 2, 2], num_res_blocks=1), 2)
        with torch.no_grad():
            made.quant_conv.weight[16:], made.quant_conv.bias[16:] = 0.0, -30.0
            made.decoder.conv_out.weight *= 15      # pictures that are not grey
        return made
    shift, scale = (0.0609, 1.5305) if family.startswith("SD3") else (0.1159, 0.3611)
    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "block_out_channels": [32] * 4}
    made = randomised(library.AutoencoderKL(
        latent_channels=16, layers_per_block=1, use_quant_conv=False, use_post_quant_conv=False, shift_factor=shift, scaling_factor=scale, **kinds), 2)
    last = made.encoder.conv_out
    with torch.no_grad():       # next to nothing is drawn when it encodes
        last.weight[16:], last.bias[16:] = 0.0, -30.0
    return made


def text_encoders_of(family: str) -> dict[str, Any]:
    """By the part of a file's name: "clip_l", "clip_g", "t5xxl", "qwen3_4b", "qwen25_7b", "gemma2_2b"."""
    if family == "Lumina 2":
        return {"gemma2_2b": randomised(Gemma2Model(Gemma2Config(
            vocab_size=640, hidden_size=GEMMA_WIDTH, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1)), 6)}
    if family.startswith("Qwen-Image"):
        return {"qwen25_7b": randomised(Qwen2_5_VLModel(Qwen2_5_VLConfig(
            text_config={"vocab_size": 151936, "hidden_size": QWEN_VL_WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "num_key_value_heads": 1,
                         "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}},
            vision_config={"depth": 8, "hidden_size": 160, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": QWEN_VL_WIDTH})), 6)}
    if family == "FLUX.2 dev":
        return {"mistral3_24b": randomised(MistralModel(MistralConfig(
            vocab_size=640, hidden_size=QWEN_WIDTH, intermediate_size=64, num_hidden_layers=31, num_attention_heads=1, num_key_value_heads=1, head_dim=128,
            rms_norm_eps=1e-5, sliding_window=None, rope_parameters={"rope_type": "default", "rope_theta": 1e9})), 6)}
    if family.startswith("Krea 2"):
        return {"qwen3vl_4b": randomised(Qwen3VLModel(Qwen3VLConfig(
            text_config={"vocab_size": 151936, "hidden_size": QWEN_WIDTH, "intermediate_size": 64, "num_hidden_layers": 36, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24,
                         "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True, "mrope_section": [4, 4, 4]}},
            vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": QWEN_WIDTH, "deepstack_visual_indexes": [0]})), 6)}
    if family in ("Z-Image", "Anima", "Ovis-Image") or family in FLUX2_BLOCKS:
        layers = 29 if family in FLUX2_BLOCKS else 2        # klein reads those after the 9th, the 18th and the 27th
        sizes: dict[str, Any] = {"hidden_size": QWEN_WIDTH, "intermediate_size": 64, "num_hidden_layers": layers, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24}
        return {{"FLUX.2 klein 9B": "qwen3_8b", "Anima": "qwen3_06b", "Ovis-Image": "qwen3_2b"}.get(family, "qwen3_4b"): randomised(Qwen3Model(Qwen3Config(
            vocab_size=151936, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, **sizes)), 6)}
    t5 = T5EncoderModel(T5Config(vocab_size=32128, d_model=T5_WIDTH, d_kv=24, num_heads=4, d_ff=64, num_layers=2, feed_forward_proj="gated-gelu"))
    found: dict[str, Any] = {"t5xxl": randomised(t5, 5)}
    if family == "Chroma":
        return found
    projected = family.startswith("SD3")
    found["clip_l"] = _clip(L_WIDTH, "quick_gelu", projected, 3)
    return found | ({"clip_g": _clip(G_WIDTH, "gelu", True, 4)} if projected else {})


def _clip(width: int, act: str, projected: bool, seed: int) -> Any:
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=64, num_hidden_layers=3, num_attention_heads=1, hidden_act=act, projection_dim=width, eos_token_id=49407, bos_token_id=49406
    )
    return randomised((CLIPTextModelWithProjection if projected else CLIPTextModel)(config), seed)


@cache
def adapter_of_anima() -> Any:
    return randomised(library.AnimaTextConditioner(source_dim=QWEN_WIDTH, target_dim=QWEN_WIDTH, model_dim=QWEN_WIDTH, num_layers=2, num_attention_heads=2), 8)


def original_transformer(family: str, state: Mapping[str, Tensor]) -> State:
    """The transformer's weights as its makers name and join them."""
    if family == "Anima":
        return _anima(state)
    if family.startswith("Krea 2"):
        return _krea2(state)
    if family == "Ovis-Image":
        return _ovis(state)
    if family.startswith("SD3"):
        return _sd3(state)
    if family.startswith("Qwen-Image"):      # its makers' names are diffusers'
        return dict(state)
    if family in FLUX2_BLOCKS:
        return _flux2(state)
    if family == "Lumina 2":
        return _lumina2(state)
    return _z_image(state) if family == "Z-Image" else _flux(state)


def _joined(state: Mapping[str, Tensor], before: str, *names: str) -> dict[str, Tensor]:
    return {ending: torch.cat([state[f"{before}{name}.{ending}"] for name in names]) for ending in ("weight", "bias") if f"{before}{names[0]}.{ending}" in state}


def _flux(state: Mapping[str, Tensor]) -> State:
    out: State = {}

    def put(name: str, tensors: Mapping[str, Tensor]) -> None:
        out.update({f"{name}.{ending}": tensor for ending, tensor in tensors.items()})

    plain = {"x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear"}
    for part, name in (("timestep_embedder", "time_in"), ("text_embedder", "vector_in"), ("guidance_embedder", "guidance_in")):
        plain |= {f"time_text_embed.{part}.linear_1": f"{name}.in_layer", f"time_text_embed.{part}.linear_2": f"{name}.out_layer"}
    for name in state:      # Chroma's
        match = re.fullmatch(r"(distilled_guidance_layer\.layers\.\d+)\.linear_([12])\.weight", name)
        if match:
            plain[name.removesuffix(".weight")] = f"{match[1]}.{'in' if match[2] == '1' else 'out'}_layer"
        elif name.startswith("distilled_guidance_layer.norms."):
            out[name.replace(".weight", ".scale")] = state[name]
        elif re.match(r"distilled_guidance_layer\.(in|out)_proj", name):
            out[name] = state[name]
    for ours, theirs in plain.items():
        put(theirs, _joined(state, "", ours))
    if "norm_out.linear.weight" in state:
        put("final_layer.adaLN_modulation.1", {ending: torch.cat(state[f"norm_out.linear.{ending}"].chunk(2)[::-1]) for ending in ("weight", "bias")})
    for ours, theirs in (("transformer_blocks.0.", "double_blocks.0."),):
        put(f"{theirs}img_attn.qkv", _joined(state, ours, "attn.to_q", "attn.to_k", "attn.to_v"))
        put(f"{theirs}txt_attn.qkv", _joined(state, ours, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"))
        for a, b in (("attn.to_out.0", "img_attn.proj"), ("attn.to_add_out", "txt_attn.proj"), ("ff.net.0.proj", "img_mlp.0"), ("ff.net.2", "img_mlp.2"),
                     ("ff_context.net.0.proj", "txt_mlp.0"), ("ff_context.net.2", "txt_mlp.2"), ("norm1.linear", "img_mod.lin"), ("norm1_context.linear", "txt_mod.lin")):
            put(theirs + b, _joined(state, ours, a))
        for a, b in (("norm_q", "img_attn.norm.query_norm"), ("norm_k", "img_attn.norm.key_norm"), ("norm_added_q", "txt_attn.norm.query_norm"), ("norm_added_k", "txt_attn.norm.key_norm")):
            out[f"{theirs}{b}.scale"] = state[f"{ours}attn.{a}.weight"]
    for number in range(FLUX_SIZES["num_single_layers"]):
        ours, theirs = f"single_transformer_blocks.{number}.", f"single_blocks.{number}."
        put(f"{theirs}linear1", _joined(state, ours, "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"))
        put(f"{theirs}linear2", _joined(state, ours, "proj_out"))
        put(f"{theirs}modulation.lin", _joined(state, ours, "norm.linear"))
        out[f"{theirs}norm.query_norm.scale"], out[f"{theirs}norm.key_norm.scale"] = state[f"{ours}attn.norm_q.weight"], state[f"{ours}attn.norm_k.weight"]
    return out


def _flux2(state: Mapping[str, Tensor]) -> State:
    """FLUX.2's makers' names, in which one layer of each single block is joined in diffusers too."""
    swap = torch.cat(state["norm_out.linear.weight"].chunk(2)[::-1])
    out: State = {"final_layer.adaLN_modulation.1.weight": swap}
    plain = {"x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear"}
    embedded = {"timestep_embedder": "time_in"} | ({"guidance_embedder": "guidance_in"} if "time_guidance_embed.guidance_embedder.linear_1.weight" in state else {})
    plain |= {f"time_guidance_embed.{ours}.linear_{n}": f"{theirs}.{part}_layer" for ours, theirs in embedded.items() for n, part in ((1, "in"), (2, "out"))}
    plain |= {f"{name}.linear": f"{name}.lin" for name in ("double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation")}
    scales: dict[str, str] = {}
    for number in sorted({int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks.")}):
        ours, theirs = f"transformer_blocks.{number}.", f"double_blocks.{number}."
        out[f"{theirs}img_attn.qkv.weight"] = torch.cat([state[f"{ours}attn.to_{part}.weight"] for part in "qkv"])
        out[f"{theirs}txt_attn.qkv.weight"] = torch.cat([state[f"{ours}attn.add_{part}_proj.weight"] for part in "qkv"])
        plain |= {ours + a: theirs + b for a, b in (
            ("attn.to_out.0", "img_attn.proj"), ("attn.to_add_out", "txt_attn.proj"), ("ff.linear_in", "img_mlp.0"), ("ff.linear_out", "img_mlp.2"),
            ("ff_context.linear_in", "txt_mlp.0"), ("ff_context.linear_out", "txt_mlp.2"))}
        scales |= {f"{ours}attn.{a}": f"{theirs}{b}" for a, b in (("norm_q", "img_attn.norm.query_norm"), ("norm_k", "img_attn.norm.key_norm"),
                                                                  ("norm_added_q", "txt_attn.norm.query_norm"), ("norm_added_k", "txt_attn.norm.key_norm"))}
    for number in sorted({int(name.split(".")[1]) for name in state if name.startswith("single_transformer_blocks.")}):
        ours, theirs = f"single_transformer_blocks.{number}.attn.", f"single_blocks.{number}."
        plain |= {f"{ours}to_qkv_mlp_proj": f"{theirs}linear1", f"{ours}to_out": f"{theirs}linear2"}
        scales |= {f"{ours}norm_q": f"{theirs}norm.query_norm", f"{ours}norm_k": f"{theirs}norm.key_norm"}
    return out | {f"{theirs}.weight": state[f"{ours}.weight"] for ours, theirs in plain.items()} | {f"{theirs}.scale": state[f"{ours}.weight"] for ours, theirs in scales.items()}


def _sd3(state: Mapping[str, Tensor]) -> State:
    swap = {ending: torch.cat(state[f"norm_out.linear.{ending}"].chunk(2)[::-1]) for ending in ("weight", "bias")}
    out: State = {f"final_layer.adaLN_modulation.1.{ending}": tensor for ending, tensor in swap.items()}
    out["pos_embed"] = state["pos_embed.pos_embed"]
    layers = [("pos_embed.proj", "x_embedder.proj"), ("context_embedder", "context_embedder"), ("proj_out", "final_layer.linear")]
    layers += [(f"time_text_embed.{a}.linear_{n}", f"{b}.mlp.{(n - 1) * 2}") for a, b in (("timestep_embedder", "t_embedder"), ("text_embedder", "y_embedder")) for n in (1, 2)]
    count = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks."))
    for i in range(count):
        ours, x, c = f"transformer_blocks.{i}.", f"joint_blocks.{i}.x_block.", f"joint_blocks.{i}.context_block."
        for joined, names in ((f"{x}attn.qkv", ("attn.to_q", "attn.to_k", "attn.to_v")), (f"{c}attn.qkv", ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
                              (f"{x}attn2.qkv", ("attn2.to_q", "attn2.to_k", "attn2.to_v"))):
            if f"{ours}{names[0]}.weight" in state:
                out |= {f"{joined}.{ending}": tensor for ending, tensor in _joined(state, ours, *names).items()}
        layers += [(ours + a, x + b) for a, b in (("attn.norm_q", "attn.ln_q"), ("attn.norm_k", "attn.ln_k"), ("attn2.norm_q", "attn2.ln_q"), ("attn2.norm_k", "attn2.ln_k"),
                   ("attn.to_out.0", "attn.proj"), ("attn2.to_out.0", "attn2.proj"), ("norm1.linear", "adaLN_modulation.1"), ("ff.net.0.proj", "mlp.fc1"), ("ff.net.2", "mlp.fc2"))]
        layers += [(ours + a, c + b) for a, b in (("attn.norm_added_q", "attn.ln_q"), ("attn.norm_added_k", "attn.ln_k"), ("attn.to_add_out", "attn.proj"),
                   ("norm1_context.linear", "adaLN_modulation.1"), ("ff_context.net.0.proj", "mlp.fc1"), ("ff_context.net.2", "mlp.fc2"))]
    for ours, theirs in layers:
        out |= {f"{theirs}.{ending}": state[f"{ours}.{ending}"] for ending in ("weight", "bias") if f"{ours}.{ending}" in state}
    for ending in ("weight", "bias"):
        last = f"joint_blocks.{count - 1}.context_block.adaLN_modulation.1.{ending}"
        out[last] = torch.cat(out[last].chunk(2)[::-1])
    return out


def _z_image(state: Mapping[str, Tensor]) -> State:
    out: State = {"norm_final.weight": torch.ones(WIDTH)}
    for name, tensor in state.items():
        if name.endswith("attention.to_q.weight"):
            out[name.replace("to_q", "qkv")] = torch.cat([state[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")])
        elif not name.endswith(("to_k.weight", "to_v.weight")):
            for ours, theirs in (("all_x_embedder.2-1", "x_embedder"), ("all_final_layer.2-1", "final_layer"), ("to_out.0", "out"), ("norm_q", "q_norm"), ("norm_k", "k_norm")):
                name = name.replace(ours, theirs)
            out[name] = tensor
    return out


def _lumina2(state: Mapping[str, Tensor]) -> State:
    """Its makers' names; queries have more heads than keys and values."""
    out: State = {"norm_final.weight": torch.ones(LUMINA_WIDTH)}
    for name, tensor in state.items():
        if name.endswith("attn.to_q.weight"):
            out[name.replace("attn.to_q", "attention.qkv")] = torch.cat([state[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")])
        elif not name.endswith(("to_k.weight", "to_v.weight")):
            refines = name.startswith("context_refiner.")
            for ours, theirs in (("time_caption_embed.caption_embedder", "cap_embedder"), ("time_caption_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"),
                                 ("time_caption_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"), ("norm_out.linear_1", "final_layer.adaLN_modulation.1"),
                                 ("norm_out.linear_2", "final_layer.linear"), ("attn.to_out.0", "attention.out"), ("attn.norm_q", "attention.q_norm"), ("attn.norm_k", "attention.k_norm"),
                                 ("feed_forward.linear_", "feed_forward.w"), (".norm1.norm.", ".attention_norm1."), (".norm1.linear.", ".adaLN_modulation.1."),
                                 (".norm1." if refines else "?", ".attention_norm1."), (".norm2.", ".attention_norm2.")):
                name = name.replace(ours, theirs)
            out[name] = tensor
    return out


def _anima(state: Mapping[str, Tensor]) -> State:
    """Cosmos' names, with what a training leaves, and the adapter of the text encoder beside them."""
    out: State = {f"net.llm_adapter.{name}": tensor for name, tensor in adapter_of_anima().state_dict().items()}
    out |= {"net.pos_embedder.seq": torch.zeros(4), "net.accum_iteration": torch.zeros(1)}
    for name, tensor in state.items():
        for ours, theirs in (("patch_embed.proj", "x_embedder.proj.1"), ("time_embed.t_embedder", "t_embedder.1"), ("time_embed.norm", "t_embedding_norm"), ("proj_out", "final_layer.linear"),
                             ("norm_out.linear_", "final_layer.adaln_modulation."), ("transformer_blocks", "blocks"), ("norm1.linear_", "adaln_modulation_self_attn."),
                             ("norm2.linear_", "adaln_modulation_cross_attn."), ("norm3.linear_", "adaln_modulation_mlp."), ("attn1", "self_attn"), ("attn2", "cross_attn"),
                             ("to_q", "q_proj"), ("to_k", "k_proj"), ("to_v", "v_proj"), ("to_out.0", "output_proj"), ("norm_q", "q_norm"), ("norm_k", "k_norm"),
                             ("ff.net.0.proj", "mlp.layer1"), ("ff.net.2", "mlp.layer2")):
            name = name.replace(ours, theirs)
        out[f"net.{name}"] = tensor
    return out


def _krea2(state: Mapping[str, Tensor]) -> State:
    """Krea's names; each block's six rows are one."""
    out: State = {}
    for name, tensor in state.items():
        if name.startswith("transformer_blocks.") and name.endswith("scale_shift_table"):
            tensor = tensor.flatten()
        for ours, theirs in (("final_layer.scale_shift_table", "last.modulation.lin"), ("final_layer.norm.weight", "last.norm.scale"), ("final_layer.", "last."), ("img_in.", "first."),
                             ("time_embed.linear_1", "tmlp.0"), ("time_embed.linear_2", "tmlp.2"), ("time_mod_proj", "tproj.1"), ("txt_in.norm.weight", "txtmlp.0.scale"),
                             ("txt_in.linear_1", "txtmlp.1"), ("txt_in.linear_2", "txtmlp.3"), ("text_fusion", "txtfusion"), ("transformer_blocks", "blocks"), ("to_q", "wq"), ("to_k", "wk"),
                             ("to_v", "wv"), ("to_out.0", "wo"), ("to_gate", "gate"), ("norm_q.weight", "qknorm.qnorm.scale"), ("norm_k.weight", "qknorm.knorm.scale"), (".ff.", ".mlp."),
                             ("norm1.weight", "prenorm.scale"), ("norm2.weight", "postnorm.scale"), ("scale_shift_table", "mod.lin")):
            name = name.replace(ours, theirs)
        out[name] = tensor
    return out


def _ovis(state: Mapping[str, Tensor]) -> State:
    """FLUX.1's names but for the ends and the halves of the layers that end in a gate, the gate's being the second."""
    renamed, out = {name.replace("timestep_embedder", "time_text_embed.timestep_embedder"): tensor for name, tensor in state.items() if ".ff" not in name}, {}
    for name, tensor in state.items():
        if ".ff" in name:
            place = "double_blocks.0." + ("txt_mlp." if "ff_context" in name else "img_mlp.")
            ending = name.rpartition(".")[2]
            parts = tensor.chunk(2) if ".net.0." in name else (tensor,)
            out |= {f"{place}{part}.{ending}": rows for part, rows in zip(("up_proj", "gate_proj") if len(parts) == 2 else ("down_proj",), parts)}
    out |= {name: tensor for name, tensor in _flux(renamed).items() if "_mlp" not in name}
    return out | {"txt_norm.weight": state["context_embedder_norm.weight"]}


def original_vae(state: Mapping[str, Tensor]) -> State:
    """A VAE's weights as FLUX.1's makers name them, or Wan's."""
    if "decoder.norm_out.gamma" in state:
        return _film_vae(state)
    out: State = {}
    for name, tensor in state.items():
        name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda match: f"up.{3 - int(match[1])}.block.{match[2]}", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{3 - int(match[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
        name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if ".attn_1." in name:
            for ours, theirs in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
                name = name.replace(ours, theirs)
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        if "bn.running_mean" in state:      # FLUX.2's makers have these inside of the halves
            name = re.sub(r"^quant_conv", "encoder.quant_conv", re.sub(r"^post_quant_conv", "decoder.post_quant_conv", name))
        out[name] = tensor
    return out


def _film_vae(state: Mapping[str, Tensor]) -> State:
    """One residual block at each of the encoder's levels, two at the decoder's."""
    out: State = {}
    for name, tensor in state.items():
        name = re.sub(r"^quant_conv", "conv1", re.sub(r"^post_quant_conv", "conv2", name))
        name = name.replace("norm_out.", "head.0.").replace("conv_out.", "head.2.").replace("conv_in.", "conv1.").replace("down_blocks", "downsamples")
        name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda match: f"upsamples.{int(match[1]) * 3 + int(match[2])}", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"upsamples.{int(match[1]) * 3 + 2}", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"middle.{int(match[1]) * 2}", name).replace("mid_block.attentions.0", "middle.1")
        if "samples" in name or (".middle." in name and ".middle.1." not in name):
            for ours, theirs in (("norm1.", "residual.0."), (".conv1.", ".residual.2."), ("norm2.", "residual.3."), (".conv2.", ".residual.6."), ("conv_shortcut", "shortcut")):
                name = name.replace(ours, theirs)
        out[name] = tensor
    return out


def text_state(name: str, module: Any) -> State:
    """A text encoder's weights as its own file has them."""
    state = dict(module.state_dict())
    if name == "t5xxl":
        return {key: tensor for key, tensor in state.items() if key != "encoder.embed_tokens.weight"}
    if name == "mistral3_24b":      # ComfyUI's has 30 of its 40 layers and no last norm
        own = {f"model.{key}": tensor for key, tensor in state.items() if not key.startswith(("layers.30.", "norm."))}
        return own | {"tekken_model": torch.frombuffer(bytearray(mistral_tokenizer()), dtype=torch.uint8)}
    if name == "gemma2_2b":
        return {f"model.{key}": tensor for key, tensor in state.items()} | {"spiece_model": torch.frombuffer(bytearray(gemma_tokenizer()), dtype=torch.uint8)}
    if name.startswith("qwen3"):
        return {f"model.{key}": tensor for key, tensor in state.items()}
    if name == "qwen25_7b":
        return {("" if key.startswith("visual.") else "model.") + key.removeprefix("language_model."): tensor for key, tensor in state.items()} | {"lm_head.weight": torch.zeros(8, 8)}
    return {key if key.startswith("text_") else f"text_model.{key}": tensor for key, tensor in state.items()}


def gemma_tokenizer() -> bytes:
    """A SentencePiece model like Gemma's, of 640 pieces."""
    return base64.b64decode(json.loads((Path(__file__).parents[1] / "loading" / "sentencepiece_golden.json").read_text("utf-8"))["model"])


def mistral_tokenizer() -> bytes:
    return json.dumps(json.loads((Path(__file__).parents[1] / "loading" / "tekken_golden.json").read_text("utf-8"))["tekken"]).encode()


def write(path: Path, state: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().to(dtype or tensor.dtype).contiguous().clone() for name, tensor in state.items()}, path)
    return path
