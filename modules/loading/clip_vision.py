"""CLIP's picture encoder: a picture -> what IP-Adapters, style adapters and Revision read of it. Recognised by sizes, whatever the file is called."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from modules.compute.placement import KeepResident, Placement
from modules.loading.fill import number_places, prepared
from modules.loading.weights import open_weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.compute.policy import ComputePolicy
    from modules.families.family import Shapes
    from modules.library.model_file import ModelFile

log = logging.getLogger(__name__)
_MEAN = (0.48145466, 0.4578275, 0.40821073)         # of the pictures that CLIP was trained on
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_HEADS = {1664: 16, 1280: 16, 1024: 16, 768: 12}    # of ViT-bigG, ViT-H, ViT-L, ViT-B, by width
_HEAD_WIDTH = 64
_QUICK_WIDTH = 1024                                 # OpenAI's own, whose activation is the quick one; OpenCLIP's larger ones have the exact
_EMBEDDING = "vision_model.embeddings.patch_embedding.weight"
_CHOOSE = "Choose a CLIP vision encoder in transformers' layout."


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What the encoder made of one picture. embeds: (1, P); hidden: (1, S, W), the last layer but one; last: (1, S, W)."""

    embeds: Tensor
    hidden: Tensor
    last: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class VisionEncoder:
    """module: transformers' CLIPVisionModelWithProjection."""

    module: nn.Module
    file: ModelFile
    size: int
    width: int
    projection: int
    placement: Placement
    leaves: bool = False

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.module,)

    def __call__(self, picture: np.ndarray) -> Seen:
        """picture: uint8, (H, W, 3), or with a fourth channel, the mask of what is left out."""
        return self._seen(self.pixels(picture))

    def nothing(self) -> Seen:
        """What it makes of no picture at all: what the rows without a prompt are shown."""
        return self._seen(torch.zeros(1, 3, self.size, self.size))

    def pixels(self, picture: np.ndarray) -> Tensor:
        """(1, 3, size, size), normalised; what the mask covers is 0."""
        square = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
        found = normalised(square[:, :, :3])
        if square.shape[2] == 4:
            found = found * (1.0 - torch.from_numpy(np.ascontiguousarray(square[:, :, 3:])).float() / 255.0)
        return found.permute(2, 0, 1)[None]

    @torch.no_grad()
    def _seen(self, pixels: Tensor) -> Seen:
        with self.placement.beside(self.module, leaves=self.leaves):
            weight = next(self.module.parameters())
            found: Any = self.module(pixels.to(device=self.placement.device, dtype=weight.dtype), output_hidden_states=True)
        return Seen(embeds=found.image_embeds, hidden=found.hidden_states[-2], last=found.last_hidden_state)


def normalised(pixels: np.ndarray) -> Tensor:
    """uint8, (H, W, 3) -> float, as CLIP's training pictures were."""
    return (torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255.0 - torch.tensor(_MEAN)) / torch.tensor(_DEVIATION)


def clip_pixels(picture: Image, side: int, *, cropped: bool = False) -> Tensor:
    """(1, 3, side, side) by Pillow's bicubic, normalised. cropped: the middle square; else all of it, whatever becomes of its shape."""
    scale = side / min(picture.size)
    width, height = (max(round(length * scale), side) for length in picture.size) if cropped else (side, side)
    left, top = (width - side) // 2, (height - side) // 2
    shown = picture.convert("RGB").resize((width, height), Resampling.BICUBIC).crop((left, top, left + side, top + side))
    return normalised(np.array(shown)).permute(2, 0, 1)[None]


def load_clip_vision(file: ModelFile, policy: ComputePolicy, placement: Placement | None = None) -> VisionEncoder:
    """Raises CannotLoad for a damaged file or another kind of model."""
    from transformers.models.clip import CLIPVisionConfig, CLIPVisionModelWithProjection

    started = time.perf_counter()
    with closing(open_weights(file.path)) as weights:
        shapes = {name: shape for name, shape in weights.header.shapes.items() if name.startswith(("vision_model.", "visual_projection."))}
        config = vision_config(file.path, shapes)
        with torch.device("meta"):
            module = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
        wanted = dict(module.named_parameters())
        names = {name: _in_file(name, shapes) for name in wanted}
        filling = prepared(module, {ours: theirs for ours, theirs in names.items() if theirs}, weights, part="picture encoder")
        filled = filling.fill(dtype=getattr(torch, policy.compute_dtype), device=torch.device(policy.load_device))
    number_places(filled, torch.device(policy.load_device))
    log.info("loaded CLIP vision %s in %.1f s", file.stem, time.perf_counter() - started)
    return VisionEncoder(module=filled, file=file, size=config["image_size"], width=config["hidden_size"], projection=config["projection_dim"],
                         placement=placement or KeepResident(policy.device))


def vision_config(path: object, shapes: Shapes) -> dict[str, Any]:
    """CLIPVisionConfig's values. Raises CannotLoad for what is no such encoder."""
    patches, projection = shapes.get(_EMBEDDING), shapes.get("visual_projection.weight")
    positions = shapes.get("vision_model.embeddings.position_embedding.weight")
    inner = shapes.get("vision_model.encoder.layers.0.mlp.fc1.weight")
    if patches is None or projection is None or positions is None or inner is None:
        raise CannotLoad(path, "it is no CLIP vision encoder", _CHOOSE)
    layers = len({name.split(".")[3] for name in shapes if name.startswith("vision_model.encoder.layers.")})
    width, side = patches[0], round((positions[0] - 1) ** 0.5)
    return {
        "hidden_size": width, "patch_size": patches[-1], "image_size": side * patches[-1], "intermediate_size": inner[0], "num_hidden_layers": layers,
        "num_attention_heads": _HEADS.get(width, max(width // _HEAD_WIDTH, 1)), "projection_dim": projection[0],
        "hidden_act": "quick_gelu" if width <= _QUICK_WIDTH else "gelu",
    }  # fmt: skip


def widths_of(shapes: Shapes) -> tuple[int, int] | None:
    """(width of its layers, of its embedding) of a picture encoder; None for other files."""
    patches, projection = shapes.get(_EMBEDDING), shapes.get("visual_projection.weight")
    return None if patches is None or projection is None else (patches[0], projection[0])


def _in_file(name: str, shapes: Shapes) -> str | None:
    """The module's name -> the file's; transformers 5 has no ``vision_model.`` inside some of its modules."""
    return next((each for each in (name, f"vision_model.{name}", name.removeprefix("vision_model.")) if each in shapes), None)
