"""A control file -> the network in it: ControlNets of every layout here, the other kinds by their own files of this room."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any, cast

import torch
from torch import Tensor, nn

from modules.compute.attention import apply_attention
from modules.compute.policy import ComputePolicy
from modules.families.family import UNET, ModelFamily
from modules.library.model_file import ModelFile
from modules.loading.components import Components
from modules.loading.control_kinds import ControlKind, checked, family_words, named_instant_id
from modules.loading.control_layout import controlnet_config, diffusers_config, diffusers_names, original_names, without_prefix
from modules.loading.control_lora import DOWN, UP, lend
from modules.loading.control_network import ControlNetwork
from modules.loading.embeddings import are_numbers
from modules.loading.fill import prepared
from modules.loading.ip_adapter import ImagePromptNetwork, image_prompt_network
from modules.loading.t2i_adapter import style_adapter, t2i_adapter
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)
AnyNetwork = ControlNetwork | ImagePromptNetwork
_MARKS = ("difference", "lora_controlnet")          # tensors that say something by being there
_LAST_HINT_BLOCK = "input_hint_block.14"


def load_control(file: ModelFile, family: ModelFamily, policy: ComputePolicy, *, base: Components | None = None) -> AnyNetwork:
    """The control network of ``file``, for checkpoints of ``family``.

    base: the checkpoint in use, which Control-LoRAs and difference models build upon.
    Raises CannotLoad: damaged, not a control network, or of another family.
    """
    if family.is_flow:
        raise CannotLoad(file.path, f"control networks cannot steer {family.name} checkpoints yet", "Switch the control unit off, or choose an SD or SDXL checkpoint.")
    started = time.perf_counter()
    dtype, device = getattr(torch, policy.compute_dtype), torch.device(policy.load_device)    # weights kept in 8 bits could not be computed with
    with closing(open_weights(file.path)) as weights:
        facts = checked(file.path, without_prefix(weights.header.shapes)[0], family)
        network: AnyNetwork
        if facts.kind is ControlKind.IP_ADAPTER:
            network = image_prompt_network(file, weights, dtype=dtype, device=device)
        elif facts.kind is ControlKind.STYLE_ADAPTER:
            network = style_adapter(file, weights, dtype=dtype, device=device)
        elif facts.kind is ControlKind.T2I_ADAPTER:
            network = t2i_adapter(file, weights, dtype=dtype, device=device)
        elif facts.kind is ControlKind.LORA:
            network = _control_lora(file, weights, _needed(file, base), policy)
        else:
            network = _controlnet(file, weights, family, policy, base)
    if base is not None and isinstance(network, ControlNetwork) and network.kind.is_controlnet and not _fits(network, base):
        raise CannotLoad(file.path, f"it was made for checkpoints of other sizes than {base.checkpoint.stem} ({family.name})",
                         f"Choose a control model for {family_words(family)}, or load the checkpoint that it was made for.")
    if isinstance(network, ControlNetwork) and network.kind is not ControlKind.LORA:      # a Control-LoRA shares the checkpoint's weights
        _check_numbers(file, network)
    log.info("loaded %s %s in %.1f s", network.kind.value, file.stem, time.perf_counter() - started)
    return network


def _check_numbers(file: ModelFile, network: ControlNetwork) -> None:
    """Here, for later it would look like the checkpoint's fault. A network that has shapes only, and no values, is passed over."""
    for module in (network.module, network.hint_encoder):
        for name, tensor in module.named_parameters():
            if not tensor.is_meta and not are_numbers(tensor):
                raise CannotLoad(file.path, f"the values of {name} are not all numbers, as after a training that failed", "Choose another version of it.")


def _fits(network: ControlNetwork, base: Components) -> bool:
    """For sizes that no family has: whether it reads the same text and size embedding, and its first layer is as wide."""
    theirs, ours = base.unet.config, cast(Any, network.module)
    return (
        network.context_width == theirs["cross_attention_dim"] and (ours.class_embedding is not None) == bool(theirs.get("addition_embed_type"))
        and list(ours.config.block_out_channels) == list(theirs["block_out_channels"])
    )  # fmt: skip


