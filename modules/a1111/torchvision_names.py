"""torchvision's transforms, as far as A1111's extensions use them, for machines where its build for this torch cannot be had.

A1111 always brings torchvision, so extensions import it without asking. A real one, where it is installed, comes first. This one is
found by extensions' files alone: other packages must not take it for the real one.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

Picture = Image.Image


class InterpolationMode(Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PIL = {"nearest": Image.Resampling.NEAREST, "nearest-exact": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX, "hamming": Image.Resampling.HAMMING, "lanczos": Image.Resampling.LANCZOS}  # fmt: skip


# -- functional -------------------------------------------------------------------------------------------------------------


def pil_to_tensor(pic: Picture) -> Tensor:
    """(C, H, W), bytes."""
    array = np.array(pic, copy=True)
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1).contiguous()


def to_tensor(pic: Any) -> Tensor:
    """A picture, or an array (H, W, C) -> (C, H, W); bytes become 0..1."""
    if isinstance(pic, np.ndarray):
        found = torch.from_numpy(pic[:, :, None] if pic.ndim == 2 else pic).permute(2, 0, 1).contiguous()
    else:
        found = pil_to_tensor(pic.convert("L") if pic.mode == "1" else pic)
    return found.to(torch.get_default_dtype()) / 255 if found.dtype == torch.uint8 else found


def to_pil_image(pic: Any, mode: str | None = None) -> Picture:
    """(C, H, W) or (H, W), floats in 0..1 or bytes; or an array (H, W, C)."""
    if isinstance(pic, Tensor):
        pic = pic[None] if pic.ndim == 2 else pic
        pic = pic.mul(255).byte() if pic.is_floating_point() and mode != "F" else pic
        pic = pic.permute(1, 2, 0).cpu().numpy()
    array = pic[:, :, 0] if pic.ndim == 3 and pic.shape[2] == 1 else pic
    picture = Image.fromarray(np.ascontiguousarray(array))
    return picture if mode is None or picture.mode == mode else picture.convert(mode)


def get_image_size(img: Any) -> list[int]:
    """[width, height]"""
    return [img.shape[-1], img.shape[-2]] if isinstance(img, Tensor) else list(img.size)


def resize(img: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None, antialias: bool | None = True) -> Any:
    """size: (height, width), or the length of the shorter side."""
    width, height = get_image_size(img)
    if isinstance(size, int) or len(size) == 1:
        side = size if isinstance(size, int) else size[0]
        scale = side / min(width, height)
        if max_size is not None:
            scale = min(scale, max_size / max(width, height))
        size = (int(height * scale), int(width * scale))
    how = interpolation.value if isinstance(interpolation, InterpolationMode) else "bilinear" if isinstance(interpolation, int) else str(interpolation)
    if isinstance(img, Image.Image):
        return img.resize((int(size[1]), int(size[0])), _PIL[how])
    batch = img if img.ndim == 4 else img.reshape(1, -1, height, width)
    smooth = how in ("bilinear", "bicubic")
    options: dict[str, Any] = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    made = functional.interpolate(batch.float(), size=[int(each) for each in size], mode=how, **options)
    made = made.round().clamp(0, 255) if img.dtype == torch.uint8 else made
    return made.to(img.dtype).reshape(*img.shape[:-2], *made.shape[-2:])


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    return img.crop((left, top, left + width, top + height)) if isinstance(img, Image.Image) else img[..., top : top + height, left : left + width]


def center_crop(img: Any, output_size: Any) -> Any:
    height, width = (output_size, output_size) if isinstance(output_size, int) else (output_size[0], output_size[-1])
    whole_width, whole_height = get_image_size(img)
    return crop(img, round((whole_height - height) / 2), round((whole_width - width) / 2), height, width)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """padding: all sides, (sides, top and bottom), or (left, top, right, bottom)."""
    sides = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = sides * 4 if len(sides) == 1 else (*sides, *sides) if len(sides) == 2 else sides
    if isinstance(img, Image.Image):
        return to_pil_image(pad(pil_to_tensor(img), padding, fill, padding_mode), img.mode)
    mode = {"edge": "replicate", "symmetric": "reflect"}.get(padding_mode, padding_mode)
    batch = img.reshape(1, -1, *img.shape[-2:]).float()
    made = functional.pad(batch, (left, right, top, bottom), mode, **({"value": float(fill)} if mode == "constant" else {}))
    return made.to(img.dtype).reshape(*img.shape[:-2], *made.shape[-2:])


def hflip(img: Any) -> Any:
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if isinstance(img, Image.Image) else img.flip(-1)


def vflip(img: Any) -> Any:
    return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if isinstance(img, Image.Image) else img.flip(-2)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(... C, H, W) with each channel's mean taken off, over its deviation."""
    found = tensor if inplace else tensor.clone()
    shape = (-1, 1, 1)
    return found.sub_(torch.as_tensor(mean, dtype=found.dtype, device=found.device).view(shape)).div_(
        torch.as_tensor(std, dtype=found.dtype, device=found.device).view(shape))  # fmt: skip


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """kernel_size: odd pixels, one number or (x, y). sigma: None: by the kernel's size."""
    if isinstance(img, Image.Image):
        return to_pil_image(gaussian_blur(pil_to_tensor(img), kernel_size, sigma), img.mode)
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    sigmas = [None] * 2 if sigma is None else [sigma] * 2 if isinstance(sigma, int | float) else list(sigma) * (2 // len(sigma))
    batch = img.reshape(-1, 1, *img.shape[-2:]).float()
    for axis, (size, deviation) in enumerate(zip(sizes, sigmas)):
        places = torch.arange(size, dtype=torch.float32, device=img.device) - (size - 1) / 2
        weights = torch.exp(-0.5 * (places / (deviation or 0.3 * ((size - 1) * 0.5 - 1) + 0.8)) ** 2)
        shape, rim = ((1, 1, 1, size), (size // 2, size // 2, 0, 0)) if axis == 0 else ((1, 1, size, 1), (0, 0, size // 2, size // 2))
        batch = functional.conv2d(functional.pad(batch, rim, "reflect"), (weights / weights.sum()).view(shape))
    made = batch.round() if img.dtype == torch.uint8 else batch
    return made.to(img.dtype).reshape(img.shape)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    if isinstance(img, Image.Image):
        return img.convert("L") if num_output_channels == 1 else img.convert("L").convert("RGB")
    grey = (img[..., 0:1, :, :] * 0.2989 + img[..., 1:2, :, :] * 0.587 + img[..., 2:3, :, :] * 0.114).to(img.dtype)
    return grey if num_output_channels == 1 else grey.expand(img.shape)


# -- transforms -------------------------------------------------------------------------------------------------------------


class Compose:
    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, img: Any) -> Any:
        for each in self.transforms:
            img = each(img)
        return img


class Lambda:
    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class _Transform(nn.Module):
    """A function with its arguments kept."""

    function: Callable[..., Any] = staticmethod(lambda img: img)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        self.arguments, self.keywords = arguments, keywords

    def forward(self, img: Any) -> Any:
        return type(self).function(img, *self.arguments, **self.keywords)


def _transform(name: str, function: Callable[..., Any]) -> type[_Transform]:
    return type(name, (_Transform,), {"function": staticmethod(function), "__doc__": function.__doc__})


class GaussianBlur(nn.Module):
    """sigma: a number, or the range to draw one from."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size, self.sigma = kernel_size, sigma

    def forward(self, img: Any) -> Any:
        low, high = (self.sigma, self.sigma) if isinstance(self.sigma, int | float) else self.sigma
        return gaussian_blur(img, self.kernel_size, low + (high - low) * float(torch.rand(1)))


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, **_: Any) -> Tensor:
    """(B, C, H, W) or a list of (C, H, W) as one picture."""
    pictures = list(tensor)
    columns = min(nrow, len(pictures))
    channels, height, width = pictures[0].shape
    grid = pictures[0].new_zeros(channels, math.ceil(len(pictures) / columns) * (height + padding) + padding, columns * (width + padding) + padding)
    for place, each in enumerate(pictures):
        top, left = (place // columns) * (height + padding) + padding, (place % columns) * (width + padding) + padding
        grid[:, top : top + height, left : left + width] = each
    return grid


FUNCTIONAL: dict[str, Any] = {each.__name__: each for each in (
    pil_to_tensor, to_tensor, to_pil_image, get_image_size, resize, crop, center_crop, pad, hflip, vflip, normalize, gaussian_blur, rgb_to_grayscale)}  # fmt: skip
TRANSFORMS: dict[str, Any] = {
    "InterpolationMode": InterpolationMode, "Compose": Compose, "Lambda": Lambda, "GaussianBlur": GaussianBlur,
    **{name: _transform(name, function) for name, function in (
        ("ToTensor", to_tensor), ("PILToTensor", pil_to_tensor), ("ToPILImage", lambda img, mode=None: to_pil_image(img, mode)), ("Resize", resize),
        ("CenterCrop", center_crop), ("Pad", pad), ("Normalize", normalize), ("Grayscale", rgb_to_grayscale))},
}  # fmt: skip
MODULES: dict[str, dict[str, Any]] = {
    "torchvision": {"__version__": "0.0.0"}, "torchvision.transforms": TRANSFORMS, "torchvision.transforms.functional": {**FUNCTIONAL, "InterpolationMode": InterpolationMode},
    "torchvision.transforms.transforms": TRANSFORMS, "torchvision.utils": {"make_grid": make_grid},
}  # fmt: skip
