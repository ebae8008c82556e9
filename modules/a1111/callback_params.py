"""What A1111 hands to callbacks: one record per moment, its fields read back after the call."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ImageSaveParams:
    """A picture about to be saved, or just saved. filename: with suffix. pnginfo: what is written into it, "parameters" first."""

    def __init__(self, image: Any, p: Any, filename: str, pnginfo: dict[str, Any]) -> None:
        self.image = image
        self.p = p
        self.filename = filename
        self.pnginfo = pnginfo


class ExtraNoiseParams:
    """Extra noise that img2img or hires fix adds. x: the latent with its first noise; noise: may be replaced; xi: the latent before any."""

    def __init__(self, noise: Any, x: Any, xi: Any) -> None:
        self.noise = noise
        self.x = x
        self.xi = xi


class CFGDenoiserParams:
    """Before the model is called. x, sigma, image_cond: cond rows first, then uncond rows, one sigma for each.

    text_cond, text_uncond: a tensor (B, T, C), or for SDXL a dict with "crossattn" and "vector".
    """

    def __init__(
        self, x: Any, image_cond: Any, sigma: Any, sampling_step: int, total_sampling_steps: int, text_cond: Any, text_uncond: Any,
        denoiser: Any = None,
    ) -> None:  # fmt: skip
        self.x = x
        self.image_cond = image_cond
        self.sigma = sigma
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.text_cond = text_cond
        self.text_uncond = text_uncond
        self.denoiser = denoiser


class CFGDenoisedParams:
    """After the model: x holds x0 predictions in the rows of CFGDenoiserParams; changed in place: as in A1111, another tensor put there is not looked at."""

    def __init__(self, x: Any, sampling_step: int, total_sampling_steps: int, inner_model: Any) -> None:
        self.x = x
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.inner_model = inner_model


class AfterCFGCallbackParams:
    """After guidance: x is the x0 that the sampler steps from. output_altered is A1111's, and nothing reads it."""

    def __init__(self, x: Any, sampling_step: int, total_sampling_steps: int) -> None:
        self.x = x
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.output_altered = False


class UiTrainTabParams:
    """txt2img_preview_params: components that a training tab previews with."""

    def __init__(self, txt2img_preview_params: Any) -> None:
        self.txt2img_preview_params = txt2img_preview_params


class ImageGridLoopParams:
    """A grid about to be made: its pictures, columns and rows may be changed."""

    def __init__(self, imgs: Any, cols: int, rows: int) -> None:
        self.imgs = imgs
        self.cols = cols
        self.rows = rows


@dataclass
class BeforeTokenCounterParams:
    """A prompt whose tokens are about to be counted; ``prompt`` may be replaced."""

    prompt: str
    steps: int
    styles: list[Any]
    is_positive: bool = True
