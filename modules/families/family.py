"""What the program knows about a kind of model: how to recognise it, and what its parts need to run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

Shapes = Mapping[str, tuple[int, ...]]


class HeaderLike(Protocol):
    """What recognition reads of a file: its path, its tensors' names and shapes, and its notes. No weights."""

    @property
    def path(self) -> object: ...

    @property
    def shapes(self) -> Shapes: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...


class Prediction(Enum):
    """What the denoiser's output means."""

    EPSILON = "epsilon"  # the noise
    V = "v"  # Salimans & Ho 2022: alpha * noise - sigma * x0
    FLOW = "flow"  # the velocity from data to noise; sigma runs from 1 (noise) to 0


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
    """How pictures look to the denoiser: ``(vae_output - shift) * scale``, ``downscale`` pixels to one latent cell.

    films: its VAE is one of films; see ``film_vae.py``. patched: its values are normalised, and its noise drawn, by patches of two by two cells; see ``patched_vae.py``.
    tiny, approximation: how the files of TAESD and VAE-approx for it are called.
    """

    channels: int
    downscale: int
    scale: float
    shift: float = 0.0
    films: bool = False
    patched: bool = False
    tiny: str = ""
    approximation: str = ""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """How a text encoder that sees is shown the pictures that are to be changed.

    each: what stands before the prompt for every one of them, its number at "{}"; ``picture`` in it is where the picture itself goes.
    template, dropped: in place of the spec's own. area: pixels that a picture is brought to before it is looked at.
    """

    each: str
    template: str
    dropped: int
    area: int
    picture: str = "<|image_pad|>"


