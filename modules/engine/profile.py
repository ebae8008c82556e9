"""PyTorch's profiler around one run: a trace for chrome://tracing or perfetto."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.profiler import ProfilerActivity, profile

from modules.files.atomic import write_bytes
from modules.files.storage import StorageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProfileOptions:
    """file: where the trace goes; each run replaces it. activities: "CPU", "CUDA"."""

    file: Path
    activities: Sequence[str] = ("CPU",)
    shapes: bool = True
    memory: bool = True
    stack: bool = True


@contextmanager
def profiled(options: ProfileOptions | None) -> Iterator[None]:
    """While a run is at work; None costs nothing. What cannot be written is logged: the pictures are more important."""
    if options is None:
        yield
        return
    kinds = [ProfilerActivity.CUDA if each == "CUDA" else ProfilerActivity.CPU for each in options.activities if each != "CUDA" or torch.cuda.is_available()]
    with profile(activities=kinds or [ProfilerActivity.CPU], record_shapes=options.shapes, profile_memory=options.memory, with_stack=options.stack) as found:
        yield
    try:
        with TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            found.export_chrome_trace(str(trace))
            write_bytes(options.file, trace.read_bytes())
        log.info("the profile of this run is in %s", options.file)
    except (StorageError, OSError, RuntimeError) as error:
        log.warning("the profile was not written: %s", error)
