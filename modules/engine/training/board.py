"""A training's figures for TensorBoard, where its package is installed: it is not among the program's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.engine.training.loop import StepReport

log = logging.getLogger(__name__)


class Board:
    """Under A1111's names: Loss/train, Learn rate/train, and the same for each epoch. What cannot be written is told once, and the training goes on."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    @classmethod
    def opened(cls, folder: Path, *, flush_seconds: int) -> Board | None:
        """Into ``folder``/tensorboard. None, and a word about it, where the package is missing or cannot be used."""
        try:
            from torch.utils.tensorboard import SummaryWriter

            return cls(SummaryWriter(log_dir=str(folder / "tensorboard"), flush_secs=flush_seconds))
        except ImportError:
            log.warning("TensorBoard is not installed, so nothing is written for it: `pip install tensorboard` in the program's environment brings it.")
        except Exception as error:      # beside a protobuf of another age the package raises what it likes
            log.warning("Nothing is written for TensorBoard: %s. Update the package tensorboard, or look whether %s can be written to.", error, folder)
        return None

    def note(self, report: StepReport) -> None:
        epoch, within = divmod(report.done - 1, report.of)
        for name, value in (("Loss/train", report.loss), ("Learn rate/train", report.rate)):
            self._write(lambda writer, name=name, value=value: writer.add_scalar(name, value, report.done))
            self._write(lambda writer, name=name, value=value: writer.add_scalar(f"{name}/epoch-{epoch}", value, within))

    def show(self, picture: Image, tag: str, step: int) -> None:
        self._write(lambda writer: writer.add_image(tag, np.asarray(picture.convert("RGB")), step, dataformats="HWC"))

    def close(self) -> None:
        self._write(lambda writer: writer.close())

    def _write(self, how: Callable[[Any], None]) -> None:
        if self._writer is None:
            return
        try:
            how(self._writer)
        except Exception as error:      # hours of training do not end for a chart
            self._writer = None
            log.warning("Nothing more is written for TensorBoard: %s. Look whether the disk is full.", error)
