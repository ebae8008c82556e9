"""What a family's models are usually drawn with, as their makers say; those trained for few steps are told by their names alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modules.families.family import ModelFamily


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What to draw with; "" or 0 where it is all the same. guidance_scale: A1111's CFG Scale. size: width and height in pixels."""

    sampler_name: str = ""
    schedule_name: str = ""
    steps: int = 0
    guidance_scale: float = 0.0
    size: tuple[int, int] = (0, 0)


_FLOW = Usual(sampler_name="Euler", schedule_name="Automatic")
_BY_FAMILY: Mapping[str, Usual] = {
    "FLUX.1 dev": replace(_FLOW, steps=20, guidance_scale=3.5),
    "FLUX.1 schnell": replace(_FLOW, steps=4, guidance_scale=1.0),
    "FLUX.1 fill": replace(_FLOW, steps=30, guidance_scale=30.0),
    "FLUX.1 depth or canny": replace(_FLOW, steps=50, guidance_scale=10.0),
    "FLUX.1 Kontext": replace(_FLOW, steps=28, guidance_scale=2.5),
    "FLUX.2 dev": replace(_FLOW, steps=28, guidance_scale=4.0),
    "FLUX.2 klein 4B": replace(_FLOW, steps=4, guidance_scale=1.0),
    "FLUX.2 klein 9B": replace(_FLOW, steps=4, guidance_scale=1.0),
    "Chroma": replace(_FLOW, steps=26, guidance_scale=4.0),
    "SD3": replace(_FLOW, steps=28, guidance_scale=5.0),
    "SD3.5": replace(_FLOW, steps=28, guidance_scale=4.5),
    "Z-Image": replace(_FLOW, steps=30, guidance_scale=4.0),
    "Lumina 2": replace(_FLOW, steps=30, guidance_scale=4.0),
    "Krea 2": replace(_FLOW, steps=52, guidance_scale=4.5),
    "Krea 2 Turbo": replace(_FLOW, steps=8, guidance_scale=1.0),
    "Ovis-Image": replace(_FLOW, steps=50, guidance_scale=5.0),
    "Anima": replace(_FLOW, steps=30, guidance_scale=4.0),
    "Qwen-Image": replace(_FLOW, steps=30, guidance_scale=4.0),
    "Qwen-Image-Edit": replace(_FLOW, steps=50, guidance_scale=4.0),
    "Qwen-Image-Edit Plus": replace(_FLOW, steps=40, guidance_scale=4.0),
}
_FAST = Usual(sampler_name="Euler", schedule_name="SGM Uniform", steps=4, guidance_scale=1.0)
# A word of the file's name -> what the families that begin so are drawn with then.
_BY_NAME: tuple[tuple[str, str, Usual], ...] = (
    ("canny", "FLUX.1 depth", replace(_FLOW, steps=50, guidance_scale=30.0)),
    ("base", "FLUX.2 klein", replace(_FLOW, steps=50, guidance_scale=4.0)),
    ("turbo", "Z-Image", replace(_FLOW, steps=9, guidance_scale=1.0)),
    ("turbo", "SD3", replace(_FLOW, steps=4, guidance_scale=1.0)),
    ("turbo", "SD", replace(_FAST, sampler_name="Euler a", schedule_name="Automatic", size=(512, 512))),
    ("lightning", "SDXL", _FAST),
    ("lightning", "Qwen-Image", replace(_FLOW, steps=8, guidance_scale=1.0)),
    ("hyper", "SD", _FAST),
    ("lcm", "SD", Usual(sampler_name="LCM", schedule_name="Automatic", steps=8, guidance_scale=1.5)),
)
_STEPS = re.compile(r"(\d{1,2})[ _-]?steps?\b")


def usual_of(family: ModelFamily, name: str) -> Usual:
    """name: the file's. How many steps a model of few steps takes may stand in it ("4step")."""
    text = re.sub(r"[ _.]+", "-", name.casefold())
    for word, begins, usual in _BY_NAME:
        if family.name.startswith(begins) and re.search(rf"(^|-){word}", text):
            steps = _STEPS.search(text)
            return _sized(replace(usual, steps=int(steps[1])) if steps and int(steps[1]) else usual, family)
    return _sized(_BY_FAMILY.get(family.name, Usual()), family)


def _sized(usual: Usual, family: ModelFamily) -> Usual:
    return usual if usual.size[0] or usual == Usual() else replace(usual, size=family.native_size)
