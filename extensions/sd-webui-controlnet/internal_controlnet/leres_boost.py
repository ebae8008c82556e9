"""LeReS++: depth at several sizes and of parts of the picture, merged by a second network. The way of merging is controlnet_aux's."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.stand_ins import network_class, network_package, standing_in

_LEAST = 160                                        # pixels of the longer side
_SIZES = 10                                         # halvings in the merging network, which works at 1024 x 1024


class BoostedDepth(nn.Module):
    """depth: the whole of LeReS; merge: the network that puts a fine estimate into a coarse one."""

    def __init__(self, depth: nn.Module, merge: nn.Module) -> None:
        super().__init__()
        self.depth, self.merge = depth, merge

    def estimated(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8 -> (H, W), far is large."""
        with standing_in(_STAND_INS):
            boost = importlib.import_module(f"{network_package('leres.leres')}.depthmap")
        height, width = picture.shape[:2]
        if max(height, width) < _LEAST or 3 * max(height, width) > 32 * min(height, width):    # it finds no size to begin with
            return boost.estimateleres(picture, self.depth, width, height)
        with contextlib.redirect_stdout(io.StringIO()):     # it tells of every part
            return boost.estimateboost(picture, self.depth, 0, _Merging(self.merge), max(height, width))


class _Merging:
    """The merging network under the names by which it is called."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def set_input(self, outer: np.ndarray, inner: np.ndarray) -> None:
        self._both = torch.cat([_spread(outer), _spread(inner)], dim=1).to(next(self._network.parameters()).device)

    def test(self) -> None:
        self._merged = self._network(self._both)

    def get_current_visuals(self) -> dict[str, Tensor]:
        return {"fake_B": self._merged}


def _spread(depth: np.ndarray) -> Tensor:
    """(H, W) -> (1, 1, H, W) within [-1, 1]."""
    found = torch.from_numpy(np.ascontiguousarray(depth)).float()[None, None]
    return (found - found.min()) / (found.max() - found.min()).clamp_min(1e-12) * 2 - 1


def boosted(depth: nn.Module, table: Mapping[str, Tensor]) -> BoostedDepth:
    """table: of the merging network's file."""
    with torch.device("meta"):
        merge = network_class("leres.pix2pix.models.networks", "UnetGenerator")(2, 1, _SIZES, 64, norm_layer=nn.Identity, use_dropout=False)
    merge.load_state_dict(dict(table), assign=True)
    return BoostedDepth(depth, merge)


def _greatest_of_blocks(values: np.ndarray, block: tuple[int, ...], reduce: Callable[..., Any]) -> np.ndarray:
    """One value for each block; what is missing in the last ones counts as 0."""
    padded = np.pad(values, [(0, -side % step) for side, step in zip(values.shape, block)])
    split = padded.reshape([part for side, step in zip(padded.shape, block) for part in (side // step, step)])
    return reduce(split, axis=tuple(range(1, split.ndim, 2)))


class _Compose:
    def __init__(self, steps: list[Callable[[Any], Any]]) -> None:
        self._steps = steps

    def __call__(self, value: Any) -> Any:
        for step in self._steps:
            value = step(value)
        return value


class _ToTensor:
    def __call__(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


class _Normalize:
    def __init__(self, mean: tuple[float, ...], spread: tuple[float, ...]) -> None:
        self._mean, self._spread = (torch.tensor(each).view(-1, 1, 1) for each in (mean, spread))

    def __call__(self, values: Tensor) -> Tensor:
        return (values - self._mean) / self._spread


_MEASURE = SimpleNamespace(block_reduce=_greatest_of_blocks)
_STAND_INS: dict[str, dict[str, Any]] = {
    "skimage": {"measure": _MEASURE}, "skimage.measure": vars(_MEASURE),
    "torchvision.transforms": {"transforms": SimpleNamespace(Compose=_Compose, ToTensor=_ToTensor, Normalize=_Normalize)},
}  # fmt: skip
