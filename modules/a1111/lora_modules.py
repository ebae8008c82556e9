"""A LoRA's layers as A1111's Lora extension shows them: one ``NetworkModule`` per layer, whose tensors extensions read and change.

What stands in them is read back (``parts``) before it goes into the model; the arithmetic is ``loading/lora_kinds``'.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from modules.loading.lora_kinds import layer_change


class NetworkWeights(NamedTuple):
    """One layer of a file. sd_key: the layer by CompVis' names, underscores between them."""

    network_key: str
    sd_key: str
    w: dict[str, Tensor]
    sd_module: Any


class NetworkModule:
    """One layer's change. Subclasses name the attributes that hold a tensor, and the part of the file each one is."""

    tensors: ClassVar[Mapping[str, str]] = {}
    layers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, net: Any, weights: NetworkWeights) -> None:
        self.network = net
        self.network_key, self.sd_key, self.sd_module = weights.network_key, weights.sd_key, weights.sd_module
        self._rest = dict(weights.w)
        given = self._rest.pop
        scale, alpha, dora = given("scale", None), given("alpha", None), given("dora_scale", None)
        self.scale: Any = None if scale is None else scale.item()
        self.alpha: Any = None if alpha is None else alpha.item()
        self.dora_scale = dora
        self.bias = None
        self.ops = ()
        self.extra_kwargs: dict[str, Any] = {}
        for attribute, part in self.tensors.items():
            setattr(self, attribute, given(part, None))
        for attribute, part in self.layers.items():
            setattr(self, attribute, _layer(given(part, None)))
        self.dim: int | None = None
        self.shape = None if getattr(self.sd_module, "weight", None) is None else self.sd_module.weight.shape

    def multiplier(self) -> float:
        return self.network.unet_multiplier if self.sd_key.startswith("diffusion_model") else self.network.te_multiplier

    def calc_scale(self) -> float:
        if self.scale is not None:
            return self.scale
        return self.alpha / self.dim if self.dim is not None and self.alpha is not None else 1.0

    def parts(self) -> dict[str, Tensor]:
        """What stands here now, by the names in files."""
        found: dict[str, Tensor] = dict(self._rest)
        for name, value in (("scale", self.scale), ("alpha", self.alpha)):
            if value is not None:
                found[name] = torch.as_tensor(value)
        if self.dora_scale is not None:
            found["dora_scale"] = self.dora_scale.detach()
        for attribute, part in self.tensors.items():
            if isinstance(value := getattr(self, attribute, None), Tensor):
                found[part] = value.detach()
        for attribute, part in self.layers.items():
            if isinstance(value := getattr(getattr(self, attribute, None), "weight", None), Tensor):
                found[part] = value.detach()
        return found

    def calc_updown(self, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """What is added to the layer's weight ``target``, and to its bias, at the strength in use."""
        found = layer_change({name: tensor.to(target.device, torch.float32) for name, tensor in self.parts().items()}, target.float(), self.network.dyn_dim)
        if found is None:
            return torch.zeros_like(target), None
        return (found.weight * self.multiplier()).to(target.dtype), None if found.bias is None else found.bias * self.multiplier()


class NetworkModuleLora(NetworkModule):
    layers: ClassVar = {"up_model": "lora_up.weight", "down_model": "lora_down.weight", "mid_model": "lora_mid.weight"}

    def __init__(self, net: Any, weights: NetworkWeights) -> None:
        super().__init__(net, weights)
        self.dim = len(weights.w["lora_down.weight"])


class NetworkModuleHada(NetworkModule):
    tensors: ClassVar = {"w1a": "hada_w1_a", "w1b": "hada_w1_b", "w2a": "hada_w2_a", "w2b": "hada_w2_b", "t1": "hada_t1", "t2": "hada_t2"}

    def __init__(self, net: Any, weights: NetworkWeights) -> None:
        super().__init__(net, weights)
        self.dim = len(weights.w["hada_w1_b"])


class NetworkModuleLokr(NetworkModule):
    tensors: ClassVar = {
        "w1": "lokr_w1", "w1a": "lokr_w1_a", "w1b": "lokr_w1_b", "w2": "lokr_w2", "w2a": "lokr_w2_a", "w2b": "lokr_w2_b", "t2": "lokr_t2",
    }  # fmt: skip

    def __init__(self, net: Any, weights: NetworkWeights) -> None:
        super().__init__(net, weights)
        factor = next((weights.w[name] for name in ("lokr_w2_b", "lokr_w1_b") if name in weights.w), None)
        self.dim = None if factor is None else len(factor)


class NetworkModuleGLora(NetworkModule):
    tensors: ClassVar = {"w1a": "a1.weight", "w1b": "b1.weight", "w2a": "a2.weight", "w2b": "b2.weight"}


class NetworkModuleOFT(NetworkModule):
    """scale: 1 unless somebody changes it."""

    tensors: ClassVar = {"oft_blocks": "oft_blocks", "oft_diag": "oft_diag", "rescale": "rescale"}

    def __init__(self, net: Any, weights: NetworkWeights) -> None:
        super().__init__(net, weights)
        self.scale = 1.0 if self.scale is None else self.scale

    def parts(self) -> dict[str, Tensor]:
        found = super().parts()
        if self.scale == 1.0:
            found.pop("scale", None)
        return found


class NetworkModuleFull(NetworkModule):
    tensors: ClassVar = {"weight": "diff", "ex_bias": "diff_b"}


class NetworkModuleNorm(NetworkModule):
    tensors: ClassVar = {"w_norm": "w_norm", "b_norm": "b_norm"}


class NetworkModuleIa3(NetworkModule):
    tensors: ClassVar = {"w": "weight"}


KINDS: Mapping[str, tuple[tuple[str, ...], Callable[[Any, NetworkWeights], NetworkModule]]] = {
    "Lora": (("lora_up.weight", "lora_down.weight"), NetworkModuleLora),
    "Hada": (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), NetworkModuleHada),
    "Lokr": (("lokr_w2",), NetworkModuleLokr),
    "LokrOfTwo": (("lokr_w2_a", "lokr_w2_b"), NetworkModuleLokr),
    "GLora": (("a1.weight", "a2.weight", "b1.weight", "b2.weight"), NetworkModuleGLora),
    "OFT": (("oft_blocks",), NetworkModuleOFT),
    "OFTDiagonal": (("oft_diag",), NetworkModuleOFT),
    "Full": (("diff",), NetworkModuleFull),
    "Norm": (("w_norm", "b_norm"), NetworkModuleNorm),
    "Ia3": (("weight",), NetworkModuleIa3),
}


