"""A1111's upscalers: ours under its names, and the base class for those that extensions bring."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from PIL import Image

from modules.a1111.places import command_line, models_path

LANCZOS = Image.Resampling.LANCZOS
NEAREST = Image.Resampling.NEAREST


class UpscalerData:
    """One entry of ``shared.sd_upscalers``."""

    def __init__(
        self, name: str, path: str | None, upscaler: Any = None, scale: int = 4, model: Any = None, sha256: str | None = None
    ) -> None:
        self.name = name
        self.data_path = path
        self.local_data_path = path
        self.scaler = upscaler
        self.scale = scale
        self.model = model
        self.sha256 = sha256

    def __repr__(self) -> str:
        return f"<UpscalerData name={self.name} path={self.data_path} scale={self.scale}>"


class Upscaler:
    """A kind of upscaler. Subclasses do ``do_upscale`` and ``load_model``."""

    name: str | None = None
    user_path: str | None = None
    model_path: str | None = None
    model_name: str | None = None
    model_url: str | None = None
    enable = True
    filter = None
    model = None
    scalers: list[UpscalerData] = []
    tile = True

    def __init__(self, create_dirs: bool = False) -> None:
        self.mod_pad_h = None
        self.tile_size = 192
        self.tile_pad = 8
        self.device = None
        self.img = None
        self.output = None
        self.scale = 1
        self.half = not command_line().no_half
        self.pre_pad = 0
        self.mod_scale = None
        self.model_download_path = None
        if self.model_path is None and self.name:
            self.model_path = os.path.join(models_path(), self.name)
        if self.model_path and create_dirs:
            os.makedirs(self.model_path, exist_ok=True)

    def do_upscale(self, img: Image.Image, selected_model: str) -> Image.Image:
        return img

    def upscale(self, img: Image.Image, scale: float, selected_model: str | None = None) -> Image.Image:
        """``img`` ``scale`` times larger, in whole latent cells."""
        self.scale = scale
        width, height = int(img.width * scale) // 8 * 8, int(img.height * scale) // 8 * 8
        for _ in range(3):
            if img.width >= width and img.height >= height and (scale != 1 or img.size == (width, height)):
                break
            before = img.size
            img = self.do_upscale(img, selected_model or "")
            if img.size == before:
                break
        return img if img.size == (width, height) else img.resize((width, height), resample=LANCZOS)

    def load_model(self, path: str) -> Any:
        return None

    def find_models(self, ext_filter: Any = None) -> list[str]:
        return load_models(model_path=self.model_path or "", model_url=self.model_url, command_path=self.user_path, ext_filter=ext_filter)

    def update_status(self, prompt: str) -> None: ...


class UpscalerNone(Upscaler):
    name = "None"

    def upscale(self, img: Image.Image, scale: float, selected_model: str | None = None) -> Image.Image:
        return img


class _Resampling(Upscaler):
    how = LANCZOS

    def do_upscale(self, img: Image.Image, selected_model: str = "") -> Image.Image:
        return img.resize((int(img.width * self.scale), int(img.height * self.scale)), resample=self.how)


class UpscalerLanczos(_Resampling):
    name = "Lanczos"


class UpscalerNearest(_Resampling):
    name = "Nearest"
    how = NEAREST


class OursAsUpscaler(Upscaler):
    """One of the engine's picture upscalers."""

    def __init__(self, name: str, enlarge: Any) -> None:
        self.name = name
        super().__init__()
        self._enlarge = enlarge

    def do_upscale(self, img: Image.Image, selected_model: str = "") -> Image.Image:
        return self._enlarge(img, float(self.scale)) if self._enlarge is not None else img


def load_models(
    model_path: str, model_url: str | None = None, command_path: str | None = None, ext_filter: Any = None, download_name: str | None = None,
    ext_blacklist: Any = None, hash_prefix: str | None = None,
) -> list[str]:  # fmt: skip
    """The model files in the folders; with a URL and none there, that file, fetched."""
    found: list[str] = []
    for place in dict.fromkeys(each for each in (command_path, model_path) if each):
        for path in sorted(Path(place).rglob("*")) if os.path.isdir(place) else []:
            ends = path.suffix.lower()
            if path.is_file() and (not ext_filter or ends in ext_filter) and not any(path.name.endswith(each) for each in ext_blacklist or ()):
                found.append(str(path))
    if model_url is not None and not found:
        found.append(load_file_from_url(model_url, model_dir=model_path, file_name=download_name) if download_name else model_url)
    return found


def load_file_from_url(url: str, *, model_dir: str, progress: bool = True, file_name: str | None = None, hash_prefix: str | None = None) -> str:
    """The path of the file in ``model_dir``; fetched when it is not there. It is whole or not there at all."""
    import torch

    path = os.path.join(os.path.abspath(model_dir), file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        torch.hub.download_url_to_file(url, path, hash_prefix=hash_prefix, progress=progress)
    return path


def friendly_name(file: str) -> str:
    return os.path.splitext(os.path.basename(urlparse(file).path if "http" in file else file))[0]


def cleanup_models() -> None:
    """A1111 moved files of its first versions here."""
