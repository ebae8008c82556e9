"""The models that describe pictures: their files are read when they are first asked, and stay until they are forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from modules.compute.memory import free_memory, is_out_of_memory
from modules.engine.describe import Category, TagStyle, best_texts, tags_of, written_tags
from modules.loading.captioner import load_captioner
from modules.loading.clip_pair import load_clip_pair
from modules.loading.deepbooru import load_deepbooru

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.compute.policy import ComputePolicy

log = logging.getLogger(__name__)
Model = TypeVar("Model")
Found = TypeVar("Found")


class DescribeTools:
    """Only the worker thread uses it. All that is computed here runs on the processor where the device has no room for it."""

    def __init__(self, policy: ComputePolicy) -> None:
        self.policy = policy
        self._kept: dict[tuple[Path, float, str], Any] = {}

    def tags(self, picture: Image, path: Path, style: TagStyle) -> str:
        """By the DeepDanbooru in ``path``. Raises CannotLoad, as the others do."""
        return self._with(path, lambda device: load_deepbooru(path, device), lambda model: written_tags(tags_of(picture, model), style))

    def sentence(self, picture: Image, path: Path, *, beams: int, shortest: int, longest: int) -> str:
        """By the BLIP in ``path``. shortest, longest: in tokens."""
        return self._with(
            path, lambda device: load_captioner(path, device, self._dtype(device)),
            lambda model: model(picture, beams=beams, shortest=shortest, longest=longest))

    def best_texts(self, picture: Image, path: Path, categories: Sequence[Category]) -> list[tuple[str, float]]:
        """By the CLIP in ``path``: (text, share of its category), category by category."""
        return self._with(path, lambda device: load_clip_pair(path, device, self._dtype(device)), lambda model: list(best_texts(picture, model, categories)))

    def forget(self) -> None:
        """Let go of what is loaded."""
        if self._kept:
            self._kept.clear()
            free_memory()

    def _dtype(self, device: torch.device) -> torch.dtype:
        return torch.float32 if device.type == "cpu" else getattr(torch, self.policy.compute_dtype)

    def _with(self, path: Path, load: Callable[[torch.device], Model], use: Callable[[Model], Found]) -> Found:
        if self.policy.device != "cpu" and not {"interrogate", "all"} & set(self.policy.cpu_parts):
            try:
                return use(self._loaded(path, self.policy.device, load))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            log.warning("%s has no room for %s: it runs on the processor", self.policy.device, path.name)
            self.forget()
        return use(self._loaded(path, "cpu", load))

    def _loaded(self, path: Path, device: str, load: Callable[[torch.device], Model]) -> Model:
        key = (path, path.stat().st_mtime, device)
        if key not in self._kept:
            for old in [each for each in self._kept if each[0] == path]:
                del self._kept[old]
            log.info("loading %s", path.name)
            self._kept[key] = load(torch.device(device))
        return self._kept[key]