class ModuleType:
    """Makes modules of one kind."""

    kinds: ClassVar[tuple[str, ...]] = ()

    def create_module(self, net: Any, weights: NetworkWeights) -> NetworkModule | None:
        """The module, or None where the tensors are of another kind."""
        for needed, made in (KINDS[kind] for kind in self.kinds):
            if all(name in weights.w for name in needed):
                return made(net, weights)
        return None


def _type(name: str, *kinds: str) -> type[ModuleType]:
    return type(name, (ModuleType,), {"kinds": kinds, "__doc__": "Makes modules of its kind.", "__module__": __name__})


MODULE_TYPES = {
    "network_lora": _type("ModuleTypeLora", "Lora"), "network_hada": _type("ModuleTypeHada", "Hada"), "network_ia3": _type("ModuleTypeIa3", "Ia3"),
    "network_lokr": _type("ModuleTypeLokr", "Lokr", "LokrOfTwo"), "network_full": _type("ModuleTypeFull", "Full"),
    "network_norm": _type("ModuleTypeNorm", "Norm"), "network_oft": _type("ModuleTypeOFT", "OFT", "OFTDiagonal"),
    "network_glora": _type("ModuleTypeGLora", "GLora"),
}  # fmt: skip
NAMES = {
    module: {made.__name__: made, f"NetworkModule{made.__name__.removeprefix('ModuleType')}": KINDS[made.kinds[0]][1]} for module, made in MODULE_TYPES.items()
}  # fmt: skip


def module_of(net: Any, weights: NetworkWeights) -> NetworkModule | None:
    """The layer as a module of its kind; None for tensors of no known kind."""
    found = (made().create_module(net, weights) for made in MODULE_TYPES.values())
    return next((each for each in found if each is not None), None)


def _layer(weight: Tensor | None) -> nn.Module | None:
    """A linear or convolution layer that holds ``weight`` and can be called."""
    if weight is None:
        return None
    with torch.device("meta"):
        made = nn.Conv2d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]), bias=False) if weight.ndim == 4 else nn.Linear(weight.shape[1], weight.shape[0], bias=False)  # type: ignore[arg-type]
    made.weight = nn.Parameter(weight, requires_grad=False)
    return made
