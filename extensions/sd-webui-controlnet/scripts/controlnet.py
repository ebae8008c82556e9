"""ControlNet as an always-on script: units in, hints and wishes for the engine out, detected maps after the pictures."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from internal_controlnet import axes, batches, external_code, models, routes
from internal_controlnet.args import PASTED_FIELDS, ControlNetUnit
from internal_controlnet.enums import InputMode
from internal_controlnet.hints import mask_shown
from internal_controlnet.panel_groups import ControlNetUiGroup
from internal_controlnet.pictures import Hints, hints_of, looked_at, region_of
from internal_controlnet.preprocessor_rows import INSTANT_ID, LOOKS, READS_FACES
from internal_controlnet.preprocessors import Preprocessor, find_preprocessor
from internal_controlnet.settings import add_settings, setting
from internal_controlnet.vision import encoder_for, faces_in, known_encoder, reads_of_file, unpacked
from modules.processing import StableDiffusionProcessingImg2Img
from PIL import Image

from modules import images, script_callbacks, scripts
from modules.a1111.control_units import Colours, ControlRefused, ControlWish, Reference, Sees, check_file
from modules.schema.errors import WebuiError

_REMOTE = {
    "enabled": "enabled", "module": "module", "model": "model", "weight": "weight", "image": "image", "resize_mode": "resize_mode", "low_vram": "lowvram",
    "processor_res": "pres", "threshold_a": "pthr_a", "threshold_b": "pthr_b", "guidance_start": "guidance_start", "guidance_end": "guidance_end",
    "control_mode": "control_mode", "pixel_perfect": "pixel_perfect",
}  # fmt: skip


class Script(scripts.Script):
    """One object per tab; what a job needs is kept on its ``p``. last_of_batch: what the run before in img2img's batch made, for loopback."""

    last_of_batch: Any = None

    def title(self) -> str:
        return "ControlNet"

    def show(self, is_img2img: bool) -> Any:
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        from internal_controlnet import panel  # it is made of Gradio's classes: --nowebui starts without them

        built = panel.build(is_img2img, int(setting("control_net_unit_count")))
        if setting("control_net_sync_field_args"):
            self.infotext_fields, self.paste_field_names = built.infotext_fields, [name for _, name in built.infotext_fields]
        return built.controls

    def minds_batches(self, p: Any) -> bool:
        return bool(getattr(p, "control_wishes", None))

    def before_process(self, p: Any, *args: Any) -> None:
        p.asked_subseed = -1 if p.subseed == p.drawn_subseed else p.subseed     # before it is drawn: the shuffle preprocessor's numbers depend on what was asked
        external_code.settle(self, p)

    def process(self, p: Any, *args: Any) -> None:
        p.control_wishes, p.control_maps, p.control_finishes = [], [], []
        try:
            units = _in_turn(p, _unfolded(_enabled(p, args)), self.last_of_batch)
            p.extra_generation_params.update({f"ControlNet {number}": unit.serialize() for number, unit in enumerate(units)})
            for unit in units:
                self._add(p, unit)
        except WebuiError as error:                 # no picture is better than one that ignores the unit
            if getattr(error, "is_flow_control", False):
                raise
            raise ControlRefused(error.message, error.remedy) from error
        except cv2.error as error:
            raise ControlRefused(f"ControlNet: the unit's picture cannot be worked on ({error.err}).", "Try another picture or resolution.") from error

    def controlnet_hack(self, p: Any) -> None:
        """The original's name for reading the units again: extensions change them between passes of their own."""
        self.process(p, *(p.script_args or ())[self.args_from : self.args_to])

    def _add(self, p: Any, unit: ControlNetUnit) -> None:
        if unit.module == "inpaint_only" and isinstance(p, StableDiffusionProcessingImg2Img) and getattr(p, "image_mask", None) is not None:
            unit.module = "inpaint"                 # inpainting keeps the rest already
        preprocessor = find_preprocessor(unit.module)
        assert preprocessor is not None
        file = None
        if not preprocessor.model_free:
            if not unit.model or unit.model.lower() == "none":
                raise ControlRefused(f"ControlNet: no model is chosen for the unit with the preprocessor {unit.module!r}.",
                                     "Choose a model in the unit, or switch the unit off.", field="model")
            file = models.model_file(unit.model)
            check_file(p, file)
        region = region_of(unit)
        if preprocessor.key in LOOKS:
            p.control_wishes.append(_seeing_wish(p, unit, preprocessor, file, region))
            return
        if region is not None and file is None:
            raise ControlRefused("ControlNet: reference units act on the whole picture.", "Leave effective_region_mask out.", field="effective_region_mask")
        found = hints_of(p, unit, preprocessor, ignore_mask=bool(setting("controlnet_ignore_noninpaint_mask", p)))
        p.control_wishes.append(_wish(unit, preprocessor, file, region, found))
        if unit.save_detected_map:
            p.control_maps += [(each, unit.module) for each in found.maps]
        p.control_finishes += _finishes(p, unit, found)

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        pictures = kwargs["images"]
        for finish in getattr(p, "control_finishes", ()):
            for number in range(len(pictures)):
                pictures[number] = finish(pictures[number])

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        maps = getattr(p, "control_maps", None) or []
        self.last_of_batch = processed.images[processed.index_of_first_image] if batches.part_of_batch() is not None and processed.images else None
        later = [] if hasattr(p, "control_turn") else batches.run_the_others(p, processed, getattr(p, "control_turns", 1))
        shown = [(Image.fromarray(mask_shown(found.clip(0, 255).astype(np.uint8))), module) for found, module in maps]
        if setting("control_net_detectmap_autosaving", p):
            _save(p, shown)
        if not setting("control_net_no_detectmap", p) and not any("sd upscale" in key.lower() for key in p.extra_generation_params):
            processed.images.extend([*(picture for picture, _ in shown), *later])
        p.control_wishes, p.control_maps, p.control_finishes = [], [], []


