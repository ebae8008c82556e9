"""LoRAs and hypernetworks on a model. LoRAs are added to its weights for a while, and taken out again to the last bit.

The original tensors are set aside and put back, not recomputed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from modules.compute.memory import is_out_of_memory
from modules.engine.extra_networks import LORA_KINDS, LoraRequest, NetworkTag, lora_requests
from modules.engine.hypernetworks import HYPERNET_KIND, HypernetworkHooks
from modules.loading.embeddings import Embedding
from modules.loading.hypernetwork import HypernetworkShelf
from modules.loading.lora import Lora, LoraShelf
from modules.loading.lora_kinds import LayerChange, fault_of, layer_change
from modules.loading.lora_names import TEXT_KEYS, layer_keys
from modules.loading.transformer_names import SWAPPED, original_layers
from modules.schema.errors import CannotLoad, InvalidValue

if TYPE_CHECKING:
    from modules.loading.components import Components

log = logging.getLogger(__name__)
MOST_LORAS = 250                # in one prompt; each is added to the weights by itself
_TEXT_WIDTHS = {768: "SD 1.x", 1024: "SD 2.x", 1280: "SDXL's refiner", 2048: "SDXL"}  # of the text that a UNet's cross-attention reads
_MARKS = {"double_blocks": "Flux", "single_transformer_blocks": "Flux", "joint_blocks": "SD3"}  # in the names of a denoiser's layers
_INPUTS = ("unet_img_in", "unet_x_embedder")     # FLUX.1's first layer
_USUAL_PARTS = {"OpenCLIP-G": "te2", "CLIP-G": "te2", "T5-XXL": "te3"}  # what files call a text encoder wherever it stands in a model


@dataclass(frozen=True, kw_only=True)
class ActiveNetworks:
    """What is active now.

    facts: infotext key -> value ("Lora hashes"). comments: what was missing or did not fit.
    text_key: changes whenever the text encoder's weights do; for the conditioning cache.
    embeddings: those that came with the LoRAs.
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    text_key: Hashable = ()
    embeddings: tuple[Embedding, ...] = ()


@dataclass(frozen=True)
class LoadedLora:
    """A LoRA's file as it was read, and how a prompt asks for it."""

    request: LoraRequest
    lora: Lora


@dataclass(eq=False)
class _Swap:
    """One parameter with its original and its changed tensor."""

    parameter: nn.Parameter
    original: Tensor
    changed: Tensor


