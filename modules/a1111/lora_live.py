"""``networks.loaded_networks`` while a batch is made: what the prompts' LoRAs are, and what extensions made of them, which then goes into the model."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from modules.a1111.lora_modules import NetworkModule, NetworkWeights, module_of
from modules.engine.adapters import LoadedLora, NetworkSwitch, layers_by_key
from modules.engine.extra_networks import LoraRequest
from modules.families.unet_names import original_names
from modules.loading.components import Components
from modules.loading.lora import Lora

_revisions = count(1)
_TEXT_PARTS = (("mlp_fc1", "mlp_c_fc"), ("mlp_fc2", "mlp_c_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("self_attn_out_proj", "attn_out_proj"))


class Network:
    """A LoRA in use. modules: its layers by CompVis' names; made when first asked for, in copies that may be changed."""

    def __init__(self, name: str, network_on_disk: Any, loaded: LoadedLora | None = None, components: Components | None = None) -> None:
        self.name = self.mentioned_name = name
        self.network_on_disk = network_on_disk
        request = LoraRequest(name=name) if loaded is None else loaded.request
        self.te_multiplier: Any = request.text_strength
        self.unet_multiplier: Any = request.unet_strength
        self.dyn_dim: Any = request.dynamic_rank
        self.bundle_embeddings: dict[str, Any] = {}
        self.mtime = None
        self._loaded, self._components = loaded, components
        self._modules: dict[str, NetworkModule] | None = {} if loaded is None else None
        self._keys: dict[str, str] = {}

    @property
    def modules(self) -> dict[str, NetworkModule]:
        if self._modules is None:
            self._modules = self._made()
        return self._modules

    @modules.setter
    def modules(self, value: dict[str, NetworkModule]) -> None:
        self._modules = value

    def _made(self) -> dict[str, NetworkModule]:
        assert self._loaded is not None and self._components is not None
        self._components.keep_text_encoders()
        layers, found = layers_by_key(self._components), {}
        for key, parts in self._loaded.lora.layers.items():
            sd_key = original_key(key, self._components)
            self._keys[sd_key] = key
            module = layers.get(key)
            weights = NetworkWeights(key, sd_key, {name: tensor.clone() for name, tensor in parts.items()}, module[0] if module else None)
            if (made := module_of(self, weights)) is not None:
                found[sd_key] = made
        return found

    def now(self) -> LoadedLora | None:
        """What it asks of the model; None for one that no file stands behind. The same object where nothing was changed."""
        if self._loaded is None:
            return None
        plain = self._loaded.request
        request = replace(plain, text_strength=_number(self.te_multiplier), unet_strength=_number(self.unet_multiplier), dynamic_rank=self.dyn_dim)
        lora = self._loaded.lora if self._modules is None else self._changed(self._modules)
        return self._loaded if request == plain and lora is self._loaded.lora else LoadedLora(request, lora)

    def _changed(self, modules: Mapping[str, NetworkModule]) -> Lora:
        assert self._loaded is not None
        own = self._loaded.lora
        now = {self._keys.get(sd_key, sd_key): module.parts() for sd_key, module in modules.items()}
        kept = {key: parts for key, parts in own.layers.items() if original_key(key, self._components) not in self._keys}
        if len(now) + len(kept) == len(own.layers) and all(key in own.layers and _same(parts, own.layers[key]) for key, parts in now.items()):
            return own
        return replace(own, layers={**kept, **now}, revision=next(_revisions))


class LiveNetworks:
    """The list of a run. networks: the list that extensions hold; it is filled anew when a batch begins."""

    def __init__(self, switch: NetworkSwitch, networks: list[Any], on_disk: Any) -> None:
        self._switch, self._networks, self._on_disk = switch, networks, on_disk
        self._shown: tuple[LoadedLora, ...] = ()
        self._taken: tuple[Any, ...] | None = None

    def show(self) -> None:
        """What the prompts ask for stands in the list."""
        self._shown = self._switch.asked
        self._networks[:] = [Network(each.request.name, self._on_disk(each.lora.file), each, self._switch.components) for each in self._shown]
        self._taken = None

    def take(self) -> None:
        """What stands in the list now goes into the model. As in A1111, a change counts where a name, a strength or the list itself changed with it."""
        if self._switch.asked is not self._shown:
            self.show()
        marks = tuple((each, each.name, each.te_multiplier, each.unet_multiplier, each.dyn_dim) for each in self._networks)
        if marks == self._taken:
            return
        self._taken = marks
        self._switch.change([found for each in self._networks if (found := each.now()) is not None])


def original_key(key: str, components: Components | None) -> str:
    """A file's layer by CompVis' names as A1111 writes them: ``diffusion_model_input_blocks_1_1_proj_in``, ``1_model_transformer_resblocks_0_mlp_c_fc``."""
    part, _, rest = key.partition("_")
    if part == "unet":
        return f"diffusion_model_{_denoiser_names(components).get(rest, rest)}"
    number = {"te": 0, "te2": 1, "te3": 2}.get(part, 0)
    if components is None or number >= len(components.text_encoders):
        return f"transformer_text_model_{rest}"
    spec = components.text_encoders[number].spec
    prefix = spec.prefix.removeprefix("cond_stage_model.").removeprefix("conditioner.embedders.").replace(".", "_")
    if spec.kind != "open_clip":
        return f"{prefix}text_model_{rest}"
    for ours, theirs in _TEXT_PARTS:
        rest = rest.replace(ours, theirs)
    return f"{prefix}{rest.replace('encoder_layers_', 'transformer_resblocks_')}"


def _denoiser_names(components: Components | None) -> dict[str, str]:
    """Keys by diffusers' names -> by the original ones; made once for a denoiser."""
    if components is None or components.family.denoiser != "unet":
        return {}
    known = components.unet.__dict__.get("original_keys")
    if known is None:
        known = {name.replace(".", "_"): found[0].replace(".", "_") for name, _ in components.unet.named_modules() if (found := original_names(name))}
        components.unet.__dict__["original_keys"] = known
    return known


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    def equal(found: Tensor, own: Tensor) -> bool:
        return found.numel() == own.numel() and torch.equal(found.cpu().reshape(-1), own.to(found.dtype).reshape(-1))

    return one.keys() == other.keys() and all(equal(tensor, other[name]) for name, tensor in one.items())


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 1.0