def _in_turn(p: Any, units: list[ControlNetUnit], last_of_batch: Any) -> list[ControlNetUnit]:
    """The units of this run of ``p``; where some have a picture for each run, ``p`` is the first of several. last_of_batch: see Script."""
    p.control_turns, turn = batches.turns(units), getattr(p, "control_turn", 0)
    p.control_from_page = any(unit.is_ui for unit in units)
    if not turn:
        batches.announce(p, p.control_turns)
    if (part := batches.part_of_batch()) is not None:
        return [batches.in_turn(unit, part, last_of_batch) for unit in units]
    return [batches.in_turn(unit, turn, getattr(p, "control_last", None)) for unit in units]


def _enabled(p: Any, args: Sequence[Any]) -> list[ControlNetUnit]:
    """The units that are on. Other scripts' wishes on ``p`` count where the settings allow it."""
    units = external_code.get_all_units_from(args)
    if not setting("control_net_allow_script_control", p) and not getattr(p, axes.ASKED, False):
        return [unit.copy() for unit in units if unit.enabled]
    changed = []
    for number, unit in enumerate(units or [ControlNetUnit()]):
        wished = {name: _remote(p, f"control_net_{theirs}", number, strict=name == "enabled") for name, theirs in _REMOTE.items()}
        wished["image"] = _remote(p, "control_net_input_image", number) if wished["image"] is None else wished["image"]
        wished["guidance_end"] = _remote(p, "control_net_guidance_strength", number) if wished["guidance_end"] is None else wished["guidance_end"]
        changed.append(ControlNetUnit(**{**unit.dict(), **{name: value for name, value in wished.items() if value is not None}}))
    return [unit for unit in changed if unit.enabled]


def _remote(p: Any, name: str, number: int, *, strict: bool = False) -> Any:
    value = getattr(p, name, None)
    if isinstance(value, list):
        return value[number] if number < len(value) else None
    return None if strict and number else value


