"""A golden request run through our engine, with each stage's tensor noted under the name of A1111's stored one."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.application.engine_inputs import resolve
from modules.application.settings_store import OverlaidSettings
from modules.compute.hardware import Hardware, probe
from modules.compute.noise import ImageNoise
from modules.compute.policy import ComputePolicy, policy_from_flags
from modules.engine import denoise_pass, hires, img2img
from modules.engine.generate import generate
from modules.engine.hooks import BatchPlan, GenerationResult, NullHooks
from modules.engine.prompt_comments import strip_comments
from modules.engine.resolved import ResolvedRequest
from modules.engine.styles import apply_styles, read_styles
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.embeddings import EmbeddingShelf
from modules.loading.lora import LoraShelf
from modules.schema.flags import parse_flags
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.settings.table import SETTINGS
from tests.golden.cases import Case, checkpoint_path, data_dir


@functools.cache
def policy() -> ComputePolicy:
    """The processor's; GOLDEN_DEVICE=cuda: that of the GPU, in float32."""
    if os.environ.get("GOLDEN_DEVICE") == "cuda":
        torch.backends.cudnn.allow_tf32 = False     # whose sums have ten bits
        return policy_from_flags(parse_flags(["--no-half"], {}).flags, probe())
    hardware = Hardware(kind="cpu", name="test", memory_bytes=2**33, cpu_count=1, reason="a test")
    return policy_from_flags(parse_flags([], {}).flags, hardware)


@functools.cache
def components() -> Components:
    """The tiny checkpoint, on one thread."""
    torch.set_num_threads(1)
    path = checkpoint_path()
    return load_checkpoint(ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size), policy())


@functools.cache
def exact_components() -> Components:
    """The same with a denoiser in float64. DPM adaptive sets each step size by the last one's error, which makes a rounding
    error of 1e-7 grow a hundred-thousandfold: in float32 its picture is A1111's to 43 or to 67 dB by luck, on A1111's side too."""
    found = components()
    return replace(found, unet=copy.deepcopy(found.unet).double())


@functools.cache
def shelf() -> EmbeddingShelf:
    paths = sorted((data_dir() / "embeddings").iterdir())
    files = [ModelFile(path=path, name=path.name, kind="embedding", sha256=hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
    return EmbeddingShelf(lambda: files)


@functools.cache
def loras() -> LoraShelf:
    path = data_dir() / "models/Lora/tiny-lora.safetensors"
    return LoraShelf(lambda: [ModelFile(path=path, name=path.name, kind="lora")])


def resolved_request(case: Case) -> ResolvedRequest:
    """The engine's request for the exact body that A1111 was sent."""
    kind = Img2ImgRequest if case.endpoint.endswith("img2img") else Txt2ImgRequest
    request = kind.from_flat(case.request)
    found = resolve(request, OverlaidSettings(SETTINGS, request.overrides.override_settings))
    styles = read_styles([data_dir() / "styles.csv"])
    prompt, negative, _ = apply_styles(found.prompt, found.negative_prompt, request.prompt.styles, styles)
    return replace(found, prompt=strip_comments(prompt), negative_prompt=strip_comments(negative))


@dataclass
class Stages(NullHooks):
    """What came out at each stage, in the order in which it was made; equal names are numbered as A1111's files are."""

    noise_factor: float = 1.0
    found: dict[str, np.ndarray] = field(default_factory=dict)
    latents: list[torch.Tensor] = field(default_factory=list)

    def note(self, name: str, tensor: torch.Tensor) -> None:
        number = sum(1 for key in self.found if key.split("-")[0] == name)
        self.found[f"{name}-{number}" if number else name] = tensor.detach().cpu().numpy().copy()

    def before_sampling(self, plan: BatchPlan, noise: torch.Tensor) -> torch.Tensor:
        return noise if self.noise_factor == 1.0 else noise * self.noise_factor

    def second_sampled(self, sampling: Any, plan: BatchPlan, first: torch.Tensor | None) -> None:
        if first is not None:
            self.note("hrlow", first)

    def latents_ready(self, plan: BatchPlan, latents: torch.Tensor) -> torch.Tensor:
        self.latents.append(latents)
        self.found["latent"] = torch.cat(self.latents).cpu().numpy()
        return latents

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Note what passes between the engine's rooms."""

        def wrap(target: Any, name: str, noted: Any) -> None:
            own = getattr(target, name)

            def noting(*args: Any, **kwargs: Any) -> Any:
                result = own(*args, **kwargs)
                noted(result, args)
                return result

            patch.setattr(target, name, noting)

        wrap(ImageNoise, "first", lambda result, args: self.note("noise", result))
        wrap(denoise_pass, "make_grid", lambda result, args: self.note("sigmas", result.whole))
        wrap(img2img, "encode_pixels", lambda result, args: self.note("init", result))
        wrap(hires, "encode_pixels", lambda result, args: self.note("init", result))


def run_case(case: Case, patch: pytest.MonkeyPatch, noise_factor: float = 1.0) -> tuple[GenerationResult, Stages]:
    """Our pictures for the case, and its stages. noise_factor: scales the start noise, to see what rounding does."""
    stages = Stages(noise_factor=noise_factor)
    stages.listen(patch)
    exact = case.request.get("sampler_name") == "DPM adaptive"
    parts, rules = (exact_components(), replace(policy(), compute_dtype="float64")) if exact else (components(), policy())
    result = generate(resolved_request(case), parts, policy=rules, hooks=stages, embeddings=shelf(), loras=loras())
    return result, stages


def psnr(ours: Image.Image, theirs: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; equal pictures count as 100."""
    a, b = (np.asarray(each.convert("RGB"), dtype=np.float64) for each in (ours, theirs))
    error = float(((a - b) ** 2).mean())
    return min(100.0, 10 * np.log10(255**2 / error)) if error else 100.0
