"""A1111's ``sd_emphasis``: extensions append modes of their own to ``options``, as classes that do ``after_transformers``."""
from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from modules.engine.emphasis import MODES, emphasise

options: list[Any] = MODES


class Emphasis:
    """The base of extensions' modes. tokens: numbers, a list for each text; multipliers: (N, 77); z: (N, 77, C), which ``after_transformers`` changes."""

    name: ClassVar[str] = "Base"
    description: ClassVar[str] = ""
    tokens: list[list[int]]
    multipliers: Tensor
    z: Tensor

    def after_transformers(self) -> None: ...

    @classmethod
    def weigh(cls, z: Tensor, weights: Tensor, counts: Tensor, tokens: Tensor | None) -> Tensor:
        """The engine asks."""
        made = cls()
        made.z, made.multipliers, made.tokens = z, weights, [] if tokens is None else tokens.tolist()
        made.after_transformers()
        return made.z


class EmphasisNone(Emphasis):
    name = "None"
    description = MODES[0].description


class EmphasisIgnore(Emphasis):
    name = "Ignore"
    description = MODES[1].description


class EmphasisOriginal(Emphasis):
    name = "Original"
    description = MODES[2].description

    def after_transformers(self) -> None:
        self.z = emphasise(self.z, self.multipliers, torch.ones(len(self.z), device=self.z.device), self.name)


class EmphasisOriginalNoNorm(EmphasisOriginal):
    name = "No norm"
    description = MODES[3].description

    def after_transformers(self) -> None:
        self.z = self.z * self.multipliers[..., None]


_OWN = {each.name: each for each in (EmphasisNone, EmphasisIgnore, EmphasisOriginal, EmphasisOriginalNoNorm)}


def get_current_option(emphasis_option_name: str) -> Any:
    """The class of that name; Original's where there is none."""
    return _OWN.get(emphasis_option_name) or next((each for each in options if each.name == emphasis_option_name), EmphasisOriginal)


def get_options_descriptions() -> str:
    return ", ".join(f"{each.name}: {each.description}" for each in options)
