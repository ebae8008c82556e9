"""The groups that only img2img has: the pictures to start from, how they are fitted, what is masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modules.schema.param import param
from modules.schema.params_sampling import SIDE_LIMIT
from modules.schema.widgets import Checkbox, ImageInput, Radio, Slider

RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
MASK_MODES = ("Inpaint masked", "Inpaint not masked")
MASKED_CONTENT = ("fill", "original", "latent noise", "latent nothing")
INPAINT_AREAS = ("Whole picture", "Only masked")


@dataclass(frozen=True, kw_only=True)
class InitImages:
    """What to start from. Pictures are images in the program and base64 text on the wire; this room looks at neither.

    ``init_images``: one for all, or one for each image of a batch, as in A1111; models that take several pictures are shown those after the first
    where they are more than that. ``further_images``: what such models are shown besides, whatever the batch.
    ``resize_mode``: an index into ``RESIZE_MODES``. ``image_cfg_scale``: how strongly an instruct-pix2pix model
    keeps the picture. ``depth_map``: what an SD 2 depth model is shown, bright is near; for FLUX.1 depth and canny that or a picture
    of edges, without which they take the picture itself for it.
    """

    init_images: tuple[Any, ...] | None = param(None, label="Image for img2img", widget=ImageInput(), elem_id="{tab}_image")
    resize_mode: int = param(
        0, label="Resize mode", infotext="Resize mode", widget=Radio(RESIZE_MODES, index=True), elem_id="resize_mode", accepts=(0, 3)
    )
    image_cfg_scale: float | None = param(
        None,
        label="Image CFG Scale",
        infotext="Image CFG scale",
        axis="Image CFG Scale",
        widget=Slider(0.0, 3.0, 0.05),
        ui_default=1.5,
        accepts=(0.0, 1000.0),
    )
    initial_noise_multiplier: float | None = param(
        None, label="Noise multiplier", axis="Initial noise multiplier", accepts=(0.0, 100.0)
    )
    depth_map: Any = param(None, label="Depth map", widget=ImageInput())
    further_images: tuple[Any, ...] | None = param(None, label="Further pictures", widget=ImageInput())
    include_init_images: bool = param(False, label="Send the init images back")


@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """Which part is drawn anew. Blur and padding are in pixels; ``mask_blur`` stands for both directions when given."""

    mask: Any = param(None, label="Mask", widget=ImageInput())
    mask_blur: int | None = param(
        None, label="Mask blur", infotext="Mask blur", widget=Slider(0, 64, 1), ui_default=4, accepts=(0, SIDE_LIMIT)
    )
    mask_blur_x: int = param(4, label="Mask blur, horizontal", accepts=(0, SIDE_LIMIT))
    mask_blur_y: int = param(4, label="Mask blur, vertical", accepts=(0, SIDE_LIMIT))
    mask_round: bool = param(True, label="Round the mask to whole latent cells", widget=Checkbox())
    invert: int = param(
        0,
        label="Mask mode",
        api_name="inpainting_mask_invert",
        infotext="Mask mode",
        widget=Radio(MASK_MODES, index=True),
        elem_id="{tab}_mask_mode",
        accepts=(0, 1),
    )
    content: int = param(
        0,
        label="Masked content",
        api_name="inpainting_fill",
        infotext="Masked content",
        widget=Radio(MASKED_CONTENT, index=True),
        ui_default=1,
        accepts=(0, 3),
    )
    only_masked: bool = param(
        True,
        label="Inpaint area",
        api_name="inpaint_full_res",
        infotext="Inpaint area",
        widget=Radio(INPAINT_AREAS, index=True),
        ui_default=False,
    )
    padding: int = param(
        0,
        label="Only masked padding, pixels",
        api_name="inpaint_full_res_padding",
        infotext="Masked area padding",
        widget=Slider(0, 256, 4),
        ui_default=32,
        accepts=(0, SIDE_LIMIT),
    )
    latent_mask: Any = param(None, label="Latent mask")

    @property
    def blur(self) -> tuple[int, int]:
        """Blur along x and y, in pixels."""
        return (self.mask_blur_x, self.mask_blur_y) if self.mask_blur is None else (self.mask_blur, self.mask_blur)
