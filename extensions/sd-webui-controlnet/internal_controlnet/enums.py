"""Words of the unit's fields, with their values on the wire."""

from __future__ import annotations

from enum import Enum


class ResizeMode(Enum):
    """How a hint that has another shape than the picture is fitted to it."""

    RESIZE = "Just Resize"
    INNER_FIT = "Crop and Resize"
    OUTER_FIT = "Resize and Fill"

    def int_value(self) -> int:
        return list(ResizeMode).index(self)


class ControlMode(Enum):
    """Whose word counts more."""

    BALANCED = "Balanced"
    PROMPT = "My prompt is more important"
    CONTROL = "ControlNet is more important"


class HiResFixOption(Enum):
    """The passes in which a unit acts."""

    BOTH = "Both"
    LOW_RES_ONLY = "Low res only"
    HIGH_RES_ONLY = "High res only"


class InputMode(Enum):
    """SIMPLE: one picture. MERGE: several pictures share the unit's weight. BATCH: a folder, one picture per run."""

    SIMPLE = "simple"
    BATCH = "batch"
    MERGE = "merge"


class PuLIDMode(Enum):
    FIDELITY = "Fidelity"
    STYLE = "Extremely style"


class ControlNetUnionControlType(Enum):
    """What kind of hint a union network is given."""

    OPENPOSE = "OpenPose"
    DEPTH = "Depth"
    SOFTEDGE = "Soft Edge"
    HARD_EDGE = "Hard Edge"
    NORMAL_MAP = "Normal Map"
    SEGMENTATION = "Segmentation"
    TILE = "Tile"
    INPAINT = "Inpaint"
    UNKNOWN = "Unknown"


_UNION_TYPES = {
    ControlNetUnionControlType.OPENPOSE: ("openpose",), ControlNetUnionControlType.DEPTH: ("depth",), ControlNetUnionControlType.SOFTEDGE: ("scribble", "softedge"),
    ControlNetUnionControlType.HARD_EDGE: ("canny", "lineart", "mlsd"), ControlNetUnionControlType.NORMAL_MAP: ("normalmap",),
    ControlNetUnionControlType.SEGMENTATION: ("segmentation",), ControlNetUnionControlType.TILE: ("tile", "blur"), ControlNetUnionControlType.INPAINT: ("inpaint",),
}  # fmt: skip


def union_type_of(control_type: str) -> ControlNetUnionControlType:
    """The kind that a union network is told for one of the page's control types."""
    return next((kind for kind, names in _UNION_TYPES.items() if control_type.lower() in names), ControlNetUnionControlType.UNKNOWN)


class BatchOption(Enum):
    DEFAULT = "All ControlNet units for all images in a batch"
    SEPARATE = "Each ControlNet unit for each image in a batch"


RESIZE_ALIASES = {
    "Inner Fit (Scale to Fit)": ResizeMode.INNER_FIT,
    "Scale to Fit (Inner Fit)": ResizeMode.INNER_FIT,
    "Outer Fit (Shrink to Fit)": ResizeMode.OUTER_FIT,
    "Envelope (Outer Fit)": ResizeMode.OUTER_FIT,
}
_LATENT_UPSCALE = 3                                 # img2img's fourth resize mode; its hint is just resized


def resize_mode_from_value(value: object) -> ResizeMode:
    """From a name, an alias, a position, or itself. Raises ValueError for another name; another position means RESIZE."""
    if isinstance(value, ResizeMode):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return list(ResizeMode)[value] if 0 <= value < _LATENT_UPSCALE else ResizeMode.RESIZE
    return RESIZE_ALIASES.get(str(value)) or ResizeMode(value)


def control_mode_from_value(value: object) -> ControlMode:
    """From a name, a position, or itself. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(ControlMode):
        return list(ControlMode)[value]
    return value if isinstance(value, ControlMode) else ControlMode(value)