class _AlreadyEncoded(nn.Module):
    """Stands where the hint is encoded at every call; the hint comes encoded."""

    def forward(self, encoded: Tensor) -> Tensor:
        return encoded


def _controlnet(file: ModelFile, weights: Weights, family: ModelFamily, policy: ComputePolicy, base: Components | None) -> ControlNetwork:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    from modules.loading.control_union import union_name

    bare, own_names = without_prefix(weights.header.shapes)
    shapes = {name: shape for name, shape in bare.items() if name not in _MARKS}
    union = {ours: name for name in shapes if (ours := union_name(name)) is not None}
    plain = {name: shape for name, shape in shapes.items() if name not in union.values()}
    is_original = "input_hint_block.0.weight" in plain
    config = controlnet_config(file.path, plain, family) if is_original else diffusers_config(file.path, plain)
    found = original_names(plain) if is_original else diffusers_names(plain)
    kinds = 0
    with torch.device("meta"):
        module = ControlNetModel(**config)
        if union:
            kinds = _into_union(file, module, shapes)
            found = {_inside_union(name): source for name, source in found.items()} | union
    names = {ours: own_names[theirs] for ours, theirs in found.items()}
    filled = prepared(module, names, weights, part="ControlNet").fill(dtype=getattr(torch, policy.compute_dtype), device=torch.device(policy.load_device))
    is_difference = "difference" in bare
    if is_difference:
        _add_checkpoint(file, filled, found, _needed(file, base))
    return ControlNetwork(
        kind=ControlKind.UNION if union else ControlKind.CONTROLNET, module=filled, file=file, hint_encoder=_taken_out(filled, policy), hint_kinds=kinds,
        hint_channels=config["conditioning_channels"], context_width=config["cross_attention_dim"], in_channels=config["in_channels"],
        pools="shuffle" in file.stem.lower(), reads_person=not union and named_instant_id(file.path), base=base.unet if is_difference and base is not None else None,
    )  # fmt: skip


def _taken_out(module: Any, policy: ComputePolicy) -> nn.Module:
    """The part that only the hint goes through, which then comes to ``module`` encoded."""
    apply_attention(module, policy)
    encoder = module.controlnet_cond_embedding
    module.set_submodule("controlnet_cond_embedding", _AlreadyEncoded())
    return encoder


def _into_union(file: ModelFile, module: Any, shapes: Any) -> int:
    """Put what only a union network has into ``module``; how many kinds of hint it knows."""
    from modules.loading.control_union import KindEmbedding, UnionHint

    kinds, width = shapes["task_embedding"]
    if module.class_embedding is None:
        raise CannotLoad(file.path, "it is a ControlNet Union without a size embedding", "Choose a ControlNet Union for SDXL.")
    layers = len({name.split(".")[1] for name in shapes if name.startswith("transformer_layes.")})
    module.controlnet_cond_embedding = UnionHint(module.controlnet_cond_embedding, kinds=kinds, width=width, layers=layers)
    module.class_embedding = KindEmbedding(module.class_embedding, kinds=kinds, time_width=shapes["control_add_embedding.linear_2.weight"][0])
    return kinds


def _inside_union(name: str) -> str:
    for part, inner in (("controlnet_cond_embedding.", "encoder."), ("class_embedding.", "size.")):
        if name.startswith(part):
            return part + inner + name.removeprefix(part)
    return name


