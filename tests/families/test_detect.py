"""Every family is recognised as itself and as no other; everything else is told what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modules.families.detect import detect, family_of, nearest
from modules.families.family import UNET, KeyShape, ModelFamily, Shapes, has, lacks
from modules.families.foreign import foreign_kind
from modules.families.table import FAMILIES, NAMED_FAMILIES, RUNNING, family_named
from modules.families.usual import _BY_FAMILY as USUAL
from modules.schema.errors import CannotLoad


@dataclass(frozen=True)
class FakeHeader:
    shapes: Shapes
    path: Path = Path("model.safetensors")
    metadata: Mapping[str, str] = field(default_factory=dict)


def _unet(in_channels: int, linear: bool, context: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{UNET}input_blocks.0.0.weight": (320, in_channels, 3, 3),
        f"{UNET}middle_block.1.proj_in.weight": (1280, 1280) if linear else (1280, 1280, 1, 1),
        f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1280, context),
    }


CLIP = {"cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,)}
OPEN_CLIP = {"cond_stage_model.model.ln_final.weight": (1024,)}
XL_TEXT = {
    "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": (768,),
    "conditioner.embedders.1.model.ln_final.weight": (1280,),
}
SIZES = {f"{UNET}label_emb.0.0.weight": (1280, 2816)}
JOINT = {"x_embedder.proj.weight": (1536, 16, 2, 2), "joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536), "context_embedder.weight": (1536, 4096)}
FLUX_BLOCKS = {"double_blocks.0.img_mod.lin.weight": (18432, 3072), "single_blocks.0.modulation.lin.weight": (9216, 3072)}
FLUX = FLUX_BLOCKS | {"vector_in.in_layer.weight": (3072, 768), "txt_in.weight": (3072, 4096)}
FLUX_BARE = {"double_blocks.0.img_attn.qkv.weight": (9216, 3072), "double_blocks.0.img_attn.norm.key_norm.scale": (128,)}
NEXT_DIT = {"x_embedder.weight": (2304, 64), "noise_refiner.0.attention.k_norm.weight": (96,), "layers.0.attention.qkv.weight": (6912, 2304)}
HUNYUAN = {"txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias": (6144,)}
COSMOS_2 = {"net.blocks.0.self_attn.q_proj.weight": (2048, 2048), "net.x_embedder.proj.1.weight": (2048, 68), "net.blocks.0.mlp.layer1.weight": (8192, 2048)}
GUIDANCE = {"guidance_in.in_layer.weight": (3072, 256)}

REAL_LAYOUTS: dict[str, dict[str, tuple[int, ...]]] = {
    "SD1": _unet(4, False, 768) | CLIP,
    "SD1 inpainting": _unet(9, False, 768) | CLIP,
    "SD1 pix2pix": _unet(8, False, 768) | CLIP,
    "SD2": _unet(4, True, 1024) | OPEN_CLIP,
    "SD2 inpainting": _unet(9, True, 1024) | OPEN_CLIP,
    "SD2 depth": _unet(5, True, 1024) | OPEN_CLIP,
    "SD2 unCLIP": _unet(4, True, 1024) | OPEN_CLIP | SIZES,
    "SDXL": _unet(4, True, 2048) | XL_TEXT | SIZES,
    "SDXL v-prediction": _unet(4, True, 2048) | XL_TEXT | SIZES | {"v_pred": (0,)},
    "SDXL v-prediction, zero terminal SNR": _unet(4, True, 2048) | XL_TEXT | SIZES | {"v_pred": (0,), "ztsnr": (0,)},
    "SDXL inpainting": _unet(9, True, 2048) | XL_TEXT | SIZES,
    "SDXL pix2pix": _unet(8, True, 2048) | XL_TEXT | SIZES,
    "SDXL refiner": _unet(4, True, 1280) | SIZES | {"conditioner.embedders.0.model.ln_final.weight": (1280,)},
    "SD3": {UNET + name: shape for name, shape in JOINT.items()},
    "SD3.5": {UNET + name: shape for name, shape in JOINT.items()} | {f"{UNET}joint_blocks.0.x_block.attn.ln_q.weight": (64,)},
    "FLUX.1 dev": FLUX | GUIDANCE | {"img_in.weight": (3072, 64)},
    "FLUX.1 schnell": FLUX | {"img_in.weight": (3072, 64)},
    "FLUX.1 fill": FLUX | GUIDANCE | {"img_in.weight": (3072, 384)},
    "FLUX.1 depth or canny": FLUX | GUIDANCE | {"img_in.weight": (3072, 128)},
    "Playground v2.5": _unet(4, True, 2048) | XL_TEXT | SIZES | {"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)},
    "Kolors": _unet(4, True, 2048) | SIZES | {f"{UNET}encoder_hid_proj.weight": (2048, 4096)},
    "Ovis-Image": FLUX_BLOCKS | {"txt_norm.weight": (2048,), "txt_in.weight": (3072, 2048), "img_in.weight": (3072, 64)},
    "LongCat-Image": FLUX_BLOCKS | {"txt_in.weight": (3072, 3584), "img_in.weight": (3072, 64)},
    "Lumina Next": {"cap_embedder.0.weight": (2048,), "layers.0.attention.wq.weight": (2304, 2304), "x_embedder.weight": (2304, 16)},
    "OmniGen": {"llm.layers.0.self_attn.qkv_proj.weight": (9216, 3072), "x_embedder.proj.weight": (3072, 4, 2, 2)},
    "OmniGen2": {"time_caption_embed.caption_embedder.0.weight": (2048,), "layers.0.attn.to_q.weight": (2520, 2520),
                 "ref_image_refiner.0.attn.to_q.weight": (2520, 2520)},
    "HunyuanImage 3": {"model.layers.0.mlp.experts.0.gate_and_up_proj.weight": (6144, 4096), "patch_embed.model.0.weight": (1024, 32, 3, 3)},
    "LTX-2": {"patchify_proj.weight": (4096, 128), "transformer_blocks.27.scale_shift_table": (6, 4096), "audio_patchify_proj.weight": (2048, 128)},
    "CogView4": {"patch_embed.proj.weight": (4096, 64), "time_condition_embed.timestep_embedder.linear_1.weight": (512, 4096)},
    "CogVideoX": {"patch_embed.proj.weight": (1920, 16, 2, 2), "patch_embed.text_proj.weight": (1920, 4096)},
    "Kandinsky 5": {"visual_transformer_blocks.0.self_attention.to_query.weight": (1792, 1792), "text_transformer_blocks.0.self_attention.to_query.weight": (1792, 1792)},
    "Stable Video Diffusion": _unet(8, True, 1024) | {f"{UNET}input_blocks.1.0.time_stack.in_layers.2.weight": (320, 320, 3, 1, 1), f"{UNET}label_emb.0.0.weight": (1280, 768)},
    "FLUX.2 dev": {
        "single_stream_modulation.lin.weight": (18432, 6144), "double_stream_modulation_img.lin.weight": (36864, 6144), "img_in.weight": (6144, 128),
        **{f"double_blocks.{number}.img_attn.qkv.weight": (18432, 6144) for number in range(8)}, "guidance_in.in_layer.weight": (6144, 256),
    },
    "FLUX.2 klein 9B": {
        "single_stream_modulation.lin.weight": (12288, 4096), "img_in.weight": (4096, 128), "txt_in.weight": (4096, 12288),
        **{f"double_blocks.{number}.img_attn.qkv.weight": (12288, 4096) for number in range(8)},
    },
    "FLUX.2 klein 4B": {
        "single_stream_modulation.lin.weight": (9216, 3072), "img_in.weight": (3072, 128), "txt_in.weight": (3072, 7680),
        **{f"double_blocks.{number}.img_attn.qkv.weight": (9216, 3072) for number in range(5)},
    },
    "FLUX.3": {"early_stream_modulations.image.lin.weight": (9, 3), "img_in.weight": (3, 128)},
    "Chroma": FLUX_BARE | {"distilled_guidance_layer.in_proj.weight": (5120, 64), "img_in.weight": (3072, 64)},
    "Chroma Radiance": FLUX_BARE | {"distilled_guidance_layer.in_proj.weight": (5120, 64), "img_in_patch.weight": (3072, 3, 16, 16),
                                    "nerf_final_layer_conv.norm.scale": (64,)},
    "Qwen-Image": {"txt_norm.weight": (3584,), "transformer_blocks.0.img_mod.1.weight": (18432, 3072), "img_in.weight": (3072, 64)},
    "Qwen-Image Layered": {"txt_norm.weight": (3584,), "transformer_blocks.0.img_mod.1.weight": (18432, 3072),
                           "time_text_embed.addition_t_embedding.weight": (2, 3072)},
    "Qwen-Image 2.1": {"txt_in.text_norm.weight": (3584,)},
    "Lumina 2": NEXT_DIT | {"cap_embedder.0.weight": (2304,), "cap_embedder.1.weight": (2304, 2304)},
    "Z-Image": NEXT_DIT | {"cap_embedder.0.weight": (2560,), "cap_embedder.1.weight": (3840, 2560), "layers.0.adaLN_modulation.0.weight": (15360, 256),
                           "cap_pad_token": (1, 3840)},
    "HiDream": {"double_stream_blocks.0.block.adaLN_modulation.1.bias": (30720,), "x_embedder.proj.weight": (2560, 64)},
    "Wan": {"head.modulation": (1, 2, 5120), "patch_embedding.weight": (5120, 16, 1, 2, 2), "blocks.0.self_attn.q.weight": (5120, 5120)},
    "AuraFlow": {"double_layers.0.attn.w1q.weight": (3072, 3072), "double_layers.0.attn.w2q.weight": (3072, 3072), "cond_seq_linear.weight": (3072, 2048)},
    "Sana": {"blocks.0.cross_attn.q_linear.weight": (2240, 2240), "blocks.0.mlp.inverted_conv.conv.weight": (11200, 2240, 1, 1), "attention_y_norm.weight": (2240,)},
    "PixArt": {"blocks.0.cross_attn.q_linear.weight": (1152, 1152), "blocks.0.mlp.fc1.weight": (4608, 1152), "x_embedder.proj.weight": (1152, 4, 2, 2)},
    "HunyuanDiT": {"mlp_t5.0.weight": (8192, 2048), "blocks.0.attn1.Wqkv.weight": (4224, 1408), "x_embedder.proj.weight": (1408, 4, 2, 2)},
    "HunyuanImage": HUNYUAN | {"img_in.proj.weight": (3584, 64, 1, 1), "double_blocks.0.img_mod.linear.weight": (21504, 3584)},
    "HunyuanVideo": HUNYUAN | {"img_in.proj.weight": (3072, 16, 1, 2, 2), "double_blocks.0.img_mod.linear.weight": (18432, 3072)},
    "LTX-Video": {"patchify_proj.weight": (2048, 128), "transformer_blocks.27.scale_shift_table": (6, 2048)},
    "Mochi": {"blocks.0.attn.qkv_x.weight": (9216, 3072), "x_embedder.proj.weight": (3072, 12, 2, 2)},
    "Cosmos 1": {"net.blocks.block1.blocks.0.block.attn.to_q.0.weight": (4096, 4096), "net.x_embedder.proj.1.weight": (4096, 68)},
    "Cosmos Predict2": COSMOS_2,
    "Anima": COSMOS_2 | {"net.llm_adapter.blocks.0.cross_attn.q_proj.weight": (1024, 1024)},
    "Krea 2": {"txtfusion.projector.weight": (4, 4)},
    "Stable Cascade, stage C": {"clip_txt_mapper.weight": (2048, 1280), "down_blocks.0.0.channelwise.0.weight": (8192, 2048)},
    "Stable Cascade, stage B": {"down_blocks.1.0.channelwise.0.weight": (2560, 640)},
    "SD x4 upscaler": {f"{UNET}input_blocks.0.0.weight": (256, 7, 3, 3), f"{UNET}label_emb.weight": (1000, 1024),
                       f"{UNET}middle_block.1.proj_in.weight": (1024, 1024)} | OPEN_CLIP,
}

# The same families by diffusers' names, as their transformers lie in folders.
BLOCK = "transformer_blocks.0."
IN_DIFFUSERS: dict[str, dict[str, tuple[int, ...]]] = {
    "FLUX.2 dev": {"single_stream_modulation.linear.weight": (18432, 6144), f"{BLOCK}attn.to_q.weight": (6144, 6144), "x_embedder.weight": (6144, 128),
                   "time_guidance_embed.guidance_embedder.linear_1.weight": (6144, 256)},
    "FLUX.2 klein 9B": {"single_stream_modulation.linear.weight": (12288, 4096), **{f"transformer_blocks.{number}.attn.to_q.weight": (4096, 4096) for number in range(8)}},
    "FLUX.2 klein 4B": {"single_stream_modulation.linear.weight": (9216, 3072), **{f"transformer_blocks.{number}.attn.to_q.weight": (3072, 3072) for number in range(5)}},
    "Lumina 2": {"time_caption_embed.caption_embedder.0.weight": (2304,), "layers.0.attn.to_q.weight": (2304, 2304)},
    "Wan": {"scale_shift_table": (1, 2, 5120), "patch_embedding.weight": (5120, 16, 1, 2, 2), "blocks.0.attn1.to_q.weight": (5120, 5120)},
    "AuraFlow": {"joint_transformer_blocks.0.attn.to_q.weight": (3072, 3072), "context_embedder.weight": (3072, 2048)},
    "Sana": {"patch_embed.proj.weight": (2240, 32, 1, 1), f"{BLOCK}ff.conv_inverted.weight": (11200, 2240, 1, 1), "caption_projection.linear_1.weight": (2240, 2304)},
    "PixArt": {"adaln_single.linear.weight": (6912, 1152), "pos_embed.proj.weight": (1152, 4, 2, 2), f"{BLOCK}attn1.to_q.weight": (1152, 1152)},
    "HunyuanDiT": {"time_extra_emb.pooler.positional_embedding": (257, 2048), "blocks.0.attn1.to_q.weight": (1408, 1408)},
    "HunyuanVideo": {"context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight": (3072, 3072), "x_embedder.proj.weight": (3072, 16, 1, 2, 2)},
    "LTX-Video": {"proj_in.weight": (2048, 128), "transformer_blocks.27.scale_shift_table": (6, 2048), f"{BLOCK}attn1.to_q.weight": (2048, 2048)},
}

FOREIGN: dict[str, dict[str, tuple[int, ...]]] = {
    "a LoRA": {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320)},
    "a textual inversion embedding": {"emb_params": (2, 768)},
    "a ControlNet": {"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)},
    "a T2I adapter": {"body.0.block1.weight": (320, 320, 3, 3)},
    "one part of a model in diffusers' folder layout": {"down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)},
    "a model quantised by SVDQuant (nunchaku)": {"transformer_blocks.0.qkv_proj.wscales": (48, 9216), "txt_norm.weight": (3584,)},
    "a model in the 4 bits of bitsandbytes": FLUX | {"img_in.weight": (3072, 64), "double_blocks.0.img_mod.lin.weight.quant_state.bitsandbytes__nf4": (80,)},
    "an IP-Adapter": {"ip_adapter.1.to_k_ip.weight": (320, 768)},
    "FLUX.1 Redux": {"redux_down.weight": (4096, 12288)},
    "a motion module of AnimateDiff": {"down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight": (320, 320)},
    "CLIP's picture encoder": {"vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14)},
    "TAESD": {"1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)},
    "only the averaged weights (model_ema) of a checkpoint's UNet": {
        "model_ema.diffusion_modelinput_blocks00weight": (320, 4, 3, 3), "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)},
    "a VAE without the rest of a model": {"decoder.conv_in.weight": (512, 4, 3, 3)},
    "a text encoder": {"text_model.embeddings.token_embedding.weight": (49408, 768)},
    "an upscaler": {"conv_first.weight": (64, 3, 3, 3)},
}


def test_there_is_a_layout_for_every_row() -> None:
    assert set(REAL_LAYOUTS) == {family.name for family in FAMILIES}


@pytest.mark.parametrize("name", REAL_LAYOUTS)
def test_a_layout_is_its_family_and_no_other(name: str) -> None:
    shapes = REAL_LAYOUTS[name]
    fitting = [family.name for family in FAMILIES if all(mark.failure(shapes) is None for mark in family.marks)]
    assert fitting == [name]
    assert detect(FakeHeader(shapes)).name == name
    assert foreign_kind(shapes) is None


@pytest.mark.parametrize("name", IN_DIFFUSERS)
def test_by_diffusers_names_it_is_the_same_family(name: str) -> None:
    for shapes in (IN_DIFFUSERS[name], {f"transformer.{key}": shape for key, shape in IN_DIFFUSERS[name].items()}):
        assert [family.name for family in FAMILIES if all(mark.failure(shapes) is None for mark in family.marks)] == [name]


@pytest.mark.parametrize("name", ["SD3", "SD3.5", "FLUX.1 dev", "FLUX.1 schnell"])
def test_a_bare_transformer_is_recognised_with_and_without_its_prefix(name: str) -> None:
    bare = {key.removeprefix(UNET): shape for key, shape in REAL_LAYOUTS[name].items()}
    for shapes in (bare, {UNET + key: shape for key, shape in bare.items()}):
        assert family_of(shapes) is family_named(name)


@pytest.mark.parametrize("title", FOREIGN)
def test_a_foreign_file_is_told_what_it_is_and_where_it_belongs(title: str) -> None:
    with pytest.raises(CannotLoad) as raised:
        detect(FakeHeader(FOREIGN[title]))
    assert title in raised.value.message and "model.safetensors" in raised.value.message
    assert raised.value.remedy


def test_an_unknown_file_is_told_what_it_is_nearest_to_and_what_it_lacks() -> None:
    with pytest.raises(CannotLoad) as raised:
        detect(FakeHeader({"something.weight": (3,)}))
    assert "is nearest, but it lacks" in raised.value.reason and len(str(raised.value)) < 500
    for family in FAMILIES:
        shapes = dict(REAL_LAYOUTS[family.name])
        del shapes[next(name for mark in family.marks for name in mark.names if name in shapes)]
        assert family_of(shapes) is not None or "is nearest, but it" in nearest(shapes)


def test_a_file_without_tensors_is_told_so() -> None:
    with pytest.raises(CannotLoad, match="no tensors"):
        detect(FakeHeader({}))


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (has("a", axis=1, size=4), None),
        (has("a", axis=1, size=5), "a is 2x4, not 5 along axis 1"),
        (has("a", axis=2, size=5), "a is 2x4, not 5 along axis 2"),
        (has("a", rank=2), None),
        (has("a", rank=4), "a has 2 dimensions instead of 4"),
        (has("x", "a"), None),
        (has("b"), "lacks b"),
        (lacks("b"), None),
        (lacks("b", "a"), "has a"),
    ],
)
def test_a_mark_says_why_it_fails(mark: KeyShape, why: str | None) -> None:
    assert mark.failure({"a": (2, 4)}) == why


def test_what_cannot_run_yet_says_what_it_is() -> None:
    assert "SD1" in [family.name for family in FAMILIES if family.runs]
    for family in FAMILIES:
        assert family.name in family.cannot_run


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_rows_are_consistent(family: ModelFamily) -> None:
    assert family.native_size[0] % (family.latent.downscale * 2) == 0
    assert family.is_inpainting == ("inpainting" in family.name or "fill" in family.name)


@pytest.mark.parametrize("family", [each for each in (*FAMILIES, *NAMED_FAMILIES) if each.runs and each.is_flow], ids=lambda family: family.name)
def test_who_has_a_model_that_does_not_run_is_told_of_every_kind_that_does(family: ModelFamily) -> None:
    kind = family.name.split()[0].removesuffix(".5")
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    assert kind in RUNNING and (kind in readme or kind.replace("SD", "SD ") in readme)
    assert family.name in USUAL, "else its first picture is drawn with SD's steps and CFG Scale"
