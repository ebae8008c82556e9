"""What the Extras tab and its API ask for: operations on finished pictures, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass

from modules.schema.flat import FlatRequest
from modules.schema.param import group, param
from modules.schema.widgets import Checkbox, CheckboxGroup, Dropdown, Number, Radio, Slider

SCALE_BY, SCALE_TO = 0, 1
LONGEST_SIDE = 16_384  # pixels of a result
FLIPS = ("Horizontal", "Vertical", "Both")
CAPTIONERS = ("Deepbooru", "BLIP")


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """Larger, by a factor or to a size, with one upscaler or two."""

    enabled: bool = param(True, label="Upscale", api_name="upscale_enabled", widget=Checkbox())
    resize_mode: int = param(0, label="Resize mode", accepts=(0, 1), description="0: by upscaling_resize. 1: to upscaling_resize_w x upscaling_resize_h.")
    factor: float = param(
        2.0, label="Resize", api_name="upscaling_resize", ui_default=4.0, widget=Slider(1.0, 8.0, 0.05), accepts=(1e-3, 64.0),
        description="How many times as wide and high, where resize_mode is 0.",
    )
    longest_side: int = param(
        0, label="Max side length", api_name="upscale_max_side_length", widget=Number(0, step=8), accepts=(0, LONGEST_SIDE),
        description="The result's longest side is held to this many pixels; 0 is no limit.",
    )
    width: int = param(
        512, label="Width", api_name="upscaling_resize_w", widget=Slider(64, 8192, 8), accepts=(1, LONGEST_SIDE),
        description="Pixels, where resize_mode is 1.",
    )
    height: int = param(
        512, label="Height", api_name="upscaling_resize_h", widget=Slider(64, 8192, 8), accepts=(1, LONGEST_SIDE),
        description="Pixels, where resize_mode is 1.",
    )
    crop: bool = param(True, label="Crop to fit", api_name="upscaling_crop", widget=Checkbox(), description="Cut off what sticks out of the size asked for.")
    upscaler_1: str = param("None", label="Upscaler 1", api_name="upscaler_1", widget=Dropdown("upscalers"), description="The upscaler's name, see /sdapi/v1/upscalers.")
    upscaler_2: str = param("None", label="Upscaler 2", api_name="upscaler_2", widget=Dropdown("upscalers"), description="A second one, blended into the first.")
    share_of_second: float = param(
        0.0, label="Upscaler 2 visibility", api_name="extras_upscaler_2_visibility", elem_id="extras_upscaler_2_visibility",
        widget=Slider(0.0, 1.0, 0.001), accepts=(0.0, 1.0), description="How much of the second upscaler's picture is in the result.",
    )


@dataclass(frozen=True, kw_only=True)
class RestoreFaces:
    """GFPGAN and CodeFormer."""

    gfpgan: bool = param(True, label="GFPGAN", api_name="gfpgan_enabled", ui_default=False, widget=Checkbox())
    gfpgan_visibility: float = param(
        0.0, label="Visibility", ui_default=1.0, widget=Slider(0.0, 1.0, 0.001), accepts=(0.0, 1.0), description="How much of GFPGAN's faces is in the result.",
    )
    codeformer: bool = param(True, label="CodeFormer", api_name="codeformer_enabled", ui_default=False, widget=Checkbox())
    codeformer_visibility: float = param(
        0.0, label="Visibility", ui_default=1.0, widget=Slider(0.0, 1.0, 0.001), accepts=(0.0, 1.0),
        description="How much of CodeFormer's faces is in the result.",
    )
    codeformer_weight: float = param(
        0.0, label="Weight (0 = maximum effect, 1 = minimum effect)", widget=Slider(0.0, 1.0, 0.001), accepts=(0.0, 1.0),
        description="0 changes a face most, 1 least.",
    )


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Pictures for training sets: parts of large ones, around what matters, or in a size of many."""

    split: bool = param(False, label="Split oversized images", api_name="split_enabled", widget=Checkbox())
    split_threshold: float = param(
        0.5, label="Threshold", api_name="split_threshold", elem_id="postprocess_split_threshold", widget=Slider(0.0, 1.0, 0.05), accepts=(0.0, 1.0)
    )
    overlap_ratio: float = param(
        0.2, label="Overlap ratio", api_name="split_overlap_ratio", elem_id="postprocess_overlap_ratio", widget=Slider(0.0, 0.9, 0.05), accepts=(0.0, 0.9)
    )
    focal: bool = param(False, label="Auto focal point crop", api_name="focal_crop_enabled", widget=Checkbox())
    face_weight: float = param(
        0.9, label="Focal point face weight", api_name="focal_crop_face_weight", elem_id="postprocess_focal_crop_face_weight",
        widget=Slider(0.0, 1.0, 0.05), accepts=(0.0, 1.0),
    )
    entropy_weight: float = param(
        0.15, label="Focal point entropy weight", api_name="focal_crop_entropy_weight", elem_id="postprocess_focal_crop_entropy_weight",
        widget=Slider(0.0, 1.0, 0.05), accepts=(0.0, 1.0),
    )
    edges_weight: float = param(
        0.5, label="Focal point edges weight", api_name="focal_crop_edges_weight", elem_id="postprocess_focal_crop_edges_weight",
        widget=Slider(0.0, 1.0, 0.05), accepts=(0.0, 1.0),
    )
    show_focus: bool = param(False, label="Create debug image", api_name="focal_crop_debug", elem_id="train_process_focal_crop_debug", widget=Checkbox())
    autosized: bool = param(False, label="Auto-sized crop", api_name="autosized_crop_enabled", widget=Checkbox())
    smallest_side: int = param(
        384, label="Dimension lower bound", api_name="autosized_mindim", elem_id="postprocess_multicrop_mindim", widget=Slider(64, 2048, 8), accepts=(64, 2048)
    )
    largest_side: int = param(
        768, label="Dimension upper bound", api_name="autosized_maxdim", elem_id="postprocess_multicrop_maxdim", widget=Slider(64, 2048, 8), accepts=(64, 2048)
    )
    smallest_area: int = param(
        64 * 64, label="Area lower bound", api_name="autosized_minarea", elem_id="postprocess_multicrop_minarea",
        widget=Slider(64 * 64, 2048 * 2048, 1), accepts=(64 * 64, 2048 * 2048),
    )
    largest_area: int = param(
        640 * 640, label="Area upper bound", api_name="autosized_maxarea", elem_id="postprocess_multicrop_maxarea",
        widget=Slider(64 * 64, 2048 * 2048, 1), accepts=(64 * 64, 2048 * 2048),
    )
    objective: str = param(
        "Maximize area", label="Resizing objective", api_name="autosized_objective", elem_id="postprocess_multicrop_objective",
        widget=Radio(("Maximize area", "Minimize error")),
    )
    error_threshold: float = param(
        0.1, label="Error threshold", api_name="autosized_threshold", elem_id="postprocess_multicrop_threshold", widget=Slider(0.0, 1.0, 0.01), accepts=(0.0, 1.0)
    )


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Mirrored copies, and captions beside the pictures."""

    flip: bool = param(False, label="Create flipped copies", api_name="flip_enabled", widget=Checkbox())
    flips: tuple[str, ...] = param(("Horizontal",), label="Flipped copies", api_name="flip_kinds", elem_id="postprocess_flip_kinds", widget=CheckboxGroup(FLIPS))
    caption: bool = param(False, label="Caption", api_name="caption_enabled", widget=Checkbox())
    captioners: tuple[str, ...] = param(
        ("Deepbooru",), label="Captions by", api_name="captioners", elem_id="postprocess_caption_kinds", widget=CheckboxGroup(CAPTIONERS)
    )


@dataclass(frozen=True, kw_only=True)
class ExtrasRequest(FlatRequest):
    """Operations for one picture or many; the pictures themselves travel beside it."""

    upscale: Upscale = group(Upscale)
    faces: RestoreFaces = group(RestoreFaces)
    crops: Crops = group(Crops)
    copies: Copies = group(Copies)
    show_results: bool = param(
        True, label="Show result images", api_name="show_extras_results", widget=Checkbox(), description="On the page, whether a folder's results are shown. Over the API pictures always come back."
    )
    upscale_first: bool = param(False, label="Upscale first", api_name="upscale_first", description="A1111 enlarges before it restores faces, whatever this says; so does this server.")
