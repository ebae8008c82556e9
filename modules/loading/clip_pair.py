"""CLIP with both halves: how well each of some texts fits a picture. OpenAI's file (ViT-L-14.pt), which A1111 keeps, or transformers' layout."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modules.families.family import Shapes
from modules.loading.clip_vision import clip_pixels, vision_config
from modules.loading.fill import number_places
from modules.loading.tokenizer import clip_tokenizer
from modules.loading.weights import read_tensors
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from PIL.Image import Image

_HEAD_WIDTH = 64
_TEXTS_AT_ONCE = 256
_SHARPNESS = 100.0                              # by which likenesses are multiplied before they are compared, as CLIP learned to
_WORDS = "text_model.embeddings.token_embedding.weight"
_FIXED = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight", "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight", "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias", "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias", "token_embedding.weight": _WORDS,
    "positional_embedding": "text_model.embeddings.position_embedding.weight", "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias", "logit_scale": "logit_scale",
}  # fmt: skip
_TURNED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
_LAYER = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(attn\.in_proj|attn\.out_proj|ln_1|ln_2|mlp\.c_fc|mlp\.c_proj)[._](weight|bias)")
_PARTS = {"attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipPair:
    """module: transformers' CLIPModel. side: of the pictures that it sees."""

    module: Any
    side: int

    @torch.no_grad()
    def fits(self, picture: Image, texts: Sequence[str]) -> Tensor:
        """(number of texts): shares of one."""
        weight = next(self.module.parameters())
        seen = _features(self.module.get_image_features(clip_pixels(picture, self.side, cropped=True).to(device=weight.device, dtype=weight.dtype)))
        read = torch.cat([self._read(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE)])
        return (_SHARPNESS * seen @ read.T).softmax(dim=-1)[0].float().cpu()

    def _read(self, texts: Sequence[str]) -> Tensor:
        tokens = clip_tokenizer()(list(texts), padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        return _features(self.module.get_text_features(tokens["input_ids"].to(next(self.module.parameters()).device)))


def _features(found: Any) -> Tensor:
    """Of length one. transformers 5 answers with an object in which they stand."""
    features = found if isinstance(found, Tensor) else found.pooler_output
    return features / features.norm(dim=-1, keepdim=True)


def load_clip_pair(path: Path, device: torch.device, dtype: torch.dtype) -> ClipPair:
    """Raises CannotLoad for a damaged file or another kind of model."""
    from transformers.models.clip import CLIPConfig, CLIPModel

    table = dict(_renamed(_tensors(path)))
    shapes = {name: tuple(tensor.shape) for name, tensor in table.items()}
    config = {"vision_config": vision_config(path, shapes), "text_config": _text_config(path, shapes), "projection_dim": shapes["visual_projection.weight"][0]}
    with torch.device("meta"):
        module: Any = CLIPModel(CLIPConfig(**config))
    table.setdefault("logit_scale", torch.tensor(0.0))
    try:
        module.load_state_dict({name: table[name].to(device, dtype) for name in module.state_dict()}, assign=True)
    except (KeyError, RuntimeError) as error:
        raise CannotLoad(path, f"it is no whole CLIP ({str(error).splitlines()[0][:160]})", "Download the file again.") from error
    number_places(module, device)
    return ClipPair(module=module.requires_grad_(False).eval(), side=config["vision_config"]["image_size"])


def _text_config(path: object, shapes: Shapes) -> dict[str, Any]:
    words, places, inner = shapes.get(_WORDS), shapes.get("text_model.embeddings.position_embedding.weight"), shapes.get("text_model.encoder.layers.0.mlp.fc1.weight")
    projection = shapes.get("text_projection.weight")
    if not (words and places and inner and projection):
        raise CannotLoad(path, "it is no CLIP that reads texts", "Put OpenAI's ViT-L-14.pt there.")
    layers = len({name.split(".")[3] for name in shapes if name.startswith("text_model.encoder.layers.")})
    return {
        "vocab_size": words[0], "hidden_size": words[1], "max_position_embeddings": places[0], "intermediate_size": inner[0], "num_hidden_layers": layers,
        "num_attention_heads": max(words[1] // _HEAD_WIDTH, 1), "projection_dim": projection[0], "eos_token_id": words[0] - 1,
    }  # fmt: skip


def _renamed(table: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """OpenAI's names -> transformers'; those as they are."""
    for name, tensor in table.items():
        layer = _LAYER.fullmatch(name)
        if name in _TURNED and tensor.dim() == 2:
            yield _TURNED[name], tensor.T.contiguous()
        elif layer is None:
            yield _FIXED.get(name, name), tensor
        else:
            half = "vision_model" if layer[1] else "text_model"
            prefix = f"{half}.encoder.layers.{layer[2]}"
            if layer[3] == "attn.in_proj":
                yield from ((f"{prefix}.self_attn.{part}_proj.{layer[4]}", each) for part, each in zip("qkv", tensor.chunk(3)))
            else:
                yield f"{prefix}.{_PARTS[layer[3]]}.{layer[4]}", tensor


def _tensors(path: Path) -> Mapping[str, Tensor]:
    if _is_script(path):
        try:
            return dict(torch.jit.load(str(path), map_location="cpu").state_dict())         # its program is not run
        except RuntimeError as error:
            raise CannotLoad(path, f"it is truncated or damaged ({str(error).splitlines()[0][:160]})", "Download the file again.") from error
    return read_tensors(path)


def _is_script(path: Path) -> bool:
    """Whether the file is TorchScript, as OpenAI publishes it."""
    try:
        with zipfile.ZipFile(path) as packed:
            return any("/code/" in name for name in packed.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
