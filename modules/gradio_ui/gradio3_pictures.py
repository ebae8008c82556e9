"""Gradio 3's pictures: an Image that is drawn on gives {"image", "mask"}, and base64 goes both ways."""

from __future__ import annotations

import base64
import io
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image


class SketchImage(gr.ImageEditor):
    """``gr.Image(tool="sketch")``: what is drawn is a mask. only_picture: ``tool="color-sketch"``, whose value is the picture as drawn."""

    is_template = True  # the page shows an ImageEditor

    def __init__(self, value: Any = None, *, only_picture: bool = False, **keywords: Any) -> None:
        self.only_picture = only_picture
        self.asked_type = keywords.pop("type", "numpy")
        self.asked_mode = keywords.get("image_mode") or "RGB"
        keywords["image_mode"] = "RGBA"
        super().__init__(value, type="pil", **keywords)

    def preprocess(self, payload: Any) -> Any:
        """{"image", "mask"} of the asked type; the mask is white where something was drawn. None without a picture."""
        found: Any = super().preprocess(payload)
        if not isinstance(found, dict) or found.get("background") is None:
            return None
        if self.only_picture:
            return self._typed((found.get("composite") or found["background"]).convert(self.asked_mode))
        background = found["background"]
        drawn = np.zeros((background.height, background.width), dtype=bool)
        for layer in found.get("layers") or ():
            drawn |= np.array(layer.convert("RGBA"))[..., 3] > 0
        mask = Image.fromarray((drawn * 255).astype(np.uint8), "L").convert("RGB")
        return {"image": self._typed(background.convert(self.asked_mode)), "mask": self._typed(mask)}

    def postprocess(self, value: Any) -> Any:
        """A picture, or {"image", "mask"}."""
        if isinstance(value, dict) and "image" in value:
            value = value["image"]
        if isinstance(value, str) and value.startswith("data:"):
            value = decode_base64_to_image(value)
        return super().postprocess(value)  # type: ignore[arg-type]  # as the editor takes it

    def _typed(self, picture: Image.Image) -> Any:
        return np.array(picture) if self.asked_type == "numpy" else picture


def decode_base64_to_image(encoding: str) -> Image.Image:
    """A data URL or plain base64."""
    return Image.open(io.BytesIO(base64.b64decode(encoding.split(";base64,")[-1])))


def encode_pil_to_base64(picture: Image.Image) -> str:
    """A PNG as a data URL."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def templates() -> dict[str, Any]:
    """Gradio 3's short names: an Image with a tool, which in Gradio 6 are editors of another kind, or are gone."""
    asked: dict[str, dict[str, Any]] = {
        "ImageMask": {"tool": "sketch", "interactive": True},
        "ImagePaint": {"tool": "color-sketch", "interactive": True},
        "Paint": {"tool": "color-sketch", "source": "canvas", "interactive": True},
        "Sketchpad": {"tool": "color-sketch", "source": "canvas", "image_mode": "L", "interactive": True},
        "Pil": {"type": "pil"},
        "Webcam": {"source": "webcam", "interactive": True},
    }
    return {name: _asking(words) for name, words in asked.items()}


def _asking(words: dict[str, Any]) -> Any:
    return lambda *arguments, **keywords: gr.Image(*arguments, **words | keywords)
