"""The groups that txt2img and img2img share: prompt, sampling, size, batch, seed, noise, what to save and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.schema.param import param
from modules.schema.widgets import Dropdown, Number, Slider, TextArea

PROMPT_LIMIT = 65_536  # characters; the longest prompt that is still encoded in reasonable time
NAME_LIMIT = 4_096  # characters; names of samplers, checkpoints, scripts
SIDE_LIMIT = 8_192  # pixels; beyond it no current model draws and memory runs out
SIDE_SMALLEST = 8  # pixels; one latent cell
SEED_RANGE = (-(2**63), 2**64 - 1)  # what a torch generator takes; -1 means a random one


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What to draw, and what not to."""

    prompt: str = param("", label="Prompt", infotext="Prompt", widget=TextArea(3), max_length=PROMPT_LIMIT)
    negative_prompt: str = param(
        "", label="Negative prompt", infotext="Negative prompt", widget=TextArea(3), elem_id="{tab}_neg_prompt", max_length=PROMPT_LIMIT
    )
    styles: tuple[str, ...] = param((), label="Styles", axis="Styles", widget=Dropdown("styles", multiple=True), max_length=NAME_LIMIT)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the picture is found. ``sampler_name`` None: the API's older ``sampler_index`` is taken."""

    sampler_name: str | None = param(
        None,
        label="Sampling method",
        infotext="Sampler",
        axis="Sampler",
        widget=Dropdown("samplers"),
        ui_default="DPM++ 2M",
        elem_id="{tab}_sampling",
        max_length=NAME_LIMIT,
    )
    scheduler: str | None = param(
        None,
        label="Schedule type",
        infotext="Schedule type",
        axis="Schedule type",
        widget=Dropdown("schedulers"),
        ui_default="Automatic",
        max_length=NAME_LIMIT,
    )
    steps: int = param(
        50, ui_default=20, label="Sampling steps", infotext="Steps", axis="Steps", widget=Slider(1, 150, 1), accepts=(1, 1000)
    )
    guidance_scale: float = param(
        7.0,
        label="CFG Scale",
        api_name="cfg_scale",
        infotext="CFG scale",
        axis="CFG Scale",
        widget=Slider(1.0, 30.0, 0.5),
        accepts=(-1000.0, 1000.0),
        description="How strongly the picture follows the prompt; 1 ignores the negative prompt.",
    )
    sampler_index: str | None = param("Euler", label="Sampler (old name)", max_length=NAME_LIMIT)

    @property
    def sampler(self) -> str | None:
        """The sampler asked for under its new or its old name."""
        return self.sampler_name or self.sampler_index


@dataclass(frozen=True, kw_only=True)
class Size:
    """Size of the picture in pixels, as asked; what is drawn is the next multiple of 8 below."""

    width: int = param(512, label="Width", infotext="Size-1", widget=Slider(64, 2048, 8), accepts=(SIDE_SMALLEST, SIDE_LIMIT))
    height: int = param(512, label="Height", infotext="Size-2", widget=Slider(64, 2048, 8), accepts=(SIDE_SMALLEST, SIDE_LIMIT))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many pictures: ``batch_count`` times ``batch_size`` of them, a size at a time."""

    batch_count: int = param(
        1, label="Batch count", api_name="n_iter", widget=Slider(1, 100, 1), elem_id="{tab}_batch_count", accepts=(1, 10_000)
    )
    batch_size: int = param(1, label="Batch size", infotext="Batch size", widget=Slider(1, 8, 1), accepts=(1, 256))


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Where the noise comes from. A seed of -1 is a random one; sizes of 0 or less mean no resize."""

    seed: int = param(-1, label="Seed", infotext="Seed", axis="Seed", widget=Number(0), accepts=SEED_RANGE)
    variation_seed: int = param(
        -1,
        label="Variation seed",
        api_name="subseed",
        infotext="Variation seed",
        axis="Var. seed",
        widget=Number(0),
        accepts=SEED_RANGE,
    )
    variation_strength: float = param(
        0,                      # whole, as A1111 answers it: clients with a whole number there cannot read 0.0
        label="Variation strength",
        api_name="subseed_strength",
        infotext="Variation seed strength",
        axis="Var. strength",
        widget=Slider(0.0, 1.0, 0.01),
        accepts=(-1.0, 1.0),    # A1111 goes the other way below 0, and programs send -1 as they do for the seed
    )
    resize_from_width: int = param(
        -1,
        label="Resize seed from width",
        api_name="seed_resize_from_w",
        infotext="Seed resize from-1",
        widget=Slider(0, 2048, 8),
        ui_default=0,
        accepts=(-1, SIDE_LIMIT),
    )
    resize_from_height: int = param(
        -1,
        label="Resize seed from height",
        api_name="seed_resize_from_h",
        infotext="Seed resize from-2",
        widget=Slider(0, 2048, 8),
        ui_default=0,
        accepts=(-1, SIDE_LIMIT),
    )


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """The sampler's noise; None takes the setting of the same name. Sigmas are noise standard deviations."""

    eta: float | None = param(None, label="Eta", axis="Eta", accepts=(0.0, 100.0))
    s_min_uncond: float | None = param(
        None, label="Negative Guidance minimum sigma", axis="Negative Guidance minimum sigma", accepts=(0.0, 1000.0)
    )
    s_churn: float | None = param(None, label="Sigma churn", axis="Sigma Churn", accepts=(0.0, 1000.0))
    s_tmin: float | None = param(None, label="Sigma tmin", axis="Sigma min", accepts=(0.0, 1e6))
    s_tmax: float | None = param(None, label="Sigma tmax", axis="Sigma max", accepts=(0.0, 1e6))
    s_noise: float | None = param(None, label="Sigma noise", axis="Sigma noise", accepts=(0.0, 100.0))


@dataclass(frozen=True, kw_only=True)
class Features:
    """Switches of a run; None takes the setting of the same meaning."""

    restore_faces: bool | None = param(None, label="Restore faces", axis="Face restore")
    tiling: bool | None = param(None, label="Tiling")
    disable_extra_networks: bool = param(False, label="Disable extra networks", description="Leave <lora:...> tags without effect.")


@dataclass(frozen=True, kw_only=True)
class Output:
    """What becomes of the pictures. The page saves always; the API saves only when ``save_images`` is asked."""

    save_images: bool = param(False, label="Save images", ui_default=True)
    do_not_save_samples: bool = param(False, label="Do not save samples")
    do_not_save_grid: bool = param(False, label="Do not save grid")
    send_images: bool = param(True, label="Send images back")


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Settings that hold for this request alone, by key. They never change the stored settings."""

    override_settings: Mapping[str, Any] = param({}, label="Override settings")
    override_settings_restore_afterwards: bool = param(True, label="Put overridden settings back afterwards")


@dataclass(frozen=True, kw_only=True)
class Scripting:
    """Scripts that take part: one chosen, others always on by title; args in the scripts' own order."""

    script_name: str | None = param(None, label="Script", max_length=NAME_LIMIT)
    script_args: tuple[Any, ...] = param((), label="Script arguments")
    alwayson_scripts: Mapping[str, Any] = param({}, label="Always-on scripts")


@dataclass(frozen=True, kw_only=True)
class Task:
    """How the request is followed up, and where missing values come from."""

    force_task_id: str | None = param(None, label="Task id", max_length=NAME_LIMIT)
    infotext: str | None = param(None, label="Infotext", description="Values for whatever the request leaves out.", max_length=1_048_576)
    comments: Mapping[str, Any] | None = param(None, label="Comments")
