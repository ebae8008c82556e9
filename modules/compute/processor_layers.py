"""A model's convolutions made for the processor: its modules and parameters stay what they are, only how they compute changes."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules import linear

from modules.compute import products
from modules.compute.convolution import convolved, thread_scratch
from modules.compute.products import rows_product

FEWEST_OUTPUTS = 96                                # narrower layers are the quicker in the plain way, up to twice


class Kind(type):
    """Extensions ask whether a layer's kind ``== nn.Conv2d``: to them these are."""

    def __eq__(cls, other: object) -> bool:
        return cls is other or other is nn.Conv2d

    __hash__ = type.__hash__


class Convolution(nn.Conv2d, metaclass=Kind):
    """Extensions that tile put a ``_conv_forward`` into each layer, and PyTorch's own when they are done: then ours works again."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_conv_forward" and getattr(value, "__func__", None) is nn.Conv2d._conv_forward:
            if name in self.__dict__:
                delattr(self, name)
        else:
            super().__setattr__(name, value)


class SquareConv2d(Convolution):
    """3x3, one cell of zeros around. The weight is stored with its cells first and its outputs last; in any other order it is right, but slower."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros" or input.dim() != 4 or not _is_plain(input, weight):
            return super()._conv_forward(input, weight, bias)
        return convolved(input, weight.permute(2, 3, 1, 0).contiguous(), bias, thread_scratch())

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Whoever asks for the weights gets them in the usual order: safetensors writes no other."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not keep_vars:
            destination[f"{prefix}weight"] = destination[f"{prefix}weight"].contiguous()


class PointConv2d(Convolution):
    """1x1: a matrix product."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.dim() != 4 or not _is_plain(input, weight):
            return super()._conv_forward(input, weight, bias)
        rows = input.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        return rows_product(rows.flatten(0, 2), weight.flatten(1).t(), bias).view(*rows.shape[:3], -1).permute(0, 3, 1, 2)


class Linear(nn.Linear):
    """Its product is shared out between hands."""

    def forward(self, input: Tensor) -> Tensor:
        if not linear_is_of_torch() or not _is_plain(input, self.weight):
            return super().forward(input)
        return rows_product(input.flatten(0, -2), self.weight.t(), self.bias).view(*input.shape[:-1], -1)


SquareConv2d.__name__ = PointConv2d.__name__ = nn.Conv2d.__name__       # extensions look for layers by the name of their kind


def linear_is_of_torch() -> bool:
    """Whether linear layers compute as PyTorch has it: extensions put their own ``forward`` in its place, some before this is imported."""
    return getattr(nn.Linear.forward, "__globals__", None) is vars(linear)


def _is_plain(input: Tensor, weight: Tensor) -> bool:
    """Whether it is float32 on the CPU, and nobody will ask for gradients."""
    is_ours = input.dtype is weight.dtype is torch.float32 and input.device.type == weight.device.type == "cpu" and input.dim() > 1
    return is_ours and not (torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad))


def suit_processor(model: nn.Module) -> None:
    """Let ``model`` compute its convolutions in the ways of ``convolution``, as far as they are in float32; where hands are the quicker ones, its products too."""
    for layer in model.modules():
        if type(layer) is nn.Linear and products.by_numpy():
            layer.__class__ = Linear
        if not _steps_by_one(layer):
            continue
        if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
            layer.__class__ = PointConv2d
        elif _is_square(layer):
            layer.__class__ = SquareConv2d
            layer.weight.data = cells_first(layer.weight.data)


def of_torch(layer: nn.Module) -> None:
    """Let ``layer`` be of torch's own class again, for those who look at it."""
    kind = nn.Conv2d if isinstance(layer, Convolution) else nn.Linear if isinstance(layer, Linear) else None
    if kind is not None:
        layer.__class__ = kind  # type: ignore[assignment]


def square_weights(model: nn.Module) -> frozenset[str]:
    """The weights of ``model``, in float32, that ``suit_processor`` stores ``cells_first``, or did: who reads them from a file may do so at once."""
    return frozenset(f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, SquareConv2d) or (_steps_by_one(layer) and _is_square(layer)))


def cells_first(weight: Tensor) -> Tensor:
    """``weight`` (O, C, 3, 3) of any type in float32, stored as (3, 3, C, O); itself where it is so."""
    turned = weight.permute(2, 3, 1, 0)
    if weight.dtype is torch.float32:
        return turned.contiguous().permute(3, 2, 0, 1)
    return torch.empty(turned.shape).copy_(turned).permute(3, 2, 0, 1)


def _steps_by_one(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return type(layer) is nn.Conv2d and layer.groups == 1 and layer.dilation == (1, 1) and layer.stride == (1, 1) and layer.weight.dtype is torch.float32


def _is_square(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == (3, 3) and layer.padding == (1, 1) and layer.out_channels >= FEWEST_OUTPUTS