class NetworkSwitch:
    """The LoRAs in one model's weights, from ``use`` to the next ``use`` or ``off``; a ``with`` ends in ``off``.

    Without a shelf it knows no LoRA.
    """

    def __init__(self, components: Components, shelf: LoraShelf | None, hypernetworks: HypernetworkShelf | None = None) -> None:
        self._components = components
        self._shelf = shelf
        self._hypernetworks = hypernetworks
        self._hooks = HypernetworkHooks()
        self._tags: tuple[NetworkTag, ...] = ()
        self._asked: tuple[LoadedLora, ...] = ()        # what the tags say
        self._loaded: tuple[LoadedLora, ...] = ()       # what is in the weights
        self._swaps: list[_Swap] = []
        self._active = ActiveNetworks()

    @property
    def components(self) -> Components:
        """The model that they are in."""
        return self._components

    @property
    def asked(self) -> tuple[LoadedLora, ...]:
        """The LoRAs that the tags in use ask for and that were found."""
        return self._asked

    @property
    def facts(self) -> Mapping[str, object]:
        """What the text tells of them."""
        return self._active.facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.off()

    def use(self, tags: Sequence[NetworkTag]) -> ActiveNetworks:
        """Put in the LoRAs that ``tags`` ask for, in place of those before; the same tags again cost nothing.

        A LoRA that is missing, damaged or of another family is left out with a comment, as in A1111.
        """
        if tuple(tags) != self._tags and self._shelf is not None:
            self.off()
            active, self._asked = _prepared(tags, self._shelf)
            active = self._put_in(active, self._asked)
            self._active = replace(active, comments=active.comments + self._hooks.attach(tags, self._components, self._hypernetworks))
            self._tags = tuple(tags)
        return self._active

    def change(self, loaded: Sequence[LoadedLora]) -> None:
        """Put these in the weights in place of what the tags ask for, until other tags are used or this is called again."""
        if tuple(loaded) != self._loaded:
            self._take_out()
            self._active = self._put_in(replace(self._active, comments=()), tuple(loaded))

    def _put_in(self, active: ActiveNetworks, loaded: tuple[LoadedLora, ...]) -> ActiveNetworks:
        if loaded:
            self._weights_at_home()
        self._swaps, misfits = _swaps(loaded, self._components)
        self._loaded = loaded
        for swap in self._swaps:
            swap.parameter.data = swap.changed
        return replace(
            active, comments=(*active.comments, *misfits), text_key=_text_key(loaded),
            embeddings=tuple(replace(embedding, of_lora=each.request.name) for each in loaded for embedding in each.lora.embeddings),
        )  # fmt: skip

    def _weights_at_home(self) -> None:
        """Before they are exchanged: a memory mode has copies of them on the device only while they are used."""
        if not self._components.placement.keeps_all:
            self._components.placement.release()

    def _take_out(self) -> None:
        if self._swaps:
            self._weights_at_home()
        for swap in self._swaps:            # a memory mode may have moved the module meanwhile
            swap.parameter.data = swap.original.to(device=swap.parameter.device, dtype=swap.parameter.dtype)    # or put it into float32
        self._swaps, self._loaded = [], ()

    def take_out_of(self, module: nn.Module) -> bool:
        """This one layer as it was, until other LoRAs are put in; whether anything was in it. It may be in the middle of its call."""
        own = {id(each) for each in module.parameters(recurse=False)}
        found = [swap for swap in self._swaps if id(swap.parameter) in own]
        for swap in found:
            swap.parameter.data = swap.original.to(device=swap.parameter.device, dtype=swap.parameter.dtype)
            self._swaps.remove(swap)
        return bool(found)

    def text_key_now(self) -> Hashable:
        """The ``text_key`` of what is in use."""
        return self._active.text_key

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The weights as they were while this runs, for another run on the same model; then again with the LoRAs."""
        if self._swaps:
            self._weights_at_home()
        for swap in self._swaps:
            swap.parameter.data = swap.original.to(swap.parameter.device)
        try:
            yield
        finally:
            if self._swaps:
                self._weights_at_home()
            for swap in self._swaps:
                swap.parameter.data = swap.changed.to(swap.parameter.device)

    def turn_to(self, components: Components) -> None:
        """From now on act on this model; the one before gets its weights back."""
        self.off()
        self._components = components

    def off(self) -> None:
        """The weights as they were, to the last bit."""
        self._take_out()
        self._hooks.off()
        self._tags, self._asked, self._active = (), (), ActiveNetworks()


def _prepared(tags: Sequence[NetworkTag], shelf: LoraShelf) -> tuple[ActiveNetworks, tuple[LoadedLora, ...]]:
    others = shelf.other_kinds()
    requests, unread = lora_requests(tags, others)
    if len(requests) > MOST_LORAS:
        raise InvalidValue(f"The prompt asks for {len(requests)} LoRAs; at most {MOST_LORAS} are accepted.", "Leave some out, or merge them.", field="prompt")
    loaded, missing = _load(requests, shelf)
    known = (*LORA_KINDS, HYPERNET_KIND, *others)
    foreign = [f"<{tag.kind}:..> was left out: this version knows no network of that kind." for tag in tags if tag.kind not in known]
    return ActiveNetworks(facts=_facts(loaded, shelf), comments=(*dict.fromkeys(foreign), *unread, *missing)), tuple(loaded)


def _text_key(loaded: Sequence[LoadedLora]) -> Hashable:
    """Differs wherever the text encoder's weights do."""
    return tuple(
        (each.lora.file.path, each.lora.file.modified, each.lora.revision, each.request.text_strength, each.request.dynamic_rank)
        for each in loaded if each.lora.touches_text_encoder and each.request.text_strength
    )  # fmt: skip


