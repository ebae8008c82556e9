"""The upscaler or face restorer in use: read when it is first needed, kept until another is asked for, on the device while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from modules.compute.memory import free_memory
from modules.compute.policy import ComputePolicy, Residency
from modules.loading.picture_models import PictureModel, load_picture_model
from modules.loading.stamp import Stamp, stamp_of

_MOST_KEPT = 2  # models: a pair that is blended, or a restorer and its upscaler


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where a picture model computes and in which type."""

    device: torch.device
    dtype: torch.dtype


class PictureModelShelf:
    """Holds the picture models used last. Only the worker thread uses it."""

    def __init__(self, policy: ComputePolicy) -> None:
        self._policy = policy
        self._kept: dict[Path, tuple[PictureModel, Stamp]] = {}

    def load(self, path: Path) -> PictureModel:
        """The model in ``path``: the kept one unless the file has changed. Raises CannotLoad."""
        stamp = stamp_of(path)
        kept = self._kept.pop(path, None)
        model = kept[0] if kept and kept[1] == stamp else load_picture_model(path)
        while len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[path] = (model, stamp)
        return model

    @contextmanager
    def working(self, model: PictureModel, *, on_cpu: bool = False) -> Iterator[Workplace]:
        """``model`` is on its device inside; after it, under memory-saving policies, back in main memory.

        on_cpu: the user keeps this kind of model on the CPU (--use-cpu).
        """
        place = self.workplace(model, on_cpu=on_cpu)
        model.module.to(device=place.device, dtype=place.dtype)
        try:
            yield place
        finally:
            if place.device.type != "cpu" and self._policy.residency is not Residency.KEEP:
                self._send_home(model)

    def workplace(self, model: PictureModel, *, on_cpu: bool = False) -> Workplace:
        """Where and how precisely ``model`` computes: half only on a GPU, where the policy has half and the model bears it."""
        device = torch.device("cpu" if on_cpu else self._policy.device)
        wants_half = device.type not in ("cpu", "mps") and self._policy.weight_dtype == "float16" and model.supports_half
        return Workplace(device=device, dtype=torch.float16 if wants_half else torch.float32)

    def unload(self) -> None:
        """Forget them."""
        self._kept.clear()
        free_memory()

    def _send_home(self, model: PictureModel) -> None:
        model.module.to(device="cpu")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
