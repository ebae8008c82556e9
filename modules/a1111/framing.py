"""What img2img lays over its results, as A1111 has it on ``p``: overlay_images, mask_for_overlay, paste_to, color_corrections. Scripts change all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image as pillow

from modules.a1111.script import PostProcessMaskOverlayArgs
from modules.engine.frame import Frame


class Framing:
    """One run's frames on ``p``."""

    def __init__(self, p: Any) -> None:
        self._p = p
        self._overlays: list[Any] = []              # the house's own, as they were put on p

    def put(self, frames: Sequence[Frame], painted: Any) -> None:
        """The input is fitted. What a script put on ``p.color_corrections`` before stays there, as in A1111. painted: (1, h, w) or None."""
        p, first = self._p, frames[0]
        if p.color_corrections is None and first.colours is not None:
            p.color_corrections = [frame.colours for frame in frames]
        elif p.color_corrections is not None and len(p.color_corrections) == 1:
            p.color_corrections = list(p.color_corrections) * len(frames)
        if first.mask is None:
            return
        self._overlays = [frame.over for frame in frames]
        p.overlay_images, p.mask_for_overlay = list(self._overlays), first.mask
        p.paste_to = None if first.box is None else (first.box[0], first.box[1], first.box[2] - first.box[0], first.box[3] - first.box[1])
        if painted is not None:
            p.nmask = painted.expand(4, -1, -1)        # latent channels, as A1111 has it
            p.mask = 1.0 - p.nmask

    def taken(self, number: int, frame: Frame) -> Frame:
        """The frame of picture ``number`` of the batch by what stands on ``p`` now, after postprocess_maskoverlay."""
        p = self._p
        if frame.over is not _at(self._overlays, number) and frame.over is not None:    # made after the pass: soft inpainting does so
            self._overlays = _with(self._overlays, number, frame.over)
            p.overlay_images = _with(p.overlay_images, number, frame.over)
        laid_over = p.writer.settings.get("overlay_inpaint")
        args = PostProcessMaskOverlayArgs(number, p.mask_for_overlay, _at(p.overlay_images, number) if laid_over else None)
        if p.scripts is not None:
            p.scripts.postprocess_maskoverlay(p, args)
        over = args.overlay_image
        if over is not None and over.mode != "RGBA":
            over = over.convert("RGBA")
        return replace(frame, over=over, mask=args.mask_for_overlay, box=_box(p.paste_to), colours=_colours(_at(p.color_corrections, number)))


def _at(values: Any, number: int) -> Any:
    return values[number] if isinstance(values, list | tuple) and number < len(values) else None


def _with(values: Any, number: int, value: Any) -> list[Any]:
    listed = list(values or ())
    listed += [None] * (number + 1 - len(listed))
    listed[number] = value
    return listed


def _box(paste_to: Any) -> tuple[int, int, int, int] | None:
    if paste_to is None:
        return None
    left, top, width, height = (int(each) for each in paste_to)
    return left, top, left + width, top + height


def _colours(given: Any) -> Any:
    """L*a*b* levels, as ``setup_color_correction`` and the usual libraries give them, or a picture. Raises ValueError."""
    if given is None:
        return None
    if isinstance(given, pillow.Image):
        raise ValueError("a color correction is an array of L*a*b* levels, not a picture: use setup_color_correction")
    levels = np.asarray(given)
    if levels.ndim != 3 or levels.shape[2] != 3 or not levels.size:
        raise ValueError(f"a color correction is an array (height, width, 3), not {levels.shape}")
    return levels.astype(np.uint8, copy=False)
