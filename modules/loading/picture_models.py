"""Files of upscalers and face restorers -> torch modules, by spandrel: ESRGAN, SwinIR, DAT, HAT, GFPGAN, CodeFormer and forty more.

Read as every weights file is here: tensors and plain values, never a program.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modules.loading.pickle_weights import is_pickle, read_pickle
from modules.loading.weights import PICKLE_SUFFIXES, TORCH_DTYPES, open_weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

log = logging.getLogger(__name__)
_CPU = torch.device("cpu")
# These two import torchvision, which must be built for the very torch that is here; without them spandrel does without it.
_LEFT_OUT = ("LaMa", "RestoreFormer")
_importing = threading.Lock()


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureModel:
    """A network that takes a picture and gives one. scale: sides of the result per side of the input.

    architecture: spandrel's id ("ESRGAN", "SwinIR"). may_be_tiled: False where it needs the whole picture at once.
    """

    path: Path
    descriptor: ImageModelDescriptor[Any]

    @property
    def architecture(self) -> str:
        return str(self.descriptor.architecture.id)

    @property
    def scale(self) -> int:
        return int(self.descriptor.scale)

    @property
    def module(self) -> torch.nn.Module:
        return self.descriptor.model

    @property
    def supports_half(self) -> bool:
        return bool(self.descriptor.supports_half)

    @property
    def may_be_tiled(self) -> bool:
        return self.descriptor.tiling.name != "INTERNAL"

    @property
    def input_channels(self) -> int:
        return int(self.descriptor.input_channels)

    def run(self, pixels: Tensor) -> Tensor:
        """Pixels (1, C, H, W) in 0 .. 1, on the module's device and in its type -> (1, C', H x scale, W x scale), clamped to 0 .. 1."""
        return self.descriptor(pixels)


def load_picture_model(path: Path) -> PictureModel:
    """The model in ``path``, on the CPU in float32, ready to run. Raises CannotLoad: what is wrong with which file."""
    started = time.perf_counter()
    table = _tensors(path)
    model = _recognised(path, table)
    model.module.requires_grad_(False).eval()
    model.descriptor.float()
    log.info("loaded %s (%s, x%d) in %.1f s", path.name, model.architecture, model.scale, time.perf_counter() - started)
    return model


def _recognised(path: Path, table: Mapping[str, Any]) -> PictureModel:
    registry, image_model, unsupported = _library()
    try:
        descriptor = registry.load(dict(table))
    except unsupported as error:
        raise CannotLoad(path, "it is of no kind of upscaler or face restorer that is known here", "Choose another file.") from error
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError, AssertionError) as error:
        reason = f"its tensors do not fit together ({type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''})"
        raise CannotLoad(path, reason, "Download the file again.") from error
    if not isinstance(descriptor, image_model):
        raise CannotLoad(path, f"it is a {descriptor.architecture.name} model, which does not enlarge or restore pictures", "Choose another file.")
    return PictureModel(path=path, descriptor=descriptor)


def _tensors(path: Path) -> Mapping[str, Any]:
    """What the file holds: a table of tensors, or one with the table inside. Every tensor of the header is read."""
    if path.suffix.lower() in PICKLE_SUFFIXES and is_pickle(path):
        found = read_pickle(path)
        if not isinstance(found, Mapping):
            raise CannotLoad(path, f"it holds a {type(found).__name__} instead of a table of tensors", "Choose a model file.")
        return found
    weights = open_weights(path)
    try:
        # copies, not parts of the map: the file may be replaced while the model is in use
        return {name: weights.read(name, _read_as(stored), _CPU) for name, stored in weights.header.dtypes.items()}
    finally:
        weights.close()


def _read_as(stored: str) -> torch.dtype:
    dtype = TORCH_DTYPES.get(stored, torch.float32)
    return torch.float32 if dtype.is_floating_point else dtype


@cache
def _library() -> tuple[Any, type, type[Exception]]:
    """(registry, class of models from picture to picture, what the registry raises for an unknown file)."""
    with _importing:
        _leave_out()
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError
        from spandrel_extra_arches.architectures.CodeFormer import CodeFormerArch

        if "CodeFormer" not in {str(each.architecture.id) for each in MAIN_REGISTRY.architectures()}:
            MAIN_REGISTRY.add(_support(CodeFormerArch()))
    return MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError


def _support(architecture: Any) -> Any:
    from spandrel import ArchSupport

    return ArchSupport.from_architecture(architecture)


def _leave_out() -> None:
    """Put a stand-in that recognises no file where an architecture would be imported that needs torchvision."""
    for name in _LEFT_OUT:
        module = types.ModuleType(f"spandrel.architectures.{name}")
        setattr(module, f"{name}Arch", lambda name=name: _Unknown(name))
        sys.modules.setdefault(module.__name__, module)


class _Unknown:
    """An architecture that no file is of."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name

    def detect(self, _table: object) -> bool:
        return False