def _load(requests: Sequence[LoraRequest], shelf: LoraShelf) -> tuple[list[LoadedLora], list[str]]:
    loaded: list[LoadedLora] = []
    comments: list[str] = []
    for request in requests:
        file = shelf.find(request.name)
        if file is None:
            comments.append(f"The LoRA {request.name!r} was not found; the picture was made without it. Put it into models/Lora and press refresh.")
            continue
        try:
            loaded.append(LoadedLora(request, shelf.load(file)))
        except CannotLoad as error:
            comments.append(f"The LoRA {request.name!r} was left out. {error}")
    return loaded, comments


def _facts(loaded: Sequence[LoadedLora], shelf: LoraShelf) -> dict[str, object]:
    hashes = {each.request.name.replace(":", "").replace(",", ""): shelf.short_hash(each.lora.file) for each in loaded}
    return {"Lora hashes": ", ".join(f"{name}: {digits}" for name, digits in hashes.items())} if hashes else {}


def _swaps(loaded: Sequence[LoadedLora], components: Components) -> tuple[list[_Swap], list[str]]:
    """Every parameter that changes, with its new value; and a sentence for each LoRA that does not fit this model."""
    swaps: dict[int, _Swap] = {}
    comments: list[str] = []
    layers = layers_by_key(components) if loaded else {}
    device = None if components.placement.keeps_all else components.placement.device
    for each in loaded:
        foreign = _other_family(each.lora, layers)
        if foreign:
            comments.append(f"The LoRA {each.request.name!r} was left out: it was trained for {foreign}, and this checkpoint is {components.family.name}.")
            continue
        failed = [key for key, parts in each.lora.layers.items() if not _change(each.request, key, parts, layers, swaps, device)]
        if failed:
            comments.append(_left_out(each, failed, components.family.name))
    return list(swaps.values()), comments


def _left_out(each: LoadedLora, failed: Sequence[str], family: str) -> str:
    """The sentence about layers that change nothing: what is wrong with the file itself, else that it is for another model."""
    name, layers = repr(each.request.name), each.lora.layers
    faults = [(key, fault) for key in failed if (fault := fault_of(layers[key]))]
    if len(failed) < len(layers):
        first = f"{faults[0][0]}: {faults[0][1]}" if faults else failed[0]
        return f"{len(failed)} of the {len(layers)} layers of the LoRA {name} do not fit this checkpoint and were left out (the first: {first})."
    if faults:
        return f"The LoRA {name} changes nothing: its file is damaged or incomplete (layer {faults[0][0]}: {faults[0][1]})."
    return f"The LoRA {name} changes nothing in this checkpoint: it was trained for another kind of model than {family}."


def _other_family(lora: Lora, layers: Mapping[str, tuple[nn.Module, ...]]) -> str:
    """What kind of model the file is for, told by the text that its cross-attention reads; "" when that is this model's kind.

    One that has layers of a denoiser, and not one of them is here, is foreign as a whole: its text encoder's layers alone would fit and do harm.
    """
    for key, parts in lora.layers.items():
        width, layer = _text_width(parts), layers.get(key)
        if width is None or layer is None or not key.endswith(("attn2_to_k", "attn2_to_v")):
            continue
        return "" if width == _weight_of(layer[0]).shape[1] else _TEXT_WIDTHS.get(width, f"models whose text is {width} values wide")
    keys = [key for key in lora.layers if not key.startswith(TEXT_KEYS)]
    if not keys or len(keys) == len(lora.layers) or any(key in layers for key in keys):
        return ""
    return next((name for part, name in _MARKS.items() if any(part in key for key in keys)), "another kind of model")


def _text_width(parts: Mapping[str, Tensor]) -> int | None:
    """How many values a layer takes that a network of any form was trained on; None where its tensors do not say."""
    whole = next((parts[name] for name in ("lora_down.weight", "hada_w1_b", "diff") if name in parts), None)
    factors = [whole] if whole is not None else [parts.get(f"lokr_w{number}", parts.get(f"lokr_w{number}_b")) for number in "12"]
    widths = [factor.shape[1] for factor in factors if factor is not None and factor.ndim > 1]
    return math.prod(widths) if len(widths) == len(factors) else None


