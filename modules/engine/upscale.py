"""Ways to enlarge: of the latent itself, and of a picture. Hires fix and img2img choose among them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from modules.imaging.resize import Enlarge
from modules.schema.errors import NotHere, UnknownName

_CELL = 8                                           # pictures grow to whole latent cells
_TRIES = 3                                          # runs of an upscaler with a factor of its own


@dataclass(frozen=True, kw_only=True)
class LatentUpscaler:
    """Resampling of the latent; ``mode`` and ``antialias`` as in torch's interpolate."""

    name: str
    mode: str
    antialias: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PictureUpscaler:
    """enlarge: (picture, factor) -> larger picture; one that cannot reach the factor in one go is run again.

    None leaves it to the plain resampling that brings every picture to its exact size.
    """

    name: str
    enlarge: Enlarge | None
    aliases: tuple[str, ...] = ()


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


_Kind = TypeVar("_Kind", bound=LatentUpscaler | PictureUpscaler)


@dataclass(frozen=True, kw_only=True)
class KnownUpscalers:
    """Everything that can enlarge for one job: what is built in, and the models that the application found.

    remedies: lower-case name -> what to do to have it, of upscalers that are known but not here.
    """

    models: tuple[PictureUpscaler, ...] = ()
    remedies: Mapping[str, str] = field(default_factory=dict)

    @property
    def for_pictures(self) -> tuple[PictureUpscaler, ...]:
        """In the order of the lists."""
        return (*PICTURE_UPSCALERS, *self.models)

    def find(self, name: str) -> LatentUpscaler | PictureUpscaler:
        """The upscaler of that name. Raises UnknownName."""
        return self._found(name, (*LATENT_UPSCALERS, *self.for_pictures))

    def find_for_pictures(self, name: str) -> PictureUpscaler:
        """The same among those that take a picture. Raises UnknownName."""
        return self._found(name, self.for_pictures)

    def _found(self, name: str, among: tuple[_Kind, ...]) -> _Kind:
        exact = next((each for each in among if each.name == name), None)
        found = exact or next((each for each in among if name.casefold() in (each.name.casefold(), *map(str.casefold, each.aliases))), None)
        if found is None:
            if remedy := self.remedies.get(name.casefold()):
                raise NotHere("upscaler", name, remedy)
            raise UnknownName("upscaler", name, [each.name for each in among])
        return found


BUILT_IN = KnownUpscalers()


def enlarger(upscaler: PictureUpscaler) -> Enlarge | None:
    """What ``imaging.resize.fitted`` takes: grows a picture by a factor, to sides that are multiples of 8 pixels."""
    enlarge = upscaler.enlarge

    def enlarged(picture: Image.Image, factor: float) -> Image.Image:
        assert enlarge is not None
        width, height = (max(_CELL, int(side * factor) // _CELL * _CELL) for side in picture.size)
        goal = width, height
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
