"""Which tensor of a transformer in its makers' single-file layout becomes which of diffusers' module.

A rule gives a layer of the file its name there: one name, several for a tensor that holds several of them one after the other, or
``SWAPPED`` before a name whose two halves stand the other way round. Files in diffusers' own names are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from modules.families.family import DENOISER_PREFIXES, Denoiser, Shapes
from modules.families.qwen_text import SHOWN_IS_CLEAN
from modules.loading.fill import Piece

SWAPPED = "<>"          # diffusers wants scale before shift, the makers wrote shift before scale
DROPPED = ""
Rules = Mapping[str, str | Sequence[str]]
_BLOCK = re.compile(r"([a-z_.]+)\.(\d+)\.(.+)")

_TIME = {"0": "linear_1", "2": "linear_2", "in_layer": "linear_1", "out_layer": "linear_2"}
_FLUX_ENDS: Rules = {
    "img_in": "x_embedder", "txt_in": "context_embedder", "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": f"{SWAPPED}norm_out.linear",
    **{f"{theirs}.{part}": f"time_text_embed.{ours}.{_TIME[part]}" for theirs, ours in
       (("time_in", "timestep_embedder"), ("vector_in", "text_embedder"), ("guidance_in", "guidance_embedder")) for part in ("in_layer", "out_layer")},
}  # fmt: skip
_FLUX_DOUBLE: Rules = {
    "img_mod.lin": "norm1.linear", "txt_mod.lin": "norm1_context.linear",
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"), "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.norm.query_norm": "attn.norm_q", "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q", "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj", "img_mlp.2": "ff.net.2", "txt_mlp.0": "ff_context.net.0.proj", "txt_mlp.2": "ff_context.net.2",
}  # fmt: skip
_FLUX_SINGLE: Rules = {
    "modulation.lin": "norm.linear", "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), "linear2": "proj_out",
    "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k",
}  # fmt: skip
_SD3_ENDS: Rules = {
    "x_embedder.proj": "pos_embed.proj", "context_embedder": "context_embedder", "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": f"{SWAPPED}norm_out.linear",
    **{f"{theirs}.mlp.{part}": f"time_text_embed.{ours}.{_TIME[part]}" for theirs, ours in
       (("t_embedder", "timestep_embedder"), ("y_embedder", "text_embedder")) for part in ("0", "2")},
}  # fmt: skip
_SD3_BLOCK: Rules = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"), "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"), "x_block.attn2.proj": "attn2.to_out.0",
    "x_block.attn.ln_q": "attn.norm_q", "x_block.attn.ln_k": "attn.norm_k", "x_block.attn2.ln_q": "attn2.norm_q", "x_block.attn2.ln_k": "attn2.norm_k",
    "context_block.attn.ln_q": "attn.norm_added_q", "context_block.attn.ln_k": "attn.norm_added_k",
    "x_block.attn.proj": "attn.to_out.0", "context_block.attn.proj": "attn.to_add_out",
    "x_block.adaLN_modulation.1": "norm1.linear", "context_block.adaLN_modulation.1": "norm1_context.linear",
    "x_block.mlp.fc1": "ff.net.0.proj", "x_block.mlp.fc2": "ff.net.2",
    "context_block.mlp.fc1": "ff_context.net.0.proj", "context_block.mlp.fc2": "ff_context.net.2",
}  # fmt: skip
_Z_ENDS: Rules = {
    "x_embedder": "all_x_embedder.2-1", "final_layer.linear": "all_final_layer.2-1.linear",
    "final_layer.adaLN_modulation.1": "all_final_layer.2-1.adaLN_modulation.1", "norm_final": DROPPED,
}  # fmt: skip
_Z_BLOCK: Rules = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"), "attention.out": "attention.to_out.0",
    "attention.q_norm": "attention.norm_q", "attention.k_norm": "attention.norm_k",
}  # fmt: skip
_FLUX2_ENDS: Rules = {
    "img_in": "x_embedder", "txt_in": "context_embedder", "final_layer.linear": "proj_out", "final_layer.adaLN_modulation.1": f"{SWAPPED}norm_out.linear",
    **{f"{name}.lin": f"{name}.linear" for name in ("double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation")},
    **{f"{theirs}.{part}": f"time_guidance_embed.{ours}.{_TIME[part]}" for theirs, ours in
       (("time_in", "timestep_embedder"), ("guidance_in", "guidance_embedder")) for part in ("in_layer", "out_layer")},
}  # fmt: skip
_FLUX2_DOUBLE: Rules = {
    **{name: target for name, target in _FLUX_DOUBLE.items() if "attn" in name},
    "img_mlp.0": "ff.linear_in", "img_mlp.2": "ff.linear_out", "txt_mlp.0": "ff_context.linear_in", "txt_mlp.2": "ff_context.linear_out",
}  # fmt: skip
_FLUX2_SINGLE: Rules = {"linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out", "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k"}
_LUMINA2_ENDS: Rules = {
    "cap_embedder.0": "time_caption_embed.caption_embedder.0", "cap_embedder.1": "time_caption_embed.caption_embedder.1",
    "t_embedder.mlp.0": "time_caption_embed.timestep_embedder.linear_1", "t_embedder.mlp.2": "time_caption_embed.timestep_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear_1", "final_layer.linear": "norm_out.linear_2", "norm_final": DROPPED,
}  # fmt: skip
_LUMINA2_REFINER: Rules = {
    "attention.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"), "attention.out": "attn.to_out.0", "attention.q_norm": "attn.norm_q", "attention.k_norm": "attn.norm_k",
    "feed_forward.w1": "feed_forward.linear_1", "feed_forward.w2": "feed_forward.linear_2", "feed_forward.w3": "feed_forward.linear_3",
    "attention_norm1": "norm1", "attention_norm2": "norm2",
}  # fmt: skip
_LUMINA2_BLOCK: Rules = {**_LUMINA2_REFINER, "attention_norm1": "norm1.norm", "adaLN_modulation.1": "norm1.linear"}
_ANIMA_ENDS: Rules = {
    "x_embedder.proj.1": "patch_embed.proj", "t_embedding_norm": "time_embed.norm", "final_layer.linear": "proj_out",
    **{f"t_embedder.1.linear_{n}": f"time_embed.t_embedder.linear_{n}" for n in (1, 2)}, **{f"final_layer.adaln_modulation.{n}": f"norm_out.linear_{n}" for n in (1, 2)},
}  # fmt: skip
_ANIMA_BLOCK: Rules = {
    **{f"{theirs}.{part}": f"{ours}.{name}" for theirs, ours in (("self_attn", "attn1"), ("cross_attn", "attn2"))
       for part, name in (("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("output_proj", "to_out.0"), ("q_norm", "norm_q"), ("k_norm", "norm_k"))},
    **{f"adaln_modulation_{part}.{n}": f"norm{place}.linear_{n}" for place, part in enumerate(("self_attn", "cross_attn", "mlp"), 1) for n in (1, 2)},
    "mlp.layer1": "ff.net.0.proj", "mlp.layer2": "ff.net.2",
}  # fmt: skip
_KREA_ENDS: Rules = {
    "first": "img_in", "tmlp.0": "time_embed.linear_1", "tmlp.2": "time_embed.linear_2", "tproj.1": "time_mod_proj", "txtmlp.0": "txt_in.norm",
    "txtmlp.1": "txt_in.linear_1", "txtmlp.3": "txt_in.linear_2", "txtfusion.projector": "text_fusion.projector", "last.linear": "final_layer.linear", "last.norm": "final_layer.norm",
}  # fmt: skip
_KREA_BLOCK: Rules = {
    "attn.wq": "attn.to_q", "attn.wk": "attn.to_k", "attn.wv": "attn.to_v", "attn.wo": "attn.to_out.0", "attn.gate": "attn.to_gate",
    "attn.qknorm.qnorm": "attn.norm_q", "attn.qknorm.knorm": "attn.norm_k", "prenorm": "norm1", "postnorm": "norm2",
    **{f"mlp.{name}": f"ff.{name}" for name in ("gate", "up", "down")},
}  # fmt: skip
_OVIS_ENDS: Rules = {
    **{name: target for name, target in _FLUX_ENDS.items() if not name.startswith(("time_in", "vector_in", "guidance_in", "txt_in"))},
    **{f"time_in.{part}_layer": f"timestep_embedder.linear_{n}" for n, part in ((1, "in"), (2, "out"))},
    **{f"{before}txt_in": "context_embedder" for before in ("", "semantic_")}, **{f"{before}txt_norm": "context_embedder_norm" for before in ("", "semantic_")},
}  # fmt: skip
_OVIS_DOUBLE: Rules = {
    **{name: target for name, target in _FLUX_DOUBLE.items() if "_mlp" not in name},
    "img_mlp.gate_proj": "ff.net.0.proj", "img_mlp.down_proj": "ff.net.2", "txt_mlp.gate_proj": "ff_context.net.0.proj", "txt_mlp.down_proj": "ff_context.net.2",
}  # fmt: skip
# kind of denoiser -> (rules outside blocks, group of blocks -> (its name in diffusers, rules inside))
_LAYOUTS: Mapping[Denoiser, tuple[Rules, Mapping[str, tuple[str, Rules]]]] = {
    "flux": (_FLUX_ENDS, {"double_blocks": ("transformer_blocks", _FLUX_DOUBLE), "single_blocks": ("single_transformer_blocks", _FLUX_SINGLE)}),
    "chroma": (_FLUX_ENDS, {"double_blocks": ("transformer_blocks", _FLUX_DOUBLE), "single_blocks": ("single_transformer_blocks", _FLUX_SINGLE)}),
    "sd3": (_SD3_ENDS, {"joint_blocks": ("transformer_blocks", _SD3_BLOCK)}),
    "z-image": (_Z_ENDS, {group: (group, _Z_BLOCK) for group in ("layers", "noise_refiner", "context_refiner")}),
    "qwen-image": ({}, {}),
    "flux2": (_FLUX2_ENDS, {"double_blocks": ("transformer_blocks", _FLUX2_DOUBLE), "single_blocks": ("single_transformer_blocks", _FLUX2_SINGLE)}),
    "anima": (_ANIMA_ENDS, {"blocks": ("transformer_blocks", _ANIMA_BLOCK)}),
    "krea2": (_KREA_ENDS, {"blocks": ("transformer_blocks", _KREA_BLOCK),
                           **{f"txtfusion.{group}": (f"text_fusion.{group}", _KREA_BLOCK) for group in ("layerwise_blocks", "refiner_blocks")}}),
    "ovis": (_OVIS_ENDS, {"double_blocks": ("transformer_blocks", _OVIS_DOUBLE), "single_blocks": ("single_transformer_blocks", _FLUX_SINGLE)}),
    "lumina2": (_LUMINA2_ENDS, {"layers": ("layers", _LUMINA2_BLOCK), "noise_refiner": ("noise_refiner", _LUMINA2_BLOCK), "context_refiner": ("context_refiner", _LUMINA2_REFINER)}),
}
_TENSORS = {"pos_embed": "pos_embed.pos_embed", "last.modulation.lin": "final_layer.scale_shift_table", "mod.lin": "scale_shift_table"}         # of no layer
_LOWER, _UPPER = "mlp.gate_proj", "mlp.up_proj"        # Ovis-Image's, which are one layer in diffusers
_FOLDED = {"mod.lin": 6}        # one row that stands for so many
_NO_WEIGHTS = re.compile(rf"{SHOWN_IS_CLEAN}|(?:.*\.)?_extra_state|pos_embedder\..+|accum_.+|llm_adapter\..+")     # flags, counters, tables, and a part of the text encoder
_GUIDANCE_LAYER = re.compile(r"(distilled_guidance_layer\.layers\.\d+)\.(in_layer|out_layer)")
_OWN_GUIDANCE_LAYER = re.compile(r"(distilled_guidance_layer\.layers\.\d+)\.(linear_[12])")
_TIME_ORIGINAL = {"linear_1": "in_layer", "linear_2": "out_layer"}
# What LoRAs of XLabs call what they change
_XLABS: Mapping[str, Rules] = {
    "double_blocks": {
        "processor.qkv_lora1": _FLUX_DOUBLE["img_attn.qkv"], "processor.proj_lora1": _FLUX_DOUBLE["img_attn.proj"],
        "processor.qkv_lora2": _FLUX_DOUBLE["txt_attn.qkv"], "processor.proj_lora2": _FLUX_DOUBLE["txt_attn.proj"],
    },
    "single_blocks": {"processor.qkv_lora": ("attn.to_q", "attn.to_k", "attn.to_v")},
}  # fmt: skip


def transformer_prefix(shapes: Shapes) -> str:
    """What stands in front of the transformer's names in this file."""
    return next((prefix for prefix in DENOISER_PREFIXES if prefix and any(name.startswith(prefix) for name in shapes)), "")


