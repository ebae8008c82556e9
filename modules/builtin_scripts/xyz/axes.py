"""The axes of X/Y/Z plot: A1111's in its order, parameters taken from the table, and what extensions append to ``axis_options``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.callbacks import caller_file
from modules.a1111.sampler_list import visible_sampler_names
from modules.application import listing
from modules.application.paths import styles_files
from modules.builtin_scripts.xyz.values import split_values, str_permutations
from modules.engine.sampler_registry import find_sampler
from modules.engine.styles import read_styles
from modules.engine.upscale import LATENT_UPSCALERS
from modules.schema.errors import InvalidValue
from modules.schema.table import IMG2IMG, TXT2IMG

Apply = Callable[[Any, Any, Any], Any]      # (p, value, all values of the axis)


def apply_field(field: str) -> Apply:
    """Sets an attribute of ``p``."""

    def fun(p: Any, x: Any, xs: Any) -> None:
        setattr(p, field, x)

    return fun


def apply_override(field: str, boolean: bool = False) -> Apply:
    """Sets a setting for the picture alone."""

    def fun(p: Any, x: Any, xs: Any) -> None:
        p.override_settings[field] = str(x).lower() == "true" if boolean else x

    return fun


def boolean_choice(reverse: bool = False) -> Callable[[], list[str]]:
    """The choices True and False."""

    def choice() -> list[str]:
        return ["False", "True"] if reverse else ["True", "False"]

    return choice


def format_value(p: Any, opt: AxisOption, x: Any) -> Any:
    """The value alone."""
    return round(x, 8) if isinstance(x, float) else x


def format_value_add_label(p: Any, opt: AxisOption, x: Any) -> str:
    """The value with the axis's name."""
    return f"{opt.label}: {format_value(p, opt, x)}"


def format_value_join_list(p: Any, opt: AxisOption, x: Any) -> str:
    return ", ".join(x)


def format_nothing(p: Any, opt: AxisOption, x: Any) -> str:
    return ""


def format_remove_path(p: Any, opt: AxisOption, x: Any) -> str:
    return os.path.basename(str(x))


def do_nothing(p: Any, x: Any, xs: Any) -> None:
    """Of the axis Nothing."""


class AxisOption:
    """One axis. type: int, float, str or ``str_permutations``. confirm: raises for values that cannot be. cost: what changing it costs;
    dear ones change least often. choices: gives the texts to choose from. prepare: makes the list of values from the text. file: of the extension that made it."""

    is_img2img: bool | None = None
    file = ""

    def __init__(
        self, label: str, type: Any, apply: Apply, format_value: Callable[..., Any] = format_value_add_label, confirm: Callable[..., Any] | None = None,
        cost: float = 0.0, choices: Callable[[], Sequence[str]] | None = None, prepare: Callable[[str], list[Any]] | None = None,
    ) -> None:
        self.label, self.type, self.apply, self.format_value = label, type, apply, format_value
        self.confirm, self.cost, self.choices, self.prepare = confirm, cost, choices, prepare
        self.file = caller_file()


class AxisOptionImg2Img(AxisOption):
    is_img2img = True


class AxisOptionTxt2Img(AxisOption):
    is_img2img = False


def parameter(label: str, apply: Apply | None = None, **more: Any) -> AxisOption:
    """The axis that the parameter table declares under ``label``; on the tabs whose table has it."""
    txt2img, img2img = TXT2IMG.axes.get(label), IMG2IMG.axes.get(label)
    entry = txt2img or img2img
    assert entry is not None, f"no parameter declares the axis {label!r}"
    kind = AxisOption if txt2img and img2img else AxisOptionTxt2Img if txt2img else AxisOptionImg2Img
    return kind(label, entry.type if entry.type in (int, float) else str, apply or apply_field(entry.api_name), **more)


def apply_prompt(p: Any, x: Any, xs: Any) -> None:
    """Prompt S/R: the first value of the axis, wherever it stands, becomes this one."""
    if xs[0] not in p.prompt and xs[0] not in p.negative_prompt:
        raise InvalidValue(f"Prompt S/R did not find {xs[0]!r} in the prompt or negative prompt.", "Its first value must stand there.", field="script_args")
    p.prompt, p.negative_prompt = p.prompt.replace(xs[0], x), p.negative_prompt.replace(xs[0], x)