@dataclass(frozen=True, kw_only=True)
class TextEncoderSpec:
    """One text encoder as a checkpoint carries it.

    kind: "clip" (OpenAI's layout), "open_clip", "t5", "qwen", "qwen3-vl", "gemma" or "mistral".
    prefix: what its tensors' names begin with in a single-file checkpoint.
    layer: whose output is used, counted from the end: 1 is the last. final_norm: whether the final norm goes over it.
    clip_skip: whether the user's Clip skip chooses the layer instead; "asked" is SDXL's, by a setting of its own.
    pooled: whether the end token's last state is part of the conditioning; projected: by way of a projection.
    pad_token: what fills a chunk up after its end token; None: the end token again.
    masked: what fills it up is hidden from the encoder, and from most denoisers. template: what the prompt is put into, at "{}";
    dropped: how many tokens of its beginning are left out of what comes out.
    filled: every text is filled up to ``max_length``; empties: what comes out where it is filled is set to zero; before: what fills up stands before it. layers: after how many layers the states are taken that are put side by side, instead of ``layer``; later ones are not built.
    files: what such an encoder is called where it is published as a file of its own. sight: of one that sees.
    adapter: what the names of the tensors begin with, in the denoiser's file, that put what it finds into words of T5's (``adapted_qwen.py``).
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
    projected: bool = True
    pad_token: int | None = None
    masked: bool = False
    template: str = "{}"
    dropped: int = 0
    filled: bool = False
    empties: bool = False
    before: bool = False
    layers: tuple[int, ...] = ()
    files: str = ""
    sight: Sight | None = None
    adapter: str = ""

    @property
    def is_clip(self) -> bool:
        return self.kind in ("clip", "open_clip")


SizeValue = Literal["height", "width", "crop_top", "crop_left", "aesthetic_score"]
Denoiser = Literal["unet", "flux", "chroma", "sd3", "z-image", "qwen-image", "flux2", "lumina2", "anima", "krea2", "ovis"]


@dataclass(frozen=True, kw_only=True)
class FlowShift:
    """How far a flow model's steps are moved towards noise: sigma = s * t / (1 + (s - 1) * t) for t from 1 to 0.

    factor: s. by_size: (s at 256, s at 4096 tokens of two by two cells) as logarithms, a straight line between, when it grows with the picture.
    by_steps: FLUX.2's, which its makers measured: (slope, beginning) of such lines over the tokens, for 10 and for 200 steps; from ``largest`` tokens on the second alone.
    Source: Esser et al. 2024, "Scaling Rectified Flow Transformers" (arXiv:2403.03206), section 5.3.2; for ``by_steps`` sampling.py of github.com/black-forest-labs/flux2.
    """

    factor: float = 1.0
    by_size: tuple[float, float] | None = None
    by_steps: tuple[tuple[float, float], tuple[float, float]] | None = None
    largest: int = 4096     # tokens at the second value of ``by_size``

    def at(self, tokens: int, steps: int) -> float:
        if self.by_steps is not None:
            few, many = (slope * tokens + beginning for slope, beginning in self.by_steps)
            return math.exp(many if tokens > self.largest else few + (many - few) * (steps - 10) / (200 - 10))
        if self.by_size is None:
            return self.factor
        low, high = self.by_size
        return math.exp(low + (high - low) * (tokens - 256) / (self.largest - 256))


@dataclass(frozen=True, kw_only=True)
class FurtherPictures:
    """How large pictures are shown beside img2img's: of ``area`` pixels at most (or always, where it ``enlarges``), their sides multiples of ``multiple``."""

    area: int = 1024 * 1024
    multiple: int = 16
    enlarges: bool = False


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
    vae_needs_float32: its VAE overflows float16. needs_bfloat16: its transformer and text encoders do.
    denoiser: which kind of module predicts. shift: of a flow model's steps.
    guidance: "classifier-free" by a second, negative prediction; "told": CFG Scale is an input of the model; "none": drawn in.
    keeps_length: what guidance makes of the velocity is as long, token by token, as the prompt's own.
    vae: what the VAE is called where it is published as a file of its own. vae_files, other_vae_files: parts of the names of the VAE files that fit, and of those that look alike and do not.
    called: what is in the names of its files (a pattern), which alone tells it from the family with the same marks; flag: or a tensor that says so.
    reads_picture: img2img's picture stands beside the noise, as tokens of its own: always, or where nothing else is left of it, at a denoising
    strength of 1 without a mask. further: where it takes more pictures than that one.
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
    needs_bfloat16: bool = False
    denoiser: Denoiser = "unet"
    shift: FlowShift = FlowShift()
    guidance: Literal["classifier-free", "told", "none"] = "classifier-free"
    keeps_length: bool = False
    vae: str = ""
    vae_files: tuple[str, ...] = ()
    other_vae_files: tuple[str, ...] = ()
    called: str = ""
    flag: tuple[str, ...] = ()
    reads_picture: Literal["never", "always", "at full strength"] = "never"
    further: FurtherPictures | None = None

    @property
    def is_flow(self) -> bool:
        return self.prediction is Prediction.FLOW

    @property
    def is_inpainting(self) -> bool:
        """Takes mask and masked picture as extra input channels. FLUX.1 fill's mask has one channel per pixel of a cell."""
        return self.in_channels - self.latent.channels * 2 in (1, self.latent.downscale**2)

    @property
    def is_depth(self) -> bool:
        """Takes a map of distances as an extra input channel."""
        return self.in_channels == self.latent.channels + 1

    @property
    def is_pix2pix(self) -> bool:
        """Takes the picture that is to be changed as extra input channels."""
        return self.in_channels == self.latent.channels * 2 and not self.is_flow

    @property
    def is_controlled(self) -> bool:
        """Takes a picture of distances or edges as extra input channels."""
        return self.in_channels == self.latent.channels * 2 and self.is_flow

    @property
    def cannot_run(self) -> str:
        """The sentence for a file of a family that this version recognises only."""
        parts = f" (such a file also needs {self.needs})" if self.needs else ""
        return f"it is recognised as {self.name}; this version cannot run {self.name} models yet{parts}"


UNET = "model.diffusion_model."
PIPELINE = "pipeline"                                       # a note of a folder in diffusers' layout: its pipeline's class
DENOISER_PREFIXES = (UNET, "", "net.", "transformer.")     # in front of a transformer's names, depending on who saved it
SIXTEEN = LatentFormat(channels=16, downscale=8, scale=0.3611, shift=0.1159, tiny="taef1")      # FLUX.1's, which others took over
CLIP_L = TextEncoderSpec(name="CLIP-L", kind="clip", prefix="cond_stage_model.transformer.", files="clip_l.safetensors")


def spelled(*names: str) -> tuple[str, ...]:
    """Each name of a transformer's tensor with every prefix that files put in front."""
    return tuple(f"{prefix}{name}" for name in names for prefix in DENOISER_PREFIXES)