def _unfolded(units: list[ControlNetUnit]) -> list[ControlNetUnit]:
    """Units with several pictures become as many, and share the weight."""
    found = []
    for unit in units:
        if unit.input_mode is not InputMode.MERGE or unit.accepts_multiple_inputs or not isinstance(unit.image, list | tuple):
            found.append(unit)
            continue
        for picture in unit.image:
            one = unit.copy()
            one.image, one.input_mode, one.weight = [picture] if isinstance(picture, dict) else picture, InputMode.SIMPLE, unit.weight / len(unit.image)
            found.append(one)
    return found


def _wish(unit: ControlNetUnit, preprocessor: Preprocessor, file: Any, region: np.ndarray | None, found: Hints) -> ControlWish:
    key = preprocessor.key
    colours = None
    if "colorfix" in key:
        colours = Colours(radius=int(unit.threshold_a), sharpness=unit.threshold_b * 0.01 if "sharp" in key else 0.0)
    reference = None
    if unit.is_reference:
        reference = Reference(attention=key != "reference_adain", statistics="adain" in key, fidelity=unit.threshold_a)
    return ControlWish(
        hint=found.hint, hires_hint=found.hires_hint, file=file, weight=unit.weight, start=unit.guidance_start, end=unit.guidance_end,
        emphasis=unit.control_mode.value, passes=unit.hr_option.value, soft_hires=preprocessor.softens_hires,
        block_weights=None if unit.advanced_weighting is None else tuple(unit.advanced_weighting), region=region,
        restores="inpaint_only" in key, starts="+lama" in key, colours=colours, reference=reference, low_vram=unit.low_vram, hint_kind=unit.hint_kind,
    )  # fmt: skip


def _seeing_wish(p: Any, unit: ControlNetUnit, preprocessor: Preprocessor, file: Any, region: np.ndarray | None) -> ControlWish:
    """Of a unit that hands on what CLIP sees of its picture, or whose face is in it."""
    given = () if unit.ipadapter_input is None else unpacked(unit.ipadapter_input)
    faces, seen = tuple(each for each in given if isinstance(each, torch.Tensor)), tuple(each for each in given if not isinstance(each, torch.Tensor))
    wanted, looks = reads_of_file(file)
    teller = preprocessor.key if preprocessor.key in READS_FACES else wanted if preprocessor.key == "ip-adapter-auto" else ""
    if faces and not teller:
        raise ControlRefused(f"ControlNet: ipadapter_input says whose face it is, and {unit.module!r} asks for what CLIP sees.", "Choose the preprocessor that it was made with.", field="ipadapter_input")
    encoder = None
    if looks and teller != INSTANT_ID:              # with InstantID's a model that looks is refused, whatever files are there
        encoder = known_encoder(preprocessor.key, file) if given else encoder_for(preprocessor.key, file)
    pictures, resolution = ((), 0.0) if given else looked_at(p, unit)
    revises = preprocessor.key.startswith("revision")
    sees = Sees(
        pictures=pictures, given=seen, encoder=encoder, faces=faces or (faces_in(pictures, teller, resolution) if teller else ()), instant_id=teller == INSTANT_ID,
        revises=revises, silent=preprocessor.key == "revision_ignore_prompt" or (revises and not p.prompt and not p.negative_prompt),
        noise=unit.threshold_a if revises else 0.0,
    )  # fmt: skip
    return ControlWish(
        file=file, weight=unit.weight, start=unit.guidance_start, end=unit.guidance_end, passes=unit.hr_option.value, region=region, low_vram=unit.low_vram,
        block_weights=None if unit.advanced_weighting is None else tuple(unit.advanced_weighting), sees=sees,
    )  # fmt: skip


def _finishes(p: Any, unit: ControlNetUnit, found: Hints) -> list[Any]:
    """What is done with each decoded picture (3, H, W), 0 .. 1."""
    last = found.hint if found.hires_hint is None else found.hires_hint
    if "inpaint_only" in unit.module:
        return [_restorer(last, int(setting("control_net_inpaint_blur_sigma", p)))]
    if "recolor" in unit.module:
        to, back, channel = (cv2.COLOR_RGB2LAB, cv2.COLOR_LAB2RGB, 0) if "luminance" in unit.module else (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB, 2)
        return [_recolourer(last, to, back, channel)]
    return []