def apply_order(p: Any, x: Sequence[str], xs: Any) -> None:
    """Prompt order: the parts in the places where any of them stood."""
    places = sorted((p.prompt.find(part), part) for part in x if part in p.prompt)
    rest, pieces = p.prompt, []
    for _, part in places:
        before, _, rest = rest.partition(part)
        pieces.append(before)
    ordered = [part for part in x if part in p.prompt]
    p.prompt = "".join(before + part for before, part in zip(pieces, ordered)) + rest


def apply_checkpoint(p: Any, x: str, xs: Any) -> None:
    p.override_settings["sd_model_checkpoint"] = current().catalogue.find_checkpoint(x).title


def find_vae(name: str) -> str:
    """What the setting calls it: also by a part of its file's name, and "auto", as A1111's users write it. One that is not known as it is written."""
    name = {"auto": "Automatic", "automatic": "Automatic", "none": "None"}.get(name.lower(), name)
    files = sorted((each for each in vae_names()[2:] if name.lower() in each.lower()), key=len)
    return files[0] if files and name not in ("Automatic", "None", *files) else name


def apply_vae(p: Any, x: str, xs: Any) -> None:
    p.override_settings["sd_vae"] = find_vae(x)


def apply_styles(p: Any, x: str, xs: Any) -> None:
    """Several with commas between them, or one whose name has a comma."""
    p.styles = [*p.styles, *([x] if x in style_names() else [name.strip() for name in x.split(",")])]


def apply_uni_pc_order(p: Any, x: int, xs: Any) -> None:
    p.override_settings["uni_pc_order"] = max(1, min(x, p.steps - 1))


def apply_face_restore(p: Any, x: str, xs: Any) -> None:
    named = {"codeformer": "CodeFormer", "gfpgan": "GFPGAN"}.get(x.lower())
    if named:
        p.override_settings["face_restoration_model"] = named
    p.restore_faces = bool(named) or x.lower() in ("true", "yes", "y", "1")


def apply_size(p: Any, x: str, xs: Any) -> None:
    width, _, height = x.lower().partition("x")
    p.width, p.height = int(width), int(height)


def confirm_samplers(p: Any, xs: Sequence[str]) -> None:
    for each in xs:
        find_sampler(each)


def confirm_checkpoints(p: Any, xs: Sequence[str]) -> None:
    for each in xs:
        current().catalogue.find_checkpoint(each)


def confirm_checkpoints_or_none(p: Any, xs: Sequence[str]) -> None:
    confirm_checkpoints(p, [each for each in xs if each not in (None, "", "None", "none")])


def confirm_prompt(p: Any, xs: Sequence[str]) -> None:
    if xs and not xs[0]:
        raise InvalidValue("Prompt S/R has no word to look for: its first value is empty.", "Write that word first.", field="script_args")
    if xs:
        apply_prompt(_Texts(p), xs[0], xs)


def confirm_size(p: Any, xs: Sequence[str]) -> None:
    for each in xs:
        width, _, height = each.lower().partition("x")
        if not (width.strip().isdigit() and height.strip().isdigit()):
            raise InvalidValue(f"Size: {each[:40]!r} is no size.", 'Write it as "512x768".', field="script_args")


class _Texts:
    """The prompts of ``p``, to try something on them."""

    def __init__(self, p: Any) -> None:
        self.prompt, self.negative_prompt = p.prompt, p.negative_prompt


def checkpoint_names() -> list[str]:
    return sorted((each.title for each in current().catalogue.checkpoints()), key=str.casefold)


def vae_names() -> list[str]:
    return ["Automatic", "None", *(each["model_name"] for each in listing.sd_vaes(current()))]


def style_names() -> list[str]:
    return list(read_styles(styles_files(current().paths)))


def hires_upscaler_names() -> list[str]:
    return [*(each.name for each in LATENT_UPSCALERS), *current().upscalers.names()]


def schedule_names() -> list[str]:
    return [each["label"] for each in listing.schedulers()]


def hypertile(label: str, key: str, high: int = 0) -> AxisOption:
    """An axis of A1111's built-in extension. high: the largest number; 0 for what is on or off."""
    name = f"[Hypertile] {label}"
    if not high:
        return AxisOption(name, str, apply_override(key, boolean=True), choices=boolean_choice(reverse=True))

    def confirm(p: Any, xs: Sequence[int]) -> None:
        for each in xs:
            if not 0 <= each <= high:
                raise InvalidValue(f"{name} cannot be {each}: it must be between 0 and {high}.", field="script_args")

    few = (lambda: [str(each) for each in range(high + 1)]) if high < 10 else None
    return AxisOption(name, int, apply_override(key), confirm=confirm, choices=few)


