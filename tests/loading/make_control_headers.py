"""Write control_headers.json.xz: names and shapes of published control files, made of their architectures' published sizes. No weights, no download.

    python -m tests.loading.make_control_headers
"""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import torch

Shapes = dict[str, tuple[int, ...]]
SD1: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}
SD2: dict[str, Any] = {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}
SDXL: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), "block_out_channels": (320, 640, 1280), "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048, "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
SDXL_MID = {**SDXL, "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"), "transformer_layers_per_block": (1, 1, 1)}
SDXL_SMALL = {**SDXL, "down_block_types": ("DownBlock2D",) * 3, "mid_block_type": "UNetMidBlock2D", "transformer_layers_per_block": (1, 1, 1)}
_RESIDUAL = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
_FIXED = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "controlnet_mid_block": "middle_block_out.0", "controlnet_cond_embedding.conv_in": "input_hint_block.0",
    "controlnet_cond_embedding.conv_out": "input_hint_block.14",
}  # fmt: skip


def shapes_of(kind: Any, **sizes: Any) -> Shapes:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in kind(**sizes).state_dict().items()}


def original(name: str) -> str:
    """A ControlNet's tensor in the first release's layout, two residual blocks to a level."""
    for ours, theirs in _FIXED.items():
        if name.startswith(f"{ours}."):
            return theirs + name[len(ours) :]
    if found := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.([^.]+)(.*)", name):
        block = f"input_blocks.{3 * int(found[1]) + int(found[3]) + 1}"
        return f"{block}.0.{_RESIDUAL[found[4]]}{found[5]}" if found[2] == "resnets" else f"{block}.1.{found[4]}{found[5]}"
    if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{3 * (int(found[1]) + 1)}.0.op.{found[2]}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.([^.]+)(.*)", name):
        return f"middle_block.{2 * int(found[2])}.{_RESIDUAL[found[3]]}{found[4]}" if found[1] == "resnets" else f"middle_block.1.{found[3]}{found[4]}"
    if found := re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", name):
        return f"zero_convs.{found[1]}.0.{found[2]}"
    found = re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.*)", name)
    return f"input_hint_block.{2 * (int(found[1]) + 1)}.{found[2]}" if found else name


def in_original(shapes: Shapes, prefix: str = "") -> Shapes:
    return {prefix + original(name): shape for name, shape in shapes.items()}


def control_lora(shapes: Shapes, rank: int) -> Shapes:
    """stabilityai's layout: factors where the checkpoint has the weight, the rest whole."""
    found: Shapes = {"lora_controlnet": (0,)}
    for name, shape in in_original(shapes).items():
        stem, _, kind = name.rpartition(".")
        if kind == "weight" and len(shape) > 1 and not name.startswith(("input_hint_block", "zero_convs", "middle_block_out")):
            least = min(rank, shape[0], shape[1])
            found |= {f"{stem}.up": (shape[0], least, *((1, 1) if len(shape) == 4 else ())), f"{stem}.down": (least, *shape[1:])}
        else:
            found[name] = shape
    return found


def adapter(shapes: Shapes, *, light: bool = False, first: int | None = None) -> Shapes:
    """A T2I-Adapter in the first release's layout. first: its input channels."""
    found: Shapes = {}
    for name, shape in shapes.items():
        bare = name.removeprefix("adapter.")
        if light:
            bare = bare.replace(".resnets.", ".body.")
        else:
            bare = re.sub(r"body\.(\d+)\.in_conv", lambda hit: f"body.{int(hit[1]) * 2}.in_conv", bare)
            bare = re.sub(r"body\.(\d+)\.resnets\.(\d)", lambda hit: f"body.{int(hit[1]) * 2 + int(hit[2])}", bare)
        found[bare] = (shape[0], first, *shape[2:]) if first is not None and bare == "conv_in.weight" else shape
    return found


def style() -> Shapes:
    found: Shapes = {"style_embedding": (1, 8, 1024), "proj": (1024, 768)}
    layer: Shapes = {
        "attn.in_proj_weight": (3072, 1024), "attn.in_proj_bias": (3072,), "attn.out_proj.weight": (1024, 1024), "attn.out_proj.bias": (1024,), "ln_1.weight": (1024,),
        "ln_1.bias": (1024,), "mlp.c_fc.weight": (4096, 1024), "mlp.c_fc.bias": (4096,), "mlp.c_proj.weight": (1024, 4096), "mlp.c_proj.bias": (1024,), "ln_2.weight": (1024,),
        "ln_2.bias": (1024,),
    }  # fmt: skip
    for number in range(3):
        found |= {f"transformer_layes.{number}.{name}": shape for name, shape in layer.items()}
    return found | {f"{norm}.{part}": (1024,) for norm in ("ln_pre", "ln_post") for part in ("weight", "bias")}


