"""How the weight of a word, (word:1.2), acts on what the text encoder made of it: the modes that can be chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Weigh = Callable[[Tensor, Tensor, Tensor], Tensor]
ORIGINAL = "Original"


class EmphasisMode(Protocol):
    """One that can be chosen by its name."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def weigh(self, z: Tensor, weights: Tensor, counts: Tensor, tokens: Tensor | None) -> Tensor:
        """z: (N, 77, C), one chunk position of N distinct texts, one encoder's; weights: (N, 77); counts: (N,), how often each text stands
        in the schedule; tokens: (N, 77), their numbers, None where the encoder has others. Returns (N, 77, C)."""
        ...


@dataclass(frozen=True)
class _Own:
    name: str
    description: str
    how: Weigh

    def weigh(self, z: Tensor, weights: Tensor, counts: Tensor, tokens: Tensor | None) -> Tensor:
        return z if bool((weights == 1.0).all()) else self.how(z, weights, counts)


def _with_its_mean(z: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """Weighted, with the mean of the whole schedule as it was."""
    weighted = z * weights[..., None]
    share = counts / counts.sum()
    mean_before, mean_after = (z.mean(dim=(1, 2)) * share).sum(), (weighted.mean(dim=(1, 2)) * share).sum()
    return weighted * (mean_before / mean_after) if mean_after else weighted


# Who knows a further one appends it: extensions do, by A1111's ``sd_emphasis.options``, which is this list.
MODES: list[EmphasisMode] = [
    _Own("None", "brackets are letters like all others", lambda z, weights, counts: z),
    _Own("Ignore", "words in brackets count as much as the others", lambda z, weights, counts: z),
    _Own(ORIGINAL, "keeps the mean of the whole prompt", _with_its_mean),
    _Own("No norm", "weights alone; seems to work better for SDXL", lambda z, weights, counts: z * weights[..., None]),
]


def emphasise(z: Tensor, weights: Tensor, counts: Tensor, mode: str, tokens: Tensor | None = None) -> Tensor:
    """As the mode of that name weighs; "Original" where there is none. See ``EmphasisMode.weigh``."""
    by_name = {each.name: each for each in MODES}
    return by_name.get(mode, by_name[ORIGINAL]).weigh(z, weights, counts, tokens)