def _restorer(hint: np.ndarray, sigma: int) -> Any:
    """Outside of the mask, widened and blurred by ``sigma`` pixels, the picture is the known one."""
    known = torch.from_numpy(hint[:, :, :3].astype(np.float32) / 255.0).permute(2, 0, 1)
    mask = hint[:, :, 3].astype(np.float32) / 255.0
    if sigma > 0:
        mask = cv2.blur(cv2.dilate(mask, np.ones((sigma, sigma), dtype=np.uint8)), (sigma, sigma))
    painted = torch.from_numpy(mask)[None]

    def restored(picture: Any) -> Any:
        if picture.shape[-2:] != known.shape[-2:]:
            return picture
        return (painted.to(picture) * picture.clip(0, 1) + (1 - painted.to(picture)) * known.to(picture)).clip(0, 1)

    return restored


def _recolourer(hint: np.ndarray, to: int, back: int, channel: int) -> Any:
    """The picture's colours on the hint's lightness."""
    light = hint[:, :, 0].astype(np.float32).clip(0, 255).astype(np.uint8)

    def recoloured(picture: Any) -> Any:
        if tuple(picture.shape[-2:]) != light.shape:
            return picture
        pixels = (picture.detach().cpu().float().numpy().transpose((1, 2, 0)) * 255).clip(0, 255).astype(np.uint8)
        pixels = cv2.cvtColor(pixels, to)
        pixels[:, :, channel] = light
        return torch.from_numpy(cv2.cvtColor(pixels, back).astype(np.float32) / 255.0).permute(2, 0, 1).to(picture)

    return recoloured


def _save(p: Any, shown: Sequence[tuple[Image.Image, str]]) -> None:
    """Into a folder of each preprocessor beside the pictures."""
    folder = str(setting("control_net_detectedmap_dir", p) or "detected_maps")
    base = folder if os.path.isabs(folder) else os.path.join(p.outpath_samples or "outputs", os.path.basename(folder))
    for picture, module in shown:
        if module != "none":
            images.save_image(picture, os.path.join(base, module), module)


def _pasted(_text: str, params: dict[str, Any]) -> None:
    """"ControlNet 0" of a picture's parameters -> a value for each of the unit's fields."""
    for key, text in list(params.items()):
        name, _, number = key.rpartition(" ")
        if name != "ControlNet" or not number.isdigit() or not isinstance(text, str) or not text:
            continue
        try:
            unit = ControlNetUnit.parse(text)
        except (ControlRefused, ValueError, TypeError):
            continue                                # another version's text; the rest of the parameters is pasted all the same
        for field in PASTED_FIELDS:
            if field == "hr_option" and "hr option: " not in text.lower():
                continue
            value = getattr(unit, field)
            if field == "module":                   # API clients give keys, the page has labels
                value = found.label if (found := find_preprocessor(unit.module)) else value
            elif field == "model":
                value = models.title_of_model(unit.model) or value
            params[f"{key} {field}"] = getattr(value, "value", value)


_OFFERED = ("annotator.util", "scripts.batch_hijack", "scripts.controlnet_ui.controlnet_ui_group", "scripts.enums", "scripts.external_code", "scripts.global_state")
for _name in _OFFERED:                              # others find these names while they run, when this folder is no place to look for modules any more
    importlib.import_module(_name)

sys.modules["scripts.controlnet"] = sys.modules[__name__]     # this file, not a second one that would register everything once more
axes.add_axes()
script_callbacks.on_ui_settings(add_settings)
script_callbacks.on_infotext_pasted(_pasted)
script_callbacks.on_app_started(routes.mount)
script_callbacks.on_before_reload(ControlNetUiGroup.all_ui_groups.clear)