def resampler(width: int, heads: int, reads: int, text: int, queries: int = 16) -> Shapes:
    found: Shapes = {"latents": (1, queries, width), "proj_in.weight": (width, reads), "proj_in.bias": (width,), "proj_out.weight": (text, width), "proj_out.bias": (text,),
                     "norm_out.weight": (text,), "norm_out.bias": (text,)}
    layer: Shapes = {"0.norm1.weight": (width,), "0.norm1.bias": (width,), "0.norm2.weight": (width,), "0.norm2.bias": (width,), "0.to_q.weight": (heads * 64, width),
                     "0.to_kv.weight": (heads * 128, width), "0.to_out.weight": (width, heads * 64), "1.0.weight": (width,), "1.0.bias": (width,),
                     "1.1.weight": (width * 4, width), "1.3.weight": (width, width * 4)}
    return found | {f"layers.{number}.{name}": shape for number in range(4) for name, shape in layer.items()}


def whole(reads: int, text: int) -> Shapes:
    return {"proj.weight": (4 * text, reads), "proj.bias": (4 * text,), "norm.weight": (text,), "norm.bias": (text,)}


def face(text: int) -> Shapes:
    return {"proj.0.weight": (1024, 512), "proj.0.bias": (1024,), "proj.2.weight": (4 * text, 1024), "proj.2.bias": (4 * text,), "norm.weight": (text,), "norm.bias": (text,)}


def image_prompt(projection: Shapes, unet: Any, text: int) -> Shapes:
    found = {f"image_proj.{name}": shape for name, shape in projection.items()}
    attentions = [module for part in (unet.down_blocks, unet.up_blocks, unet.mid_block) for name, module in part.named_modules() if name.endswith("attn2")]
    for number, attention in enumerate(attentions):
        found |= {f"ip_adapter.{number * 2 + 1}.{part}.weight": (attention.to_q.out_features, text) for part in ("to_k_ip", "to_v_ip")}
    return found


