"""A training's figures for TensorBoard, where its package is installed: it is not among the program's own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.engine.training.loop import StepReport

log = logging.getLogger(__name__)


class Board:
    """Under A1111's names: Loss/train, Learn rate/train, and the same for each epoch."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    @classmethod
    def opened(cls, folder: Path, *, flush_seconds: int) -> Board | None:
        """Into ``folder``/tensorboard. None, and a word about it, where the package is missing or the folder cannot be written to."""
        try:
            from torch.utils.tensorboard import SummaryWriter

            return cls(SummaryWriter(log_dir=str(folder / "tensorboard"), flush_secs=flush_seconds))
        except ImportError:
            log.warning("TensorBoard is not installed, so nothing is written for it: `pip install tensorboard` in the program's environment brings it.")
        except OSError as error:
            log.warning("Nothing is written for TensorBoard: %s", error)
        return None

    def note(self, report: StepReport) -> None:
        epoch, within = divmod(report.done - 1, report.of)
        for name, value in (("Loss/train", report.loss), ("Learn rate/train", report.rate)):
            self._writer.add_scalar(name, value, report.done)
            self._writer.add_scalar(f"{name}/epoch-{epoch}", value, within)

    def show(self, picture: Image, tag: str, step: int) -> None:
        self._writer.add_image(tag, np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()
