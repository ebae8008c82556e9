"""Hypernetworks: small networks that change what a denoiser's attention is given, one pair (keys, values) for each width.

Files are A1111's: a pickle of plain values, with the layers' tensors under the width that they fit.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import normalize

import torch
from torch import Tensor, nn

from modules.library.model_file import ModelFile
from modules.loading.embeddings import are_numbers
from modules.loading.pickle_weights import read_pickle
from modules.schema.errors import CannotLoad

_OLD_NAMES = {"linear1": "linear.0", "linear2": "linear.1"}     # of the first training programs
_LAYER = re.compile(r"linear\.(\d+)\.(weight|bias)")
_FOREIGN = "Choose a hypernetwork."


@dataclass(frozen=True, kw_only=True, eq=False)
class Hypernetwork:
    """layers: width of what attention is given -> the networks for keys and for values; each gives the change, to be added."""

    name: str
    layers: Mapping[int, tuple[nn.Module, nn.Module]]


def load_hypernetwork(path: Path) -> Hypernetwork:
    """Raises CannotLoad for a file that is damaged, holds anything but tensors and plain values, or is no hypernetwork."""
    values, pairs = read_file(path)
    make = _activation(path, values.get("activation_func"))
    said = values.get("activate_output", True)
    at_the_end = bool(said) if isinstance(said, int | float) else said is not None
    layers: dict[int, tuple[nn.Module, nn.Module]] = {}
    for width, pair in pairs.items():
        if not isinstance(pair, Sequence) or len(pair) < 2 or not all(isinstance(each, Mapping) for each in pair[:2]):
            raise CannotLoad(path, f"its layers for width {width} are no pair of networks", _FOREIGN)
        layers[width] = (_network(path, pair[0], width, make, at_the_end), _network(path, pair[1], width, make, at_the_end))
    return Hypernetwork(name=path.stem, layers=layers)


def read_file(path: Path) -> tuple[Mapping[Any, Any], dict[int, Any]]:
    """All that a file holds, and of it what stands under widths. Raises CannotLoad where nothing does."""
    values = read_pickle(path)
    pairs = {width: pair for width, pair in values.items() if isinstance(width, int)} if isinstance(values, Mapping) else {}
    if not pairs:
        raise CannotLoad(path, "it holds no layers by width, which every hypernetwork has", _FOREIGN)
    return values, pairs


def _network(path: Path, state: Mapping[str, Any], width: int, make: Callable[[], nn.Module] | None, activate_output: bool) -> nn.Module:
    """Linear, activation, norm if it has one, and so on: what the file's numbers leave out needs no weights."""
    weighted: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        found = _LAYER.fullmatch(renamed(name))
        if found and isinstance(tensor, Tensor):
            weighted.setdefault(int(found[1]), {})[found[2]] = tensor.detach().to(torch.float32)
    linears = [place for place, tensors in weighted.items() if "weight" in tensors and tensors["weight"].ndim == 2]
    parts: list[nn.Module] = []
    for place in sorted(weighted):
        tensors = weighted[place]
        if "weight" not in tensors or "bias" not in tensors:
            raise CannotLoad(path, f"its layer {place} lacks a weight or a bias", _FOREIGN)
        if tensors["weight"].ndim not in (1, 2):
            raise CannotLoad(path, f"its layer {place} is neither linear nor a norm", _FOREIGN)
        if not all(map(are_numbers, tensors.values())):
            raise CannotLoad(path, "its values are not all numbers, as after a training that failed", "Choose another version of it.")
        parts.append(_with_weights(tensors))
        if place in linears and make is not None and (activate_output or place != max(linears)):
            parts.append(make())
    found = nn.Sequential(*parts).requires_grad_(False).eval()
    try:
        fits = bool(parts) and found(torch.zeros(1, 1, width)).shape[-1] == width
    except RuntimeError:
        fits = False
    if not fits:
        raise CannotLoad(path, f"its layers do not lead from width {width} back to it", _FOREIGN)
    return found


def renamed(name: str) -> str:
    """A tensor's name as today's files have it."""
    layer, _, rest = name.partition(".")
    return f"{_OLD_NAMES[layer]}.{rest}" if layer in _OLD_NAMES else name


def _with_weights(tensors: Mapping[str, Tensor]) -> nn.Module:
    weight, bias = tensors["weight"], tensors["bias"]
    layer: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], device="meta") if weight.ndim == 2 else nn.LayerNorm(len(weight), device="meta")
    layer.weight, layer.bias = nn.Parameter(weight, requires_grad=False), nn.Parameter(bias, requires_grad=False)
    return layer


def _activation(path: Path, name: Any) -> Callable[[], nn.Module] | None:
    if name is None or name == "linear":
        return None
    known = activations()
    if not isinstance(name, str) or name not in known:
        raise CannotLoad(path, f"its activation {str(name)[:40]!r} is unknown", _FOREIGN)
    return known[name]


@cache
def activations() -> dict[str, Callable[[], nn.Module]]:
    """torch's own that need no arguments, by their names in lower case; "swish" is A1111's word for the hard one."""
    found: dict[str, Callable[[], nn.Module]] = {}
    for name, kind in inspect.getmembers(torch.nn.modules.activation, inspect.isclass):
        if not issubclass(kind, nn.Module) or kind is nn.Module:
            continue
        named = [each for each in inspect.signature(kind).parameters.values() if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        if all(each.default is not inspect.Parameter.empty for each in named):
            found[name.lower()] = kind
    return found | {"swish": nn.Hardswish}


class HypernetworkShelf:
    """The hypernetworks of one server, read when they are first named. files: the present list."""

    def __init__(self, files: Callable[[], Sequence[ModelFile]]) -> None:
        self._files = files
        self._read: dict[tuple[Path, float, int], Hypernetwork] = {}

    def find(self, name: str) -> ModelFile | None:
        """The file whose stem is ``name``, the last of several."""
        return next((file for file in reversed(self._files()) if file.stem == normalize("NFC", name)), None)

    def load(self, file: ModelFile) -> Hypernetwork:
        """Raises CannotLoad."""
        key = (file.path, file.modified, file.size)
        if key not in self._read:
            self._read = {key: load_hypernetwork(file.path), **dict(list(self._read.items())[:3])}
        return self._read[key]
