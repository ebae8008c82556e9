"""Detector and restorer together: their files are read when they are first needed, and stay until others are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from modules.compute.policy import ComputePolicy, Residency
from modules.engine.faces import faces_in, with_faces_restored
from modules.loading.face_detector import FaceDetector, load_face_detector
from modules.loading.picture_models import PictureModel
from modules.loading.upscalers import PictureModelShelf
from modules.schema.errors import CannotLoad

_RESTORERS = ("GFPGAN", "CodeFormer")


class FaceTools:
    """The models in use. Only the worker thread uses it."""

    def __init__(self, policy: ComputePolicy, shelf: PictureModelShelf) -> None:
        self.policy = policy
        self.shelf = shelf
        self._detector: tuple[Path, float, FaceDetector] | None = None

    def detector(self, path: Path) -> FaceDetector:
        """The detector in ``path``. Raises CannotLoad."""
        changed = path.stat().st_mtime if path.exists() else 0.0
        if self._detector is None or self._detector[:2] != (path, changed):
            self._detector = (path, changed, load_face_detector(path))
        return self._detector[2]

    def restorer(self, path: Path) -> PictureModel:
        """The restorer in ``path``. Raises CannotLoad."""
        model = self.shelf.load(path)
        if model.architecture not in _RESTORERS:
            raise CannotLoad(path, f"it is a {model.architecture} model, which restores no faces", "Put GFPGAN's or CodeFormer's weights there.")
        return model


def boxes_of_faces(picture: Image.Image, tools: FaceTools, *, detector: Path) -> list[tuple[float, float, float, float]]:
    """(left, top, right, bottom) of each face, in pixels."""
    device = torch.device(tools.policy.device)
    return [face.box for face in faces_in(picture, tools.detector(detector).to(device), device)]


def restored_faces(
    picture: Image.Image, tools: FaceTools, *, detector: Path, weights: Path, weight: float, on_cpu: bool = False, unload: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """``picture`` with every face through the restorer in ``weights``; as it is where there is no face. weight: CodeFormer's, 0 changes most.

    unload: afterwards both models go back to main memory. Raises CannotLoad.
    """
    device = torch.device("cpu" if on_cpu else tools.policy.device)
    finder, model = tools.detector(detector).to(device), tools.restorer(weights)
    faces = faces_in(picture, finder, device)
    try:
        if not faces:
            return picture.convert("RGB")
        model.module.to(device=device, dtype=torch.float32)     # both overflow in half precision
        return with_faces_restored(picture, faces, _through(model, weight), device, stopped=stopped)
    finally:
        if device.type != "cpu" and (unload or tools.policy.residency is not Residency.KEEP):
            finder.to("cpu")
            model.module.to("cpu")


def _through(model: PictureModel, weight: float) -> Callable[[Tensor], Tensor]:
    network = model.module
    if model.architecture == "CodeFormer":
        return lambda pixels: network(pixels, weight=weight, adain=True)[0]
    return lambda pixels: network(pixels, return_rgb=False)[0]