def _add_checkpoint(file: ModelFile, module: nn.Module, found: Any, base: Components) -> None:
    """A difference model holds what is to be added to the checkpoint's own encoder, which is read from its file: LoRAs are not in it."""
    with closing(open_weights(base.checkpoint.path)) as weights:
        for name, parameter in module.named_parameters():
            source = f"{UNET}{found[name]}"
            shape = weights.header.shapes.get(source)
            if shape is None:
                continue
            if torch.Size(shape).numel() != parameter.numel():
                raise CannotLoad(file.path, f"its tensor {found[name]} does not fit the loaded checkpoint", "Choose a checkpoint of the kind it was trained for.")
            own = weights.read(source, torch.float32, torch.device("cpu")).reshape(parameter.shape)
            parameter.data = (parameter.data.float() + own.to(parameter.device)).to(parameter.dtype)


def _control_lora(file: ModelFile, weights: Weights, base: Components, policy: ComputePolicy) -> ControlNetwork:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    bare, own_names = without_prefix(weights.header.shapes)
    shapes = {name: shape for name, shape in bare.items() if name not in _MARKS}
    config = _lora_config(file, shapes, base.unet.config)
    with torch.device("meta"):
        module = ControlNetModel(**config)
    dtype, device = getattr(torch, policy.compute_dtype), torch.device(policy.load_device)
    tensors, parameters = {}, dict(module.named_parameters())
    for ours, (name, part) in _lora_names(shapes).items():
        tensors[ours] = weights.read(own_names[name], dtype, device)
        wanted = parameters.get(ours) if not part else None
        if wanted is not None:
            if wanted.numel() != tensors[ours].numel():
                raise CannotLoad(file.path, f"its tensor {name} does not fit the loaded checkpoint", "Choose a Control-LoRA for this kind of checkpoint.")
            tensors[ours] = tensors[ours].reshape(wanted.shape)
    lend(module, base.unet, tensors, file.path)
    return ControlNetwork(
        kind=ControlKind.LORA, module=module, file=file, hint_encoder=_taken_out(module, policy), hint_channels=config["conditioning_channels"],
        context_width=config["cross_attention_dim"], in_channels=config["in_channels"], base=base.unet, shares_weights=True,
    )  # fmt: skip


def _lora_config(file: ModelFile, shapes: Any, base: Any) -> dict[str, Any]:
    """The checkpoint's own sizes, with the file's for the hint."""
    first = shapes.get("input_hint_block.0.weight")
    if first is None or f"{_LAST_HINT_BLOCK}.weight" not in shapes:
        raise CannotLoad(file.path, "the Control-LoRA lacks the part that reads the picture", "Download the file again.")
    same = ("down_block_types", "mid_block_type", "block_out_channels", "layers_per_block", "cross_attention_dim", "transformer_layers_per_block",
            "attention_head_dim", "use_linear_projection")
    widths = [shapes[f"input_hint_block.{number}.weight"][0] for number in (0, 4, 8, 12)]
    config = {name: base[name] for name in same} | {"conditioning_channels": first[1], "conditioning_embedding_out_channels": widths, "in_channels": 4}
    if base.get("addition_embed_type"):
        config |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": base["projection_class_embeddings_input_dim"]}
    return config


def _lora_names(shapes: Any) -> dict[str, tuple[str, str]]:
    """The module's name of every tensor, factors by the name of their layer -> (bare name in the file, UP or DOWN or "")."""
    factors = {name: (name.removesuffix(part), part) for part in (UP, DOWN) for name in shapes if name.endswith(part)}
    stems = {f"{stem}.weight": stem for stem, _ in factors.values()}
    found = {}
    for ours, theirs in original_names({**{name: shape for name, shape in shapes.items() if name not in factors}, **dict.fromkeys(stems, (0,))}).items():
        stem = stems.get(theirs)
        if stem is None:
            found[ours] = (theirs, "")
            continue
        for part in (UP, DOWN):
            if f"{stem}{part}" in shapes:
                found[ours.removesuffix(".weight") + part] = (f"{stem}{part}", part)
    return found


def _needed(file: ModelFile, base: Components | None) -> Components:
    if base is None:
        raise CannotLoad(file.path, "it builds upon the checkpoint in use, and none is loaded", "Load a checkpoint first.")
    return base