axis_options: list[AxisOption] = [
    AxisOption("Nothing", str, do_nothing, format_value=format_nothing),
    parameter("Seed"),
    parameter("Var. seed"),
    parameter("Var. strength"),
    parameter("Steps"),
    parameter("Hires steps"),
    parameter("CFG Scale"),
    parameter("Image CFG Scale"),
    AxisOption("Prompt S/R", str, apply_prompt, format_value=format_value, confirm=confirm_prompt),
    AxisOption("Prompt order", str_permutations, apply_order, format_value=format_value_join_list),
    parameter("Sampler", format_value=format_value, confirm=confirm_samplers, choices=visible_sampler_names),
    parameter("Hires sampler", confirm=confirm_samplers, choices=visible_sampler_names),
    AxisOption("Checkpoint name", str, apply_checkpoint, format_value=format_remove_path, confirm=confirm_checkpoints, cost=1.0, choices=checkpoint_names),
    parameter("Negative Guidance minimum sigma"),
    parameter("Sigma Churn"),
    parameter("Sigma min"),
    parameter("Sigma max"),
    parameter("Sigma noise"),
    parameter("Schedule type", choices=schedule_names),
    AxisOption("Schedule min sigma", float, apply_override("sigma_min")),
    AxisOption("Schedule max sigma", float, apply_override("sigma_max")),
    AxisOption("Schedule rho", float, apply_override("rho")),
    AxisOption("Beta schedule alpha", float, apply_override("beta_dist_alpha")),
    AxisOption("Beta schedule beta", float, apply_override("beta_dist_beta")),
    parameter("Eta"),
    AxisOption("Clip skip", int, apply_override("CLIP_stop_at_last_layers")),
    parameter("Denoising"),
    AxisOption("Initial noise multiplier", float, apply_field("initial_noise_multiplier")),
    AxisOption("Extra noise", float, apply_override("img2img_extra_noise")),
    parameter("Hires upscaler", choices=hires_upscaler_names),
    AxisOptionImg2Img("Cond. Image Mask Weight", float, apply_override("inpainting_mask_weight")),
    AxisOption("VAE", str, apply_vae, cost=0.7, choices=vae_names),
    parameter("Styles", apply_styles, choices=style_names),
    AxisOption("UniPC Order", int, apply_uni_pc_order, cost=0.5),
    parameter("Face restore", apply_face_restore, format_value=format_value),
    AxisOption("Token merging ratio", float, apply_override("token_merging_ratio")),
    AxisOption("Token merging ratio high-res", float, apply_override("token_merging_ratio_hr")),
    AxisOption("Always discard next-to-last sigma", str, apply_override("always_discard_next_to_last_sigma", boolean=True), choices=boolean_choice(reverse=True)),
    AxisOption("SGM noise multiplier", str, apply_override("sgm_noise_multiplier", boolean=True), choices=boolean_choice(reverse=True)),
    parameter("Refiner checkpoint", format_value=format_remove_path, confirm=confirm_checkpoints_or_none, cost=1.0, choices=lambda: ["None", *checkpoint_names()]),
    parameter("Refiner switch at"),
    AxisOption("RNG source", str, apply_override("randn_source"), choices=lambda: ["GPU", "CPU", "NV"]),
    AxisOption("FP8 mode", str, apply_override("fp8_storage"), cost=0.9, choices=lambda: ["Disable", "Enable for SDXL", "Enable"]),
    AxisOption("Size", str, apply_size, confirm=confirm_size, prepare=split_values),
    hypertile("Unet First pass Enabled", "hypertile_enable_unet"),
    hypertile("Unet Second pass Enabled", "hypertile_enable_unet_secondpass"),
    hypertile("Unet Max Depth", "hypertile_max_depth_unet", high=3),
    hypertile("Unet Max Tile Size", "hypertile_max_tile_unet", high=512),
    hypertile("Unet Swap Size", "hypertile_swap_size_unet", high=64),
    hypertile("VAE Enabled", "hypertile_enable_vae"),
    hypertile("VAE Max Depth", "hypertile_max_depth_vae", high=3),
    hypertile("VAE Max Tile Size", "hypertile_max_tile_vae", high=512),
    hypertile("VAE Swap Size", "hypertile_swap_size_vae", high=64),
]