def transformer_names(kind: Denoiser, shapes: Shapes) -> dict[str, Piece]:
    """The module's tensor name -> where the file has it. A name that no rule knows stays as it is."""
    prefix = transformer_prefix(shapes)
    ends, groups = _LAYOUTS[kind]
    found: dict[str, Piece] = {}
    for name in shapes:
        if name.startswith(prefix):
            found |= _pieces(name, name.removeprefix(prefix), shapes, kind, ends, groups)
    if kind == "sd3":
        _swap_last_context(found)
    return found


def original_layers(kind: Denoiser, layers: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Layers as their makers name and join them -> the module's, of which ``layers`` are all; one after ``SWAPPED`` where its halves change places."""
    ends, groups = _LAYOUTS[kind]
    there = set(layers)
    numbers = {(block[1], block[2]) for name in there if (block := _BLOCK.fullmatch(name))}
    places = [("", "", ends)]
    places += [(f"{theirs}.{number}.", f"{ours}.{number}.", rules) for theirs, (ours, rules) in groups.items() for group, number in numbers if group == ours]
    found: dict[str, tuple[str, ...]] = {}
    for before, within, rules in places:
        for name, target in {**rules, **_XLABS.get(before.partition(".")[0], {})}.items():
            swapped = SWAPPED if isinstance(target, str) and target.startswith(SWAPPED) else ""
            ours = tuple(f"{within}{each.removeprefix(SWAPPED)}" for each in ((target,) if isinstance(target, str) else target))
            if there.issuperset(ours):
                found[f"{before}{name}"] = (f"{swapped}{ours[0]}",) if swapped else ours
    if kind == "sd3":
        last = max((int(number) for group, number in numbers if group == "transformer_blocks"), default=0)
        found = {name: (f"{SWAPPED}{ours[0]}",) if name == f"joint_blocks.{last}.context_block.adaLN_modulation.1" else ours for name, ours in found.items()}
    if kind == "chroma":
        found |= {_guidance_original(name): (name,) for name in there if _guidance_original(name)}
    return found


def _guidance_original(name: str) -> str:
    """What Chroma's makers call a layer of its guidance network that diffusers renamed; "" for any other."""
    match = _OWN_GUIDANCE_LAYER.fullmatch(name)
    return f"{match[1]}.{_TIME_ORIGINAL[match[2]]}" if match else ""


def _pieces(name: str, rest: str, shapes: Shapes, kind: Denoiser, ends: Rules, groups: Mapping[str, tuple[str, Rules]]) -> dict[str, Piece]:
    block = _BLOCK.fullmatch(rest)
    group = groups.get(block[1]) if block else None
    before, rules, rest = (f"{group[0]}.{block[2]}.", group[1], block[3]) if group and block else ("", ends, rest)
    if _NO_WEIGHTS.fullmatch(rest):
        return {}
    if rest in _TENSORS:
        return {f"{before}{_TENSORS[rest]}": Piece(name, folded=_FOLDED.get(rest, 0))}
    layer, _, ending = rest.rpartition(".")
    if kind == "chroma":
        layer = _GUIDANCE_LAYER.sub(lambda match: f"{match[1]}.{_TIME[match[2]]}", layer)
    ending = "weight" if ending == "scale" else ending
    target = rules.get(layer, layer)
    if target == DROPPED and layer:
        return {}
    if layer.endswith(_UPPER):          # read with the one that it stands above
        return {}
    if isinstance(target, str):
        swapped, above = target.startswith(SWAPPED), name.replace(_LOWER, _UPPER) if _LOWER in name else ""
        return {f"{before}{target.removeprefix(SWAPPED)}{'.' if layer else ''}{ending}": Piece(name, swapped=swapped, above=above)}
    return {f"{before}{each}.{ending}": piece for each, piece in zip(target, _parts(name, shapes, len(target)))}


def _parts(name: str, shapes: Shapes, count: int) -> list[Piece]:
    """Query, key and value, of equal size, or the query larger than the two others; a fourth part is what is left of the rows."""
    if count == 3:
        rows, columns = (*shapes[name], 0)[:2]
        if not columns < rows < 3 * columns:
            return [Piece(name, index=index, of=3) for index in range(3)]
        end = columns + (rows - columns) // 2
        return [Piece(name, rows=(0, columns)), Piece(name, rows=(columns, end)), Piece(name, rows=(end, 0))]
    weight = shapes[name] if name.endswith(".weight") else shapes.get(f"{name.rpartition('.')[0]}.weight", (0, 0))
    width = weight[1] if len(weight) > 1 else 0
    return [*(Piece(name, rows=(index * width, (index + 1) * width)) for index in range(3)), Piece(name, rows=(3 * width, 0))]


def _swap_last_context(found: dict[str, Piece]) -> None:
    """SD3's last block has no way on for the text: its modulation is one of an end, scale before shift."""
    numbers = [int(name.split(".")[1]) for name in found if name.startswith("transformer_blocks.") and name.split(".")[1].isdecimal()]
    for ending in ("weight", "bias"):
        name = f"transformer_blocks.{max(numbers, default=0)}.norm1_context.linear.{ending}"
        if name in found and "joint_blocks" in found[name].name:
            found[name] = Piece(found[name].name, swapped=True)
