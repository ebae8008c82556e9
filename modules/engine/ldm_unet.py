"""A UNet in CompVis' shape over diffusers': ``input_blocks``, ``middle_block``, ``output_blocks``, ``forward(x, timesteps, context, y)``.

Made when an extension first asks for it. From then on each call of diffusers' UNet looks whether something was done to what stands here;
only then it goes through these blocks. See ``ldm_layers`` for what is done to single parts.
"""
from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from modules.engine.ldm_layers import (
    SEQUENTIAL,
    BasicTransformerBlock,
    CrossAttention,
    Downsample,
    ResBlock,
    SpatialTransformer,
    TimestepEmbedSequential,
    Upsample,
    th,
)  # fmt: skip

log = logging.getLogger(__name__)


class UNetModel(nn.Module):
    """The whole. weights: shared with diffusers' UNet, so ``state_dict`` has CompVis' names and the values in use."""

    inner: Any
    run: Any
    own_blocks: tuple[Any, ...]
    stand_in: Any = None                            # a UNet that an extension runs in this one's place, called as ``forward`` is
    predict_codebook_ids = False

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.__dict__["inner"], self.__dict__["run"] = inner, inner.forward
        config = inner.config
        self.in_channels, self.out_channels, self.model_channels = config.in_channels, config.out_channels, inner.conv_in.out_channels
        self.num_classes = "sequential" if getattr(inner, "add_embedding", None) is not None else None
        self.time_embed = _embedding(inner.time_embedding)
        if getattr(inner, "add_embedding", None) is not None:
            self.label_emb = nn.Sequential(_embedding(inner.add_embedding))
        self.input_blocks = nn.ModuleList(_input_blocks(inner))
        middle = inner.mid_block
        self.middle_block = TimestepEmbedSequential(ResBlock(middle.resnets[0]), *(
            each for attention, resnet in zip(middle.attentions, middle.resnets[1:]) for each in (SpatialTransformer(attention), ResBlock(resnet))))  # fmt: skip
        self.output_blocks = nn.ModuleList(_output_blocks(inner))
        self.out = nn.Sequential(inner.conv_norm_out, nn.SiLU(), inner.conv_out)
        self.__dict__["own_blocks"] = self._blocks()
        inner.forward = self._called_by_diffusers

    def _blocks(self) -> tuple[Any, ...]:
        return (*self.input_blocks, self.middle_block, *self.output_blocks, self.out, self.time_embed)

    @property
    def is_touched(self) -> bool:
        """Whether a call must go through the blocks here."""
        now = self._blocks()
        own = self.own_blocks
        if self.stand_in is not None or "forward" in self.__dict__ or UNetModel.forward is not _WHOLE or self._forward_hooks or self._forward_pre_hooks or th.is_touched or len(now) != len(own):
            return True
        return any(one is not other or getattr(one, "is_touched", False) for one, other in zip(now, own))

    @property
    def _is_streamed(self) -> bool:
        """Whether diffusers' blocks come to the device one by one when they are called (--lowvram): then they must be called as wholes."""
        inner = self.inner
        streamed = any(block._forward_pre_hooks for block in (*inner.down_blocks, inner.mid_block, *inner.up_blocks))
        if streamed and not self.__dict__.get("has_said"):
            self.__dict__["has_said"] = True
            log.warning("The UNet is streamed block by block (--lowvram): what extensions did to its blocks as wholes does not act; their parts' own replacements do.")
        return streamed

    def _called_by_diffusers(self, sample: Tensor, timestep: Any, encoder_hidden_states: Tensor, *rest: Any, **named: Any) -> Any:
        if rest or not self.is_touched or self._is_streamed:
            return self.run(sample, timestep, encoder_hidden_states, *rest, **named)
        added = named.get("added_cond_kwargs") or {}
        y = added.get("time_ids")                   # embedded already: see loading/unet
        residuals = (named.get("down_block_additional_residuals"), named.get("mid_block_additional_residual"))
        self.__dict__["residuals"] = residuals if residuals[1] is not None else None
        try:
            found = self(sample, timesteps=timestep, context=encoder_hidden_states, **({} if y is None else {"y": y}))
        finally:
            self.__dict__["residuals"] = None
        return (found,)

    residuals: Any = None                           # what control networks add, while a call with them is under way

    def forward(self, x: Tensor, timesteps: Tensor | None = None, context: Tensor | None = None, y: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """x (B, C, h, w); timesteps (B,); context (B, T, width); y (B, V), SDXL's vector. Returns what the model predicts."""
        assert timesteps is not None
        if self.stand_in is not None:
            found: Tensor = self.stand_in(x, timesteps, context, **({} if y is None else {"y": y}))
            return found
        emb = self.time_embed(self.inner.get_time_embed(sample=x, timestep=timesteps))
        if y is not None and self.num_classes is not None:
            emb = emb + self.label_emb(y)
        h, kept = x, []
        for block in self.input_blocks:
            h = block(h, emb, context)
            kept.append(h)
        if self.residuals is not None:
            kept = [each + more for each, more in zip(kept, self.residuals[0])]
        h = self.middle_block(h, emb, context)
        if self.residuals is not None:
            h = h + self.residuals[1]
        for block in self.output_blocks:
            h = th.cat([h, kept.pop()], dim=1)
            h = block(h, emb, context)
        return self.out(h)

    @property
    def dtype(self) -> torch.dtype:
        return self.inner.dtype

    @property
    def device(self) -> torch.device:
        return self.inner.device

    def to(self, *_: Any, **__: Any) -> UNetModel:
        """The program itself moves models."""
        return self

    half = float = cuda = cpu = to  # type: ignore[assignment]


_WHOLE = UNetModel.forward


def _embedding(inner: Any) -> nn.Sequential:
    return nn.Sequential(inner.linear_1, nn.SiLU(), inner.linear_2)


def _input_blocks(inner: Any) -> list[TimestepEmbedSequential]:
    blocks = [TimestepEmbedSequential(inner.conv_in)]
    for down in inner.down_blocks:
        attentions = getattr(down, "attentions", None) or [None] * len(down.resnets)
        for resnet, attention in zip(down.resnets, attentions):
            blocks.append(TimestepEmbedSequential(ResBlock(resnet), *([SpatialTransformer(attention)] if attention is not None else [])))
        if down.downsamplers is not None:
            blocks.append(TimestepEmbedSequential(Downsample(down.downsamplers[0])))
    return blocks


def _output_blocks(inner: Any) -> list[TimestepEmbedSequential]:
    blocks = []
    for up in inner.up_blocks:
        attentions = getattr(up, "attentions", None) or [None] * len(up.resnets)
        for place, (resnet, attention) in enumerate(zip(up.resnets, attentions)):
            layers: list[nn.Module] = [ResBlock(resnet), *([SpatialTransformer(attention)] if attention is not None else [])]
            if up.upsamplers is not None and place == len(up.resnets) - 1:
                layers.append(Upsample(up.upsamplers[0]))
            blocks.append(TimestepEmbedSequential(*layers))
    return blocks


class DiffusionWrapper(nn.Module):
    """CompVis' ``sd_model.model``."""

    def __init__(self, unet: Any, conditioning_key: str) -> None:
        super().__init__()
        self.diffusion_model, self.conditioning_key = unet, conditioning_key

    def forward(self, x: Tensor, t: Tensor, c_concat: Any = None, c_crossattn: Any = None, c_adm: Any = None, **_: Any) -> Tensor:
        shown = torch.cat([x, *c_concat], dim=1) if c_concat else x
        return self.diffusion_model(shown, t, context=torch.cat(c_crossattn, 1), **({} if c_adm is None else {"y": c_adm}))


def parts_are_rewritten() -> bool:
    """Whether somebody replaced the work of all parts of a class: then the view must be there, though nobody asked for it."""
    classes = (ResBlock, CrossAttention, BasicTransformerBlock, SpatialTransformer, Upsample, Downsample)
    return any(each.is_rewritten() for each in classes) or UNetModel.forward is not _WHOLE or TimestepEmbedSequential.forward is not SEQUENTIAL


def ldm_view(unet: Any, *, conditioning_key: str = "crossattn") -> DiffusionWrapper:
    """The view of ``unet``, always the same one."""
    found = unet.__dict__.get("ldm_view")
    if found is None:
        found = DiffusionWrapper(UNetModel(unet), conditioning_key)
        unet.__dict__["ldm_view"] = found
    return found
