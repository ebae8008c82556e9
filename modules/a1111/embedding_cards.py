"""A1111's functions for embeddings inside pictures, for extensions that hand such cards around."""
from __future__ import annotations

import json
from typing import Any

import torch
from PIL import Image

from modules.imaging.captioned import captioned
from modules.loading.embedding_images import between_strips, hidden_values, text_of_values, values_of_text

_TENSOR = "TORCHTENSOR"


class EmbeddingEncoder(json.JSONEncoder):
    """For ``json``: tensors as lists of numbers under a key."""

    def default(self, o: Any) -> Any:
        return {_TENSOR: o.detach().cpu().tolist()} if isinstance(o, torch.Tensor) else super().default(o)


class EmbeddingDecoder(json.JSONDecoder):
    """The other way round."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, object_hook=self.object_hook, **named)

    def object_hook(self, d: dict[str, Any]) -> Any:
        return torch.tensor(d[_TENSOR], dtype=torch.float64) if _TENSOR in d else d


def embedding_to_b64(data: Any) -> bytes:
    return text_of_values(data)


def embedding_from_b64(data: str | bytes) -> Any:
    return values_of_text(data)


def insert_image_data_embed(image: Image.Image, data: Any) -> Image.Image:
    """The picture between two strips that hold ``data``."""
    return between_strips(image.convert("RGB"), data)


def extract_image_data_embed(image: Image.Image) -> Any:
    """What the strips hold; None for a picture without."""
    return hidden_values(image)


def caption_image_overlay(srcimage: Image.Image, title: str, footerLeft: str, footerMid: str, footerRight: str, textfont: Any = None) -> Image.Image:
    """RGBA, of the same size."""
    return captioned(srcimage, title, (footerLeft, footerMid, footerRight)).convert("RGBA")
