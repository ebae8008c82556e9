"""A control network file -> a module that turns a hint picture and noisy latents into what is added inside the UNet."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from modules.compute.attention import apply_attention
from modules.compute.policy import ComputePolicy
from modules.families.family import ModelFamily
from modules.library.model_file import ModelFile
from modules.loading.control_kinds import refusal_of, refuse_other_family, refuse_unknown
from modules.loading.control_layout import (
    adapter_config,
    adapter_names,
    controlnet_config,
    diffusers_config,
    diffusers_names,
    original_names,
    without_prefix,
)
from modules.loading.fill import prepared
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)


class ControlKind(Enum):
    """What a control file holds."""

    CONTROLNET = "ControlNet"
    T2I_ADAPTER = "T2I-Adapter"


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What is added inside the UNet. skips: to the skip connections, first to last, then the middle block's; inside: to the encoder's levels."""

    skips: tuple[Tensor, ...] = ()
    inside: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlNetwork:
    """A loaded control network. hint_encoder: run once per hint. pools: its residuals are averaged over the picture (shuffle models).

    context_width: of the text conditioning it was trained with; None where it reads none. hint_channels: 3, or 4 for inpainting adapters.
    """

    kind: ControlKind
    module: nn.Module
    file: ModelFile
    hint_encoder: nn.Module
    hint_channels: int
    context_width: int | None
    in_channels: int = 4
    pools: bool = False
    _encoded: list[tuple[Tensor, Any]] = field(default_factory=list, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    def encoded(self, hint: Tensor) -> Any:
        """``hint`` (1 or B, C, H, W; 0 .. 1) through the part that needs it only; remembered while the same tensor is asked for."""
        for known, found in self._encoded:
            if known is hint:
                return found
        found = self.hint_encoder(hint.to(self.dtype))
        self._encoded[:] = [*self._encoded[-3:], (hint, found)]
        return found

    def __call__(self, x: Tensor, timesteps: Tensor, context: Tensor, hint: Tensor, vector: Tensor | None = None) -> Residuals:
        """x: (R, C, h, w) as the UNet sees it; context (R, T, width); vector: SDXL's size and pooled text embedding, (R, V)."""
        encoded = self.encoded(hint)
        if self.kind is ControlKind.T2I_ADAPTER:
            return Residuals(inside=tuple(encoded))
        down, middle = self.module(
            x[:, : self.in_channels].to(self.dtype), timesteps, encoder_hidden_states=context.to(self.dtype), controlnet_cond=encoded,
            class_labels=None if vector is None else vector.to(self.dtype), return_dict=False,
        )  # fmt: skip
        return Residuals(skips=(*down, middle))


def load_control(file: ModelFile, family: ModelFamily, policy: ComputePolicy) -> ControlNetwork:
    """The control network of ``file``, for checkpoints of ``family``.

    Raises CannotLoad: damaged, not a control network, or of another family.
    """
    started = time.perf_counter()
    with closing(open_weights(file.path)) as weights:
        bare, _ = without_prefix(weights.header.shapes)
        kind = control_kind(weights.header.shapes)
        refuse_other_family(file.path, bare, family)
        if kind is None or refusal_of(bare):
            refuse_unknown(file.path, bare)
            raise CannotLoad(file.path, "it holds no ControlNet and no T2I-Adapter that this version knows", "Choose another control model.")
        build = _controlnet if kind is ControlKind.CONTROLNET else _adapter
        network = build(file, weights, family, policy)
    log.info("loaded %s %s in %.1f s", kind.value, file.stem, time.perf_counter() - started)
    return network


def control_kind(shapes: Any) -> ControlKind | None:
    """What the tensors' names say, or None."""
    bare, _ = without_prefix(shapes)
    if "input_hint_block.0.weight" in bare or "controlnet_cond_embedding.conv_in.weight" in bare:
        return ControlKind.CONTROLNET
    if "body.0.block1.weight" in bare or "body.0.resnets.0.block1.weight" in bare:
        return ControlKind.T2I_ADAPTER
    return None


class _AlreadyEncoded(nn.Module):
    """Stands where the hint is encoded at every call; the hint comes encoded."""

    def forward(self, encoded: Tensor) -> Tensor:
        return encoded


def _controlnet(file: ModelFile, weights: Weights, family: ModelFamily, policy: ComputePolicy) -> ControlNetwork:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    shapes, own_names = without_prefix(weights.header.shapes)
    is_original = "input_hint_block.0.weight" in shapes
    config = controlnet_config(file.path, shapes, family) if is_original else diffusers_config(file.path, shapes)
    found = original_names(shapes) if is_original else diffusers_names(shapes)
    with torch.device("meta"):
        module = ControlNetModel(**config)
    names = {ours: own_names[bare] for ours, bare in found.items()}
    filled = prepared(module, names, weights, part="ControlNet").fill(dtype=_dtype(policy), device=torch.device(policy.load_device))
    apply_attention(filled, policy)
    encoder = filled.controlnet_cond_embedding
    filled.set_submodule("controlnet_cond_embedding", _AlreadyEncoded())
    return ControlNetwork(
        kind=ControlKind.CONTROLNET, module=filled, file=file, hint_encoder=encoder,
        hint_channels=config["conditioning_channels"], context_width=config["cross_attention_dim"], in_channels=config["in_channels"],
        pools="shuffle" in file.stem.lower(),
    )  # fmt: skip


def _adapter(file: ModelFile, weights: Weights, family: ModelFamily, policy: ComputePolicy) -> ControlNetwork:
    from diffusers.models.adapter import T2IAdapter

    shapes, own_names = without_prefix(weights.header.shapes)
    config = adapter_config(file.path, shapes)
    with torch.device("meta"):
        module = T2IAdapter(**config)
    names = {ours: own_names[bare] for ours, bare in adapter_names(shapes).items()}
    filled = prepared(module, names, weights, part="T2I-Adapter").fill(dtype=_dtype(policy), device=torch.device(policy.load_device))
    for each in filled.modules():
        if isinstance(each, nn.AvgPool2d):
            each.ceil_mode = False                  # as the original: an odd row is left out, not averaged alone
    return ControlNetwork(
        kind=ControlKind.T2I_ADAPTER, module=filled, file=file, hint_encoder=filled, hint_channels=config["in_channels"], context_width=None
    )


def _dtype(policy: ComputePolicy) -> torch.dtype:
    return getattr(torch, policy.compute_dtype)     # weights kept in 8 bits could not be computed with as they are