def rows() -> dict[str, tuple[str | None, Any, Shapes]]:
    """File -> (kind, the families it fits or what it is called when it is refused, names and shapes)."""
    from diffusers.models.adapter import T2IAdapter
    from diffusers.models.controlnets.controlnet import ControlNetModel
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    one, two, xl, mid, small = (shapes_of(ControlNetModel, **sizes) for sizes in (SD1, SD2, SDXL, SDXL_MID, SDXL_SMALL))
    union = {kinds: shapes_of(ControlNetUnionModel, **SDXL, num_control_type=kinds, conditioning_embedding_out_channels=(16, 32, 96, 256)) for kinds in (6, 8)}
    full, full_xl, light = shapes_of(T2IAdapter), shapes_of(T2IAdapter, downscale_factor=16, adapter_type="full_adapter_xl", channels=[320, 640, 1280, 1280]), shapes_of(
        T2IAdapter, channels=[320, 640, 1280], num_res_blocks=4, adapter_type="light_adapter")
    with torch.device("meta"):
        unet, unet_xl = UNet2DConditionModel(**SD1), UNet2DConditionModel(**SDXL, up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"))
    full_face: Shapes = {"proj.0.weight": (1280, 1280), "proj.0.bias": (1280,), "proj.2.weight": (768, 1280), "proj.2.bias": (768,), "proj.3.weight": (768,), "proj.3.bias": (768,)}
    perceiver = {f"perceiver_resampler.{name}": shape for name, shape in resampler(768, 12, 1280, 768).items() if name != "latents"}
    pulid: Shapes = {"body.0.weight": (1024, 1280), "mapping_0.0.weight": (1024, 1024), "mapping_patch_0.0.weight": (1024, 1024)}
    lllite = "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    return {
        "control_v11p_sd15_canny": ("CONTROLNET", ["SD1"], in_original(one, "control_model.")),
        "control_v11p_sd15_canny.diffusers": ("CONTROLNET", ["SD1"], one),
        "control_v11p_sd15_inpaint_fp16": ("CONTROLNET", ["SD1"], in_original(one)),
        "control_v11p_sd21_depth": ("CONTROLNET", ["SD2"], in_original(two, "control_model.")),
        "diff_control_sd15_canny_fp16": ("CONTROLNET", ["SD1"], {**in_original(one, "control_model."), "difference": (1,)}),
        "control_instant_id_sdxl": ("CONTROLNET", ["SDXL"], xl), "diffusers_xl_canny_full": ("CONTROLNET", ["SDXL"], xl), "diffusers_xl_canny_mid": ("CONTROLNET", ["SDXL"], mid),
        "diffusers_xl_canny_small": ("CONTROLNET", ["SDXL"], small), "sai_xl_original_full": ("CONTROLNET", ["SDXL"], in_original(xl)),
        "kohya_controlnet_xl_small_original": ("CONTROLNET", ["SDXL"], in_original(small)),
        "controlnet-union-sdxl-1.0": ("UNION", ["SDXL"], union[6]), "controlnet-union-sdxl-1.0-promax": ("UNION", ["SDXL"], union[8]),
        "control-lora-canny-rank256": ("LORA", ["SDXL"], control_lora(xl, 256)), "control-lora-depth-rank128": ("LORA", ["SDXL"], control_lora(xl, 128)),
        "control_lora_rank128_v11p_sd15_canny": ("LORA", ["SD1"], control_lora(one, 128)),
        "t2iadapter_canny_sd15v2": ("T2I_ADAPTER", ["SD1", "SD2"], adapter(full, first=64)), "t2iadapter_depth_sd14v1": ("T2I_ADAPTER", ["SD1", "SD2"], adapter(full)),
        "t2iadapter_color_sd14v1": ("T2I_ADAPTER", ["SD1", "SD2"], adapter(light, light=True)),
        "t2i-adapter_diffusers_xl_canny": ("T2I_ADAPTER", ["SDXL"], full_xl), "t2i-adapter_xl_sketch.original": ("T2I_ADAPTER", ["SDXL"], adapter(full_xl, first=256)),
        "t2iadapter_style_sd14v1": ("STYLE_ADAPTER", ["SD1"], style()),
        "ip-adapter_sd15": ("IP_ADAPTER", ["SD1"], image_prompt(whole(1024, 768), unet, 768)),
        "ip-adapter_sd15_vit-G": ("IP_ADAPTER", ["SD1"], image_prompt(whole(1280, 768), unet, 768)),
        "ip-adapter-plus_sd15": ("IP_ADAPTER", ["SD1"], image_prompt(resampler(768, 12, 1280, 768), unet, 768)),
        "ip-adapter-full-face_sd15": ("IP_ADAPTER", ["SD1"], image_prompt(full_face, unet, 768)),
        "ip-adapter_sdxl": ("IP_ADAPTER", ["SDXL"], image_prompt(whole(1280, 2048), unet_xl, 2048)),
        "ip-adapter_sdxl_vit-h": ("IP_ADAPTER", ["SDXL"], image_prompt(whole(1024, 2048), unet_xl, 2048)),
        "ip-adapter-plus_sdxl_vit-h": ("IP_ADAPTER", ["SDXL"], image_prompt(resampler(1280, 20, 1280, 2048), unet_xl, 2048)),
        "ip-adapter-faceid_sd15": ("IP_ADAPTER", ["SD1"], image_prompt(face(768), unet, 768)),
        "ip-adapter-faceid_sdxl": ("IP_ADAPTER", ["SDXL"], image_prompt(face(2048), unet_xl, 2048)),
        "ip-adapter-faceid-plusv2_sd15": ("IP_ADAPTER", ["SD1"], image_prompt({**face(768), **perceiver}, unet, 768)),
        "ip-adapter_instant_id_sdxl": ("IP_ADAPTER", ["SDXL"], image_prompt(resampler(1280, 20, 512, 2048), unet_xl, 2048)),
        "ip-adapter_pulid_sdxl_fp16": (None, "a PuLID adapter", image_prompt(pulid, unet_xl, 2048)),
        "kohya_controllllite_xl_canny": (None, "a ControlNet-LLLite", {f"{lllite}.conditioning1.0.weight": (16, 3, 4, 4), f"{lllite}.down.0.weight": (64, 640)}),
        "v3_sd15_sparsectrl_rgb": (None, "a SparseCtrl network", {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,), "input_hint_block.0.weight": (320, 5, 3, 3)}),
        "some_lora": (None, "a LoRA", {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 4, 1, 1)}),
        "some_checkpoint": (None, "a whole checkpoint", {"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3), "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}),
        "flux_controlnet": (None, "a ControlNet for another kind of model (Flux or Stable Diffusion 3)",
                            {"controlnet_x_embedder.weight": (3072, 64), "transformer_blocks.0.attn.add_k_proj.weight": (3072, 3072)}),
    }  # fmt: skip


def main() -> None:
    found = {name: {"kind": kind, "says": says, "shapes": shapes} for name, (kind, says, shapes) in rows().items()}
    packed = lzma.compress(json.dumps(found, separators=(",", ":")).encode(), preset=9 | lzma.PRESET_EXTREME)
    (Path(__file__).parent / "control_headers.json.xz").write_bytes(packed)


if __name__ == "__main__":
    main()
