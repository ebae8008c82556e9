"""ControlNetUnit: one control unit as API clients, other extensions and the page describe it. Checked when it is made."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from internal_controlnet.enums import (
    ControlMode,
    ControlNetUnionControlType,
    HiResFixOption,
    InputMode,
    PuLIDMode,
    ResizeMode,
    control_mode_from_value,
    resize_mode_from_value,
    union_type_of,
)
from internal_controlnet.preprocessor_rows import LOOKS
from internal_controlnet.preprocessors import SLIDER_FIELDS, find_preprocessor
from modules.a1111.control_units import ControlRefused

ALIASES = {"guidance": "guidance_end", "lowvram": "low_vram", "input_image": "image"}
INFOTEXT_FIELDS = (
    "module", "model", "weight", "resize_mode", "processor_res", "threshold_a", "threshold_b", "guidance_start", "guidance_end", "pixel_perfect",
    "control_mode",
)  # fmt: skip
PASTED_FIELDS = (*INFOTEXT_FIELDS, "hr_option")     # Forge writes one more
# what versions before 1.1.420 wrote -> what later ones write
_OLDER = (
    (re.compile(r"\bpreprocessor: "), "module: "),
    (re.compile(r"\bstarting/ending: \(([^,)]+), ([^,)]+)\)"), r"guidance start: \1, guidance end: \2"),
    (re.compile(r"\bpreprocessor params: \(([^,)]+), ([^,)]+), ([^,)]+)\)"), r"processor res: \1, threshold a: \2, threshold b: \3"),
)
_PICTURES = ("image", "mask", "effective_region_mask", "ipadapter_input", "batch_mask_dir")     # clients send "" for none
_TRUE, _FALSE = ("true", "1", "on", "yes", "y", "t"), ("false", "0", "off", "no", "n", "f")


@dataclass(eq=False)
class ControlNetUnit:
    """Field by field what the ControlNet extension's API takes; a field that is missing has its default there.

    -1, and any number outside of the preprocessor's range, means the preprocessor's own default.
    Raises ControlRefused for a value that cannot be meant.
    """

    is_ui: bool = False
    input_mode: InputMode = InputMode.SIMPLE
    batch_images: Any = None
    output_dir: str = ""
    loopback: bool = False
    enabled: bool = False
    module: str = "none"
    model: str = "None"
    weight: float = 1.0
    image: Any = None
    resize_mode: ResizeMode = ResizeMode.INNER_FIT
    low_vram: bool = False
    processor_res: float = -1
    threshold_a: float = -1
    threshold_b: float = -1
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    pixel_perfect: bool = False
    control_mode: ControlMode = ControlMode.BALANCED
    inpaint_crop_input_image: bool = True
    hr_option: HiResFixOption = HiResFixOption.BOTH
    save_detected_map: bool = True
    advanced_weighting: list[float] | None = None
    effective_region_mask: Any = None
    pulid_mode: PuLIDMode = PuLIDMode.FIDELITY
    union_control_type: ControlNetUnionControlType = ControlNetUnionControlType.UNKNOWN
    ipadapter_input: Any = None
    mask: Any = None
    batch_mask_dir: str | None = None
    animatediff_batch: bool = False
    batch_modifiers: list[Any] = field(default_factory=list)
    batch_image_files: list[Any] = field(default_factory=list)
    batch_keyframe_idx: Any = None

    def __post_init__(self) -> None:
        for name in _PICTURES:
            if isinstance(value := getattr(self, name), str) and not value.strip():
                setattr(self, name, None)
        for name, read in _READERS.items():
            setattr(self, name, _read(name, getattr(self, name), read))
        preprocessor = find_preprocessor(self.module)
        if preprocessor is None:
            raise ControlRefused(f"module({self.module}) not found in supported modules.", "GET /controlnet/module_list names them.", field="module")
        if self.guidance_start > self.guidance_end:
            raise ControlRefused(f"guidance_start({self.guidance_start}) > guidance_end({self.guidance_end}).", "Let the unit end after it starts.",
                                 field="guidance_start")
        if self.enabled:
            for name, slider in zip(SLIDER_FIELDS, preprocessor.sliders):
                value = getattr(self, name)
                if not slider.least <= value <= slider.most:
                    setattr(self, name, slider.value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ControlNetUnit:
        """From an API client's object: aliases are read, unknown keys are passed over."""
        given = dict(values)
        for alias, name in ALIASES.items():
            if alias in given:
                if name in given and given[name] != given[alias]:       # GIMP's plugin sends both, and means one
                    raise ControlRefused(f"Both {alias!r} and {name!r} are given, and they are one field.", f"Send {name!r} only.", field=name)
                given[name] = given[alias]
        if given.get("mask_image") is not None:
            if given.get("mask") is not None:
                raise ControlRefused("Cannot specify both 'mask' and 'mask_image'.", "Send 'mask' only.", field="mask")
            given["mask"] = given["mask_image"]
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known})

    @property
    def is_inpaint(self) -> bool:
        return "inpaint" in self.module

    @property
    def is_reference(self) -> bool:
        return "reference" in self.module

    @property
    def uses_clip(self) -> bool:
        """Whether the picture is looked at through CLIP, where its mask leaves parts out."""
        found = find_preprocessor(self.module)
        return found is not None and found.key in LOOKS

    @property
    def hint_kind(self) -> int | None:
        """The number of the hint's kind, for a union network: as told, or else by the preprocessor that made the hint."""
        kind = self.union_control_type
        if kind is ControlNetUnionControlType.UNKNOWN and (found := find_preprocessor(self.module)) is not None:
            kind = next((kind for tag in found.tags if (kind := union_type_of(tag)) is not ControlNetUnionControlType.UNKNOWN), kind)
        return None if kind is ControlNetUnionControlType.UNKNOWN else list(ControlNetUnionControlType).index(kind)

    @property
    def accepts_multiple_inputs(self) -> bool:
        found = find_preprocessor(self.module)
        return found is not None and "IP-Adapter" in found.tags

    @staticmethod
    def infotext_fields() -> tuple[str, ...]:
        return INFOTEXT_FIELDS

    def serialize(self) -> str:
        """The unit's text in the parameters; "" where a value would not read back."""
        texts = {title_of(name): _text(getattr(self, name)) for name in INFOTEXT_FIELDS}
        if any("," in text or ":" in text for text in texts.values()):
            return ""
        return ", ".join(f"{title}: {text}" for title, text in texts.items())

    @classmethod
    def parse(cls, text: str) -> ControlNetUnit:
        """The other way. Raises ValueError and ControlRefused."""
        found = {}
        for pattern, now in _OLDER:
            text = pattern.sub(now, text)
        for item in text.split(","):
            title, _, value = item.strip().partition(": ")
            found[title.lower().replace(" ", "_")] = _value(value)
        return cls.from_dict({"enabled": True, **found})

    def copy(self) -> ControlNetUnit:
        return copy.copy(self)

    def dict(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


def title_of(field_name: str) -> str:
    """"guidance_start" -> "Guidance Start"."""
    return " ".join(word.capitalize() for word in field_name.split("_"))


def _text(value: object) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if isinstance(value, bool) or text in _TRUE:
        return value if isinstance(value, bool) else True
    if text in _FALSE or text in ("0.0", ""):
        return False
    raise ValueError("it is neither true nor false")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _ranged(least: float, most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = float(value)
        if not least <= number <= most:
            raise ValueError(f"it is not between {least:g} and {most:g}")
        return number

    return read


def _number(value: Any) -> float:
    found = float(value)
    if found != found:
        raise ValueError("it is no number")
    return found


def _resolution(value: Any) -> float:
    """Whole, but for the default of modules without a resolution."""
    number = _number(value)
    return number if 0 < number < 1 else int(number)


def _slider(value: Any) -> float:
    return value if value == -1 else _number(value)


def _weights(value: Any) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise TypeError("it is no list of numbers")
    return [float(each) for each in value]


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("is_ui", "loopback", "enabled", "low_vram", "pixel_perfect", "inpaint_crop_input_image", "save_detected_map", "animatediff_batch"), _bool),
    "module": _word, "model": _word, "weight": _ranged(0.0, 2.0), "guidance_start": _ranged(0.0, 1.0), "guidance_end": _ranged(0.0, 1.0),
    "resize_mode": resize_mode_from_value, "control_mode": control_mode_from_value,
    "processor_res": _resolution, "threshold_a": _slider, "threshold_b": _slider, "advanced_weighting": _weights,
    "hr_option": HiResFixOption, "input_mode": InputMode, "pulid_mode": PuLIDMode, "union_control_type": ControlNetUnionControlType,
}  # fmt: skip


_CHOICES: dict[str, type[Enum]] = {
    "resize_mode": ResizeMode, "control_mode": ControlMode, "hr_option": HiResFixOption, "input_mode": InputMode, "pulid_mode": PuLIDMode,
    "union_control_type": ControlNetUnionControlType,
}  # fmt: skip


def _read(name: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError) as error:
        words = str(error) if str(error).startswith("it is") else "it cannot be read"
        choices = _CHOICES.get(name)
        remedy = "Choose one of " + ", ".join(repr(each.value) for each in choices) + "." if choices else "Leave it out for the default."
        raise ControlRefused(f"ControlNet: {name} is {str(value)[:80]!r}, and {words}.", remedy, field=name) from error
