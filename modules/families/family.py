"""What the program knows about a kind of model: how to recognise it, and what its parts need to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

Shapes = Mapping[str, tuple[int, ...]]


class HeaderLike(Protocol):
    """What recognition reads of a file: its path, and its tensors' names and shapes. No weights."""

    @property
    def path(self) -> object: ...

    @property
    def shapes(self) -> Shapes: ...


class Prediction(Enum):
    """What the denoiser's output means."""

    EPSILON = "epsilon"  # the noise
    V = "v"  # Salimans & Ho 2022: alpha * noise - sigma * x0
    FLOW = "flow"  # the velocity from data to noise


@dataclass(frozen=True, kw_only=True)
class KeyShape:
    """One mark of a family: a tensor that must be there (or ``absent``), with the given rank and size along ``axis``.

    names: alternative spellings of one tensor; the first found counts.
    """

    names: tuple[str, ...]
    axis: int | None = None
    size: int | None = None
    rank: int | None = None
    absent: bool = False

    def failure(self, shapes: Shapes) -> str | None:
        """Why this mark does not hold, or None when it does."""
        found = next((name for name in self.names if name in shapes), None)
        if self.absent:
            return None if found is None else f"has {found}"
        if found is None:
            return f"lacks {self.names[0]}"
        shape = shapes[found]
        if self.rank is not None and len(shape) != self.rank:
            return f"{found} has {len(shape)} dimensions instead of {self.rank}"
        if self.axis is not None and (self.axis >= len(shape) or shape[self.axis] != self.size):
            return f"{found} is {'x'.join(map(str, shape))}, not {self.size} along axis {self.axis}"
        return None


def has(*names: str, axis: int | None = None, size: int | None = None, rank: int | None = None) -> KeyShape:
    """The tensor (under one of ``names``) is there."""
    return KeyShape(names=names, axis=axis, size=size, rank=rank)


def lacks(*names: str) -> KeyShape:
    """No tensor has one of ``names``."""
    return KeyShape(names=names, absent=True)


@dataclass(frozen=True, kw_only=True)
class LatentFormat:
    """How pictures look to the denoiser: ``(vae_output - shift) * scale``, ``downscale`` pixels to one latent cell."""

    channels: int
    downscale: int
    scale: float
    shift: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TextEncoderSpec:
    """One text encoder as a checkpoint carries it.

    kind: "clip" (OpenAI's layout), "open_clip" or "t5".
    prefix: what its tensors' names begin with in a single-file checkpoint.
    layer: whose output is used, counted from the end: 1 is the last. final_norm: whether the final norm goes over it.
    clip_skip: whether the user's Clip skip chooses the layer instead; "asked" is SDXL's, by a setting of its own.
    pooled: whether a projection of the end token's last state is part of the conditioning.
    pad_token: what fills a chunk up after its end token; None: the end token again.
    """

    name: str
    kind: str
    prefix: str
    hidden_act: str = "quick_gelu"
    max_length: int = 77
    layer: int = 1
    final_norm: bool = True
    clip_skip: Literal["always", "asked", "never"] = "always"
    pooled: bool = False
    pad_token: int | None = None


SizeValue = Literal["height", "width", "crop_top", "crop_left", "aesthetic_score"]


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """One row of the table.

    name: the short name shown to users and stored in the index ("SD1", "SDXL inpainting").
    marks: all must hold; the table's first row whose marks hold is the file's family.
    native_size: (width, height) in pixels that the model was trained for.
    betas: first and last beta of the scaled-linear noise schedule; unused by flow models.
    zero_terminal_snr: the schedule is stretched so that its last step is pure noise.
    size_values: the numbers that its UNet is told about the picture besides the prompt, in order; see ``SizeValue``.
    needs: what does not come in its files, for families that cannot run.
    prediction_varies: files of this family predict either noise or velocity, and no header tells which.
    fixed_heads: heads of every attention in the UNet; None: a head is ``head_width`` channels wide.
    runs: whether this version can draw with it; ``detect`` recognises it either way.
    vae_needs_float32: its VAE overflows float16.
    """

    name: str
    marks: tuple[KeyShape, ...]
    prediction: Prediction
    latent: LatentFormat
    text_encoders: tuple[TextEncoderSpec, ...]
    native_size: tuple[int, int]
    in_channels: int = 4
    betas: tuple[float, float] = (0.00085, 0.012)
    fixed_heads: int | None = None
    head_width: int = 64
    zero_terminal_snr: bool = False
    size_values: tuple[SizeValue, ...] = ()
    prediction_varies: bool = False
    needs: str = ""
    runs: bool = False
    is_sdxl: bool = False
    vae_needs_float32: bool = False

    @property
    def is_inpainting(self) -> bool:
        """Takes mask and masked picture as extra input channels."""
        return self.in_channels == self.latent.channels * 2 + 1

    @property
    def is_pix2pix(self) -> bool:
        """Takes the picture that is to be changed as extra input channels."""
        return self.in_channels == self.latent.channels * 2

    @property
    def cannot_run(self) -> str:
        """The sentence for a file of a family that this version recognises only."""
        parts = f" (such a file also needs {self.needs})" if self.needs else ""
        return f"it is recognised as {self.name}; this version cannot run {self.name} models yet{parts}"


UNET = "model.diffusion_model."
CLIP_L = TextEncoderSpec(name="CLIP-L", kind="clip", prefix="cond_stage_model.transformer.")
