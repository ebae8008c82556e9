"""BLIP, CLIP and DeepDanbooru, random and tiny, as their makers write them; and what they say by other means than ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAGS = ["1girl", "blue_sky", "smile_(grin)", "rating:safe", "solo", "tree"]
MAKERS_NAMES = (
    (r"^vision_model\.embeddings\.class_embedding", "visual_encoder.cls_token"), (r"^vision_model\.embeddings\.position_embedding", "visual_encoder.pos_embed"),
    (r"^vision_model\.embeddings\.patch_embedding", "visual_encoder.patch_embed.proj"), (r"^vision_model\.post_layernorm", "visual_encoder.norm"),
    (r"^vision_model\.encoder\.layers", "visual_encoder.blocks"), (r"(blocks\.\d+)\.layer_norm", r"\1.norm"),
    (r"(blocks\.\d+)\.self_attn\.projection", r"\1.attn.proj"), (r"(blocks\.\d+)\.self_attn", r"\1.attn"),
)  # fmt: skip


def shaken(module: nn.Module, seed: int, scale: float = 0.2) -> Any:
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.randn(each.shape, generator=made) * scale)
    return module.eval()


def blip(seed: int = 0) -> Any:
    """transformers' module."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "image_size": 64, "patch_size": 16, "layer_norm_eps": 1e-6}
    text = {"vocab_size": 30524, "hidden_size": 32, "encoder_hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1,
            "bos_token_id": 30522, "sep_token_id": 102, "pad_token_id": 0, "max_position_embeddings": 64}  # fmt: skip
    return shaken(BlipForConditionalGeneration(BlipConfig(vision_config=vision, text_config=text)), seed)


def write_blip(path: Path, module: Any) -> None:
    """As BLIP's makers publish it."""
    table = {}
    for name, tensor in module.state_dict().items():
        for before, after in MAKERS_NAMES:
            name = re.sub(before, after, name)
        table[name] = tensor.clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": table | {"text_decoder.bert.embeddings.position_ids": torch.arange(64)[None]}}, path)


def clip(seed: int = 0) -> Any:
    """transformers' module."""
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "image_size": 28, "patch_size": 14, "projection_dim": 16}
    text = {"vocab_size": 49408, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "projection_dim": 16,
            "eos_token_id": 49407}  # fmt: skip
    return shaken(CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)), seed)


def openai_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """transformers' names -> OpenAI's, written the other way round than the reader does it."""
    found: dict[str, Tensor] = {}
    for half, prefix, layers in (("vision_model", "visual.", 2), ("text_model", "", 2)):
        for number in range(layers):
            ours, theirs = f"{half}.encoder.layers.{number}", f"{prefix}transformer.resblocks.{number}"
            for kind in ("weight", "bias"):
                found[f"{theirs}.attn.in_proj_{kind}"] = torch.cat([state[f"{ours}.self_attn.{each}_proj.{kind}"] for each in "qkv"])
                for mine, other in (("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")):
                    found[f"{theirs}.{other}.{kind}"] = state[f"{ours}.{mine}.{kind}"]
    for kind in ("weight", "bias"):
        found[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        found[f"ln_final.{kind}"] = state[f"text_model.final_layer_norm.{kind}"]
    found |= {
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"], "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"], "visual.proj": state["visual_projection.weight"].T,
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"], "text_projection": state["text_projection.weight"].T,
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"], "logit_scale": state["logit_scale"],
    }  # fmt: skip
    return {name: tensor.clone().contiguous() for name, tensor in found.items()}


def write_clip(path: Path, module: Any) -> None:
    """As OpenAI publishes it: a program for TorchScript, with the weights inside."""
    root = nn.Module()
    for name, tensor in openai_names(module.state_dict()).items():
        owner = root
        *parents, last = name.split(".")
        for each in parents:
            if not hasattr(owner, each):
                owner.add_module(each, nn.Module())
            owner = owner.get_submodule(each)
        owner.register_parameter(last, nn.Parameter(tensor, requires_grad=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.script(root).save(str(path))


class Tagger(nn.Module):
    """DeepDanbooru with few blocks, its padding written out as numbers for pictures of 512."""

    SHAPES = ((8, 3, 7), (16, 8, 1), (8, 8, 1), (8, 8, 3), (16, 8, 1), (8, 16, 1), (8, 8, 3), (16, 8, 1),       # stem; a block that widens; a plain one
              (32, 16, 1), (8, 16, 1), (8, 8, 3), (32, 8, 1),                                                   # the second stage widens and halves
              (8, 32, 1), (8, 8, 3), (32, 8, 1), (32, 32, 1), (8, 32, 1), (8, 8, 3), (32, 8, 1),                # the third halves and does not widen; a plain one
              (len(TAGS), 32, 1))  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        for number, (after, before, side) in enumerate(self.SHAPES):
            self.add_module(f"n_Conv_{number}", nn.Conv2d(before, after, side, bias=number != len(self.SHAPES) - 1))

    def forward(self, pixels: Tensor) -> Tensor:
        def at(number: int, x: Tensor, stride: int = 1, pad: tuple[int, ...] = (0, 0, 0, 0)) -> Tensor:
            layer: Any = self.get_submodule(f"n_Conv_{number}")
            return F.conv2d(F.pad(x, pad), layer.weight, layer.bias, stride)

        def block(first: int, x: Tensor, around: Tensor, stride: int = 1) -> Tensor:
            inner = F.relu(at(first + 1, F.relu(at(first, x)), stride, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)))
            return F.relu(at(first + 2, inner) + around)

        x = F.relu(at(0, pixels, 2, (2, 3, 2, 3)))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        x = block(2, x, at(1, x))
        x = block(5, x, x)
        x = block(9, x, at(8, x, 2), 2)
        x = block(12, x, at(15, x, 2), 2)
        x = block(16, x, x)
        return torch.sigmoid(at(19, x).mean(dim=(2, 3)))[0]


def write_tagger(path: Path, module: Tagger) -> None:
    """As A1111's file has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**module.state_dict(), "tags": TAGS}, path)
