"""The layers' functions of A1111's Lora extension. There they put LoRAs into each layer when it is called; here the engine has put them in before,
so each is the layer's own. What torch's layers did before anybody replaced them stands in ``originals``."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from modules.a1111.model_view import sd_model
from modules.a1111.running import running_work
from modules.compute.processor_layers import of_torch

_KINDS: dict[str, type[nn.Module]] = {"Linear": nn.Linear, "Conv2d": nn.Conv2d, "GroupNorm": nn.GroupNorm, "LayerNorm": nn.LayerNorm, "MultiheadAttention": nn.MultiheadAttention}
_OWN = {name: {"forward": kind.forward, "load_state_dict": kind._load_from_state_dict} for name, kind in _KINDS.items()}


class LoraPatches:
    """What torch's layers do by themselves: ``Linear_forward``, ``Conv2d_load_state_dict``..."""

    def __init__(self) -> None:
        for name, functions in _OWN.items():
            for what, function in functions.items():
                setattr(self, f"{name}_{what}", function)

    def undo(self) -> None:
        """Nothing was replaced."""


originals = LoraPatches()


def network_forward(org_module: Any, input: Any, original_forward: Callable[..., Any]) -> Any:
    return original_forward(org_module, input)


def network_apply_weights(self: Any) -> None:
    """They are in: of all layers, before the model is called."""


def network_reset_cached_weight(self: Any) -> None:
    """No layer keeps copies."""


def network_restore_weights_from_backup(self: Any) -> None:
    """The layer without LoRAs, for those that add them to its output themselves. It then bears its name, by which they find what each LoRA has for it."""
    work = running_work()
    networks = work.listeners[-1].networks if work is not None and work.listeners else None
    if networks is None or not networks.take_out_of(self):
        return
    of_torch(self)                                  # they ask what kind of layer it is by its very class
    if not hasattr(self, "network_layer_name") and (model := sd_model()) is not None:
        _ = model.network_layer_mapping             # asking for it names all layers


def _named(name: str, what: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(originals, f"{name}_{what}")(self, *args, **kwargs)

    call.__name__ = call.__qualname__ = f"network_{name}_{what}"
    return call


FUNCTIONS: dict[str, Callable[..., Any]] = {f"{name}_{what}": _named(name, what) for name, functions in _OWN.items() for what in functions}
NETWORKS: dict[str, Any] = {
    **{f"network_{name}": function for name, function in FUNCTIONS.items()}, "network_forward": network_forward, "originals": originals,
    "network_apply_weights": network_apply_weights, "network_reset_cached_weight": network_reset_cached_weight,
    "network_restore_weights_from_backup": network_restore_weights_from_backup,
}  # fmt: skip
LORA: dict[str, Any] = {
    **{f"lora_{name}": function for name, function in FUNCTIONS.items() if name.startswith(("Linear", "Conv2d", "MultiheadAttention"))},
    "lora_forward": network_forward, "lora_apply_weights": network_apply_weights, "lora_reset_cached_weight": network_reset_cached_weight,
}  # fmt: skip
