"""Control-LoRA: a ControlNet whose layers are those of the checkpoint in use, each with a small change of its own.

Nothing of the checkpoint is copied: layers read its weights as they are at the moment, LoRAs included.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from modules.schema.errors import CannotLoad

UP, DOWN = ".up", ".down"


class _Borrowed(nn.Module):
    """A layer without a weight of its own. up: (out, r[, 1, 1]), down: (r, in[, k, k]): the change is up x down; None: no change."""

    def __init__(self, lender: nn.Module, up: Tensor | None, down: Tensor | None, bias: Tensor | None) -> None:
        super().__init__()
        self._lender = (lender,)                    # in a tuple: it must not become a part of this
        self.up = None if up is None else nn.Parameter(up, requires_grad=False)
        self.down = None if down is None else nn.Parameter(down, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def weight_like(self, x: Tensor, dimensions: int) -> Tensor:
        """The lender's; a 1x1 convolution may stand for a linear layer, and the other way round."""
        weight = self._lender[0].weight
        assert isinstance(weight, Tensor)
        weight = weight.to(device=x.device, dtype=x.dtype)
        return weight if weight.dim() == dimensions else weight.reshape(*weight.shape[:2], *[1] * (dimensions - 2))

    def bias_like(self, x: Tensor) -> Tensor | None:
        own = self.bias if self.bias is not None else self._lender[0].bias
        return own.to(device=x.device, dtype=x.dtype) if isinstance(own, Tensor) else None


class BorrowedLinear(_Borrowed):
    def forward(self, x: Tensor) -> Tensor:
        found = linear(x, self.weight_like(x, 2), self.bias_like(x))
        return found if self.up is None or self.down is None else found + linear(linear(x, self.down), self.up)


class BorrowedConv(_Borrowed):
    def __init__(self, lender: nn.Module, up: Tensor | None, down: Tensor | None, bias: Tensor | None, *, stride: Any, padding: Any) -> None:
        super().__init__(lender, up, down, bias)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        found = conv2d(x, self.weight_like(x, 4), self.bias_like(x), self.stride, self.padding)
        return found if self.up is None or self.down is None else found + conv2d(conv2d(x, self.down, None, self.stride, self.padding), self.up)


def lend(module: nn.Module, base: nn.Module, tensors: dict[str, Tensor], path: object) -> None:
    """Fill ``module`` (a ControlNetModel on the meta device) with its file's ``tensors``, by module names, and with ``base``'s layers where it has none.

    A weight may stand there as two factors, ``name.up`` and ``name.down``. Raises CannotLoad where the two do not fit.
    """
    for name, layer in list(module.named_modules()):
        if not isinstance(layer, nn.Linear | nn.Conv2d) or f"{name}.weight" in tensors:
            continue
        lender = _layer(base, name)
        if lender is None:
            raise CannotLoad(path, f"the Control-LoRA has no weight for {name}, and neither has the checkpoint", "Choose another control model.")
        up, down = _factors(path, name, layer, lender, tensors.pop(f"{name}{UP}", None), tensors.pop(f"{name}{DOWN}", None))
        bias = tensors.pop(f"{name}.bias", None)
        if isinstance(layer, nn.Conv2d):
            module.set_submodule(name, BorrowedConv(lender, up, down, bias, stride=layer.stride, padding=layer.padding))
        else:
            module.set_submodule(name, BorrowedLinear(lender, up, down, bias))
    own = {f"{name}.{part}" for name, layer in module.named_modules() if not isinstance(layer, _Borrowed) for part, _ in layer.named_parameters(recurse=False)}
    for name in own:
        if name not in tensors:
            layer = _layer(base, name.rpartition(".")[0])
            lent = getattr(layer, name.rpartition(".")[2], None)
            if not isinstance(lent, Tensor):
                raise CannotLoad(path, f"the Control-LoRA lacks {name}", "Download the file again.")
            tensors[name] = lent.detach().clone()
    module.load_state_dict({name: tensor for name, tensor in tensors.items() if name in own}, strict=False, assign=True)
    module.requires_grad_(False).eval()


def _layer(base: nn.Module, name: str) -> nn.Module | None:
    """The same layer of the UNet; what a control network's size embedding is called there differs."""
    try:
        return base.get_submodule(name.replace("class_embedding.", "add_embedding.", 1) if name.startswith("class_embedding.") else name)
    except AttributeError:
        return None


def _factors(path: object, name: str, layer: nn.Module, lender: nn.Module, up: Tensor | None, down: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The two in the shapes that the layer's kind computes with; files have those of a convolution flattened or not."""
    wanted, lent = torch.Size(layer.weight.shape), torch.Size(lender.weight.shape)     # type: ignore[union-attr]
    fits = (up is None) == (down is None) and wanted.numel() == lent.numel() and wanted[0] == lent[0]
    if fits and up is not None and down is not None:
        fits = up.shape[0] == wanted[0] and up[0].numel() == len(down) and down[0].numel() == wanted[1:].numel()
    if not fits:
        raise CannotLoad(path, f"its layer {name} does not fit the loaded checkpoint", "Choose a Control-LoRA for this kind of checkpoint.")
    if up is None or down is None:
        return None, None
    return up.reshape(*up.shape[:2], *[1] * (len(wanted) - 2)), down.reshape(len(down), *wanted[1:])
