"""Ways to enlarge: of the latent itself, and of a picture. Hires fix and img2img choose among them by name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from modules.imaging.resize import Enlarge
from modules.schema.errors import UnknownName

_CELL = 8                                           # pictures grow to whole latent cells
_TRIES = 3                                          # runs of an upscaler with a factor of its own


@dataclass(frozen=True, kw_only=True)
class LatentUpscaler:
    """Resampling of the latent; ``mode`` and ``antialias`` as in torch's interpolate."""

    name: str
    mode: str
    antialias: bool = False


@dataclass(frozen=True, kw_only=True)
class PictureUpscaler:
    """enlarge: (picture, factor) -> larger picture; one that cannot reach the factor in one go is run again.

    None leaves it to the plain resampling that brings every picture to its exact size.
    """

    name: str
    enlarge: Enlarge | None


LATENT_UPSCALERS = (
    LatentUpscaler(name="Latent", mode="bilinear"),
    LatentUpscaler(name="Latent (antialiased)", mode="bilinear", antialias=True),
    LatentUpscaler(name="Latent (bicubic)", mode="bicubic"),
    LatentUpscaler(name="Latent (bicubic antialiased)", mode="bicubic", antialias=True),
    LatentUpscaler(name="Latent (nearest)", mode="nearest"),
    LatentUpscaler(name="Latent (nearest-exact)", mode="nearest-exact"),
)


def _resampled(resampling: Image.Resampling) -> Enlarge:
    return lambda picture, factor: picture.resize((int(picture.width * factor), int(picture.height * factor)), resampling)


PICTURE_UPSCALERS = (
    PictureUpscaler(name="None", enlarge=None),
    PictureUpscaler(name="Lanczos", enlarge=_resampled(Image.Resampling.LANCZOS)),
    PictureUpscaler(name="Nearest", enlarge=_resampled(Image.Resampling.NEAREST)),
)


def find_upscaler(name: str) -> LatentUpscaler | PictureUpscaler:
    """The upscaler of that name. Raises UnknownName."""
    known = (*LATENT_UPSCALERS, *PICTURE_UPSCALERS)
    found = next((each for each in known if each.name == name), None)
    if found is None:
        raise UnknownName("upscaler", name, [each.name for each in known])
    return found


def enlarger(upscaler: PictureUpscaler) -> Enlarge | None:
    """What ``imaging.resize.fitted`` takes: grows a picture by a factor, to sides that are multiples of 8 pixels."""
    enlarge = upscaler.enlarge

    def enlarged(picture: Image.Image, factor: float) -> Image.Image:
        assert enlarge is not None
        goal = int(picture.width * factor) // _CELL * _CELL, int(picture.height * factor) // _CELL * _CELL
        for _ in range(_TRIES):
            before = picture.size
            if picture.width >= goal[0] and picture.height >= goal[1] and factor != 1:
                break
            picture = enlarge(picture, factor)
            if picture.size == before:
                break
        return picture if picture.size == goal else picture.resize(goal, Image.Resampling.LANCZOS)

    return None if enlarge is None else enlarged


def resized_latents(latents: Tensor, height: int, width: int, upscaler: LatentUpscaler = LATENT_UPSCALERS[0]) -> Tensor:
    """Latents (B, C, h, w) resampled to height x width cells."""
    return torch.nn.functional.interpolate(latents, size=(height, width), mode=upscaler.mode, antialias=upscaler.antialias)