def _weight_of(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


class Layers(tuple[nn.Module, ...]):
    """Those that a file's layer stands for, one after the other. swapped: the file has the halves of the only one the other way round."""

    swapped = False


def layers_by_key(components: Components) -> dict[str, Layers]:
    """Layers with weights, by every key that a file may use for them."""
    found: dict[str, Layers] = {}
    for part, module in (("unet", components.unet), *_encoder_parts(components)):
        weighted = {name: layer for name, layer in module.named_modules() if isinstance(getattr(layer, "weight", None), nn.Parameter)}
        found |= {key: Layers((weighted[name],)) for key, name in layer_keys(part, weighted).items()}
        if part == "unet" and components.family.denoiser != "unet":
            for name, ours in original_layers(components.family.denoiser, weighted).items():
                layers = found[f"unet_{name.replace('.', '_')}"] = Layers(weighted[each.removeprefix(SWAPPED)] for each in ours)
                layers.swapped = ours[0].startswith(SWAPPED)
    return found


def _encoder_parts(components: Components) -> Iterator[tuple[str, nn.Module]]:
    """A text encoder's names: files count them as the model has them, or as SDXL and SD3 do: CLIP-L, the larger CLIP, T5."""
    for part, encoder in zip(("te", "te2", "te3"), components.text_encoders):
        yield part, encoder.module
    for encoder in components.text_encoders:
        if encoder.spec.name in _USUAL_PARTS:
            yield _USUAL_PARTS[encoder.spec.name], encoder.module


@torch.no_grad()
def _change(
    request: LoraRequest, key: str, parts: Mapping[str, Tensor], layers: Mapping[str, Layers], swaps: dict[int, _Swap], device: torch.device | None,
) -> bool:
    """Add one layer's change to what is already asked of it; False when it does not fit. device: where to calculate, None: where the weights are."""
    several = layers.get(key)
    if several is None:
        return False
    strength = request.text_strength if key.startswith(TEXT_KEYS) else request.unet_strength
    if not strength:
        return True
    here = [_swap_of(layer.weight, swaps) for layer in several]
    place = device or here[0].changed.device
    present = torch.cat([swap.changed.to(place, torch.float32) for swap in here]) if len(here) > 1 else here[0].changed.to(place, torch.float32)
    present = _halves_swapped(present) if several.swapped else present
    if key in _INPUTS and _text_width(parts) == 2 * present.shape[-1]:      # FLUX.1 depth and canny as LoRAs: the model is shown a picture besides
        present = functional.pad(present, (0, present.shape[-1]))
    try:
        change = layer_change({name: tensor.to(present.device, torch.float32) for name, tensor in parts.items()}, present, request.dynamic_rank)
    except (ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        log.debug("layer %s: %s", key, error)
        return False
    biases = [bias for layer in several if isinstance(bias := getattr(layer, "bias", None), nn.Parameter)]
    if change is None or not _bias_fits(change, biases):
        return False
    rows = [len(swap.changed) for swap in here]
    changed = present + change.weight * strength
    for swap, new in zip(here, (_halves_swapped(changed) if several.swapped else changed).split(rows)):
        swap.changed = new.to(swap.parameter.device, swap.parameter.dtype)
        swaps[id(swap.parameter)] = swap
    if change.bias is not None and len(biases) == len(several):
        added_to_all = change.bias.reshape(-1)
        for bias, added in zip(biases, (_halves_swapped(added_to_all) if several.swapped else added_to_all).split(rows)):
            bias_swap = _swap_of(bias, swaps)
            moved = added.to(bias_swap.changed.device).reshape(bias_swap.changed.shape)
            bias_swap.changed = (bias_swap.changed.float() + moved * strength).to(bias_swap.parameter.dtype)
            swaps[id(bias_swap.parameter)] = bias_swap
    return True


def _bias_fits(change: LayerChange, biases: Sequence[nn.Parameter]) -> bool:
    """Whether what is added to the bias has as many values; where the layer has none, nothing is added."""
    return change.bias is None or not biases or change.bias.numel() == sum(bias.numel() for bias in biases)


def _halves_swapped(tensor: Tensor) -> Tensor:
    return torch.cat(tensor.chunk(2)[::-1])


def _swap_of(parameter: object, swaps: Mapping[int, _Swap]) -> _Swap:
    """What is asked of the parameter so far."""
    assert isinstance(parameter, nn.Parameter)
    return swaps.get(id(parameter)) or _Swap(parameter, parameter.data, parameter.data)
