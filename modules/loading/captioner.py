"""BLIP (Li et al. 2022) with its text decoder: a picture -> a sentence. Its makers' file, which A1111 keeps, or transformers'."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modules.families.family import Shapes
from modules.loading.clip_vision import clip_pixels
from modules.loading.fill import number_places
from modules.loading.pickle_weights import is_pickle, read_pickle
from modules.loading.tokenizer import bert_tokenizer
from modules.loading.weights import read_tensors
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from PIL.Image import Image

_BEGINNING = ("a", "picture", "of")             # every sentence's, which is taken off again
_PAD, _END, _BOS = 0, 102, 30522                # [PAD], [SEP] and BLIP's own [DEC], which follows BERT's vocabulary
_HEAD_WIDTH = 64
_VISION_EPSILON = 1e-6
_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_WORDS = "text_decoder.bert.embeddings.word_embeddings.weight"
_CHOOSE = "Put BLIP's model_base_caption_capfilt_large.pth there."
_RENAMED = tuple((re.compile(before), after) for before, after in (
    (r"^visual_encoder\.cls_token$", "vision_model.embeddings.class_embedding"),
    (r"^visual_encoder\.pos_embed$", "vision_model.embeddings.position_embedding"),
    (r"^visual_encoder\.patch_embed\.proj\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual_encoder\.norm\.", "vision_model.post_layernorm."),
    (r"^visual_encoder\.blocks\.", "vision_model.encoder.layers."),
    (r"(layers\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
    (r"(layers\.\d+)\.attn\.proj\.", r"\1.self_attn.projection."),
    (r"(layers\.\d+)\.attn\.", r"\1.self_attn."),
))  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Captioner:
    """module: transformers' BlipForConditionalGeneration. side: of the pictures that it sees, in pixels."""

    module: Any
    side: int

    def __call__(self, picture: Image, *, beams: int = 1, shortest: int = 24, longest: int = 48) -> str:
        """One sentence without its beginning. shortest, longest: in tokens, with what every sentence begins with."""
        weight = next(self.module.parameters())
        pixels = clip_pixels(picture, self.side).to(device=weight.device, dtype=weight.dtype)
        vocabulary = bert_tokenizer()
        begun = [_BOS, *(vocabulary.token_to_id(word) for word in _BEGINNING), _END]
        with torch.no_grad():
            written = self.module.generate(
                pixels, torch.tensor([begun], device=weight.device), num_beams=beams, min_length=min(shortest, longest), max_length=longest, do_sample=False
            )
        return vocabulary.decode([each for each in written[0].tolist() if each < _BOS]).removeprefix(" ".join(_BEGINNING)).strip()


def load_captioner(path: Path, device: torch.device, dtype: torch.dtype) -> Captioner:
    """Raises CannotLoad for a damaged file or another kind of model."""
    from transformers.models.blip import BlipConfig, BlipForConditionalGeneration

    table = {our_name(name): tensor for name, tensor in _tensors(path).items()}
    config = captioner_config(path, {name: tuple(tensor.shape) for name, tensor in table.items()})
    with torch.device("meta"):
        module: nn.Module = BlipForConditionalGeneration(BlipConfig(**config))
    wanted = module.state_dict()
    table.setdefault("text_decoder.cls.predictions.decoder.weight", table[_WORDS])                      # often one tensor
    table.setdefault("text_decoder.cls.predictions.decoder.bias", table.get("text_decoder.cls.predictions.bias", torch.zeros(table[_WORDS].shape[0])))
    try:
        found = {name: table[name].to(device, dtype) for name in wanted}
        module.load_state_dict(found, assign=True)
    except (KeyError, RuntimeError) as error:
        raise CannotLoad(path, f"it is no whole BLIP ({str(error).splitlines()[0][:160]})", "Download the file again.") from error
    number_places(module, device)
    return Captioner(module=module.requires_grad_(False).eval(), side=config["vision_config"]["image_size"])


def captioner_config(path: object, shapes: Shapes) -> dict[str, Any]:
    """BlipConfig's values. Raises CannotLoad for what is no captioner."""
    patches, positions = shapes.get(_PATCHES), shapes.get("vision_model.embeddings.position_embedding")
    words, places = shapes.get(_WORDS), shapes.get("text_decoder.bert.embeddings.position_embeddings.weight")
    inner, seen = shapes.get("vision_model.encoder.layers.0.mlp.fc1.weight"), shapes.get("text_decoder.bert.encoder.layer.0.crossattention.self.key.weight")
    text_inner = shapes.get("text_decoder.bert.encoder.layer.0.intermediate.dense.weight")
    if not (patches and positions and words and places and inner and seen and text_inner):
        raise CannotLoad(path, "it is no BLIP that writes captions", _CHOOSE)
    width, patch = patches[0], patches[-1]
    return {
        "vision_config": {
            "hidden_size": width, "intermediate_size": inner[0], "num_hidden_layers": _count(shapes, "vision_model.encoder.layers."),
            "num_attention_heads": max(width // _HEAD_WIDTH, 1), "patch_size": patch, "image_size": round((positions[1] - 1) ** 0.5) * patch,
            "layer_norm_eps": _VISION_EPSILON,
        },
        "text_config": {
            "vocab_size": words[0], "hidden_size": words[1], "encoder_hidden_size": seen[1], "intermediate_size": text_inner[0],
            "num_hidden_layers": _count(shapes, "text_decoder.bert.encoder.layer."), "num_attention_heads": max(words[1] // _HEAD_WIDTH, 1),
            "max_position_embeddings": places[0], "bos_token_id": _BOS, "sep_token_id": _END, "pad_token_id": _PAD, "is_decoder": True,
        },
    }  # fmt: skip


def our_name(name: str) -> str:
    """The makers' name of a tensor -> transformers'."""
    for before, after in _RENAMED:
        name = before.sub(after, name)
    return name


def _count(shapes: Shapes, prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})


def _tensors(path: Path) -> Mapping[str, Tensor]:
    if is_pickle(path):
        table = read_pickle(path)
        table = table.get("model", table) if isinstance(table, Mapping) else {}
        return {name: value for name, value in table.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return read_tensors(path)
