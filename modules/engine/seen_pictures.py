"""Pictures as a language model with eyes (Qwen2.5-VL) looks at them: brought to its size, cut into patches, and their place in the prompt."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.families.family import ModelFamily, Sight

PICTURE_TOKEN = 151655      # Qwen's <|image_pad|>
_PATCH, _MERGED = 14, 2     # pixels on a side of a patch; patches on a side of what becomes one token
_FACTOR = _PATCH * _MERGED
_FRAMES = 2                 # a picture is a film of two equal frames
_LEAST, _MOST = 56 * 56, 12_845_056     # pixels, by Qwen2.5-VL's own configuration
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)      # CLIP's


@dataclass(frozen=True, kw_only=True)
class SeenPictures:
    """The pictures that one prompt speaks of, of any size. Equal where ``key`` is, which tells what is in them."""

    sight: Sight
    key: str
    pictures: tuple[Image.Image, ...] = field(compare=False)

    @property
    def template(self) -> str:
        """What the prompt is put into."""
        shown = "".join(self.sight.each.replace("{}", str(number)) for number in range(1, len(self.pictures) + 1))
        return self.sight.template.replace("{}", f"{shown}{{}}")

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(width, height) in pixels of each, as it is looked at."""
        return [_in_patches(*scaled_to(each.size, self.sight.area, 32)) for each in self.pictures]

    @property
    def counts(self) -> list[int]:
        """Tokens of each."""
        return [width * height // _FACTOR**2 for width, height in self.sizes]

    def grid(self) -> Tensor:
        """(N, 3): frames, rows and columns of patches of each picture."""
        return torch.tensor([(1, height // _PATCH, width // _PATCH) for width, height in self.sizes])

    def patches(self) -> Tensor:
        """(patches of all pictures, values of one), float32: those of one token follow each other."""
        return torch.cat([_patches(each, self.sight.area, size) for each, size in zip(self.pictures, self.sizes)])


def seen_pictures(family: ModelFamily, pictures: Sequence[Image.Image]) -> SeenPictures | None:
    """None for a family whose text encoders see nothing."""
    sight = next((spec.sight for spec in family.text_encoders if spec.sight is not None), None)
    if sight is None or not pictures:
        return None
    key = hashlib.sha256()
    for each in pictures:
        key.update(f"{each.mode} {each.size}".encode())
        key.update(each.tobytes())
    return SeenPictures(sight=sight, key=key.hexdigest(), pictures=tuple(pictures))


def scaled_to(size: tuple[int, int], area: int, multiple: int) -> tuple[int, int]:
    """(width, height) of about ``area`` pixels in the shape of ``size``, each a multiple of ``multiple``."""
    width = math.sqrt(area * size[0] / size[1])
    height = width * size[1] / size[0]
    return max(round(width / multiple), 1) * multiple, max(round(height / multiple), 1) * multiple


def _in_patches(width: int, height: int) -> tuple[int, int]:
    """The nearest size of whole tokens, within what the eyes were trained for."""
    found = round(width / _FACTOR) * _FACTOR, round(height / _FACTOR) * _FACTOR
    pixels = found[0] * found[1]
    if pixels > _MOST:
        shrunk = math.sqrt(width * height / _MOST)
        return max(math.floor(width / shrunk / _FACTOR), 1) * _FACTOR, max(math.floor(height / shrunk / _FACTOR), 1) * _FACTOR
    if pixels < _LEAST:
        grown = math.sqrt(_LEAST / (width * height))
        return math.ceil(width * grown / _FACTOR) * _FACTOR, math.ceil(height * grown / _FACTOR) * _FACTOR
    return found


def _patches(picture: Image.Image, area: int, size: tuple[int, int]) -> Tensor:
    """In two steps, as the model's makers do it: to the area, then to whole patches."""
    scaled = picture.convert("RGB").resize(scaled_to(picture.size, area, 32), Image.Resampling.LANCZOS).resize(size, Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(scaled, dtype=np.float32) / 255.0)
    values = (values - torch.tensor(_MEAN)) / torch.tensor(_DEVIATION)
    rows, columns = size[1] // _FACTOR, size[0] // _FACTOR
    cut = values.view(rows, _MERGED, _PATCH, columns, _MERGED, _PATCH, 3).permute(0, 3, 1, 4, 6, 2, 5)
    return cut[:, :, :, :, :, None].expand(-1, -1, -1, -1, -1, _FRAMES, -1, -1).reshape(rows * columns * _MERGED**2, -1)
