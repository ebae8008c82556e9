"""The parts of a UNet under CompVis' names and classes, each over the part of diffusers' UNet that holds the same weights.

What an extension does to one of them (a forward of its own, a hook) takes effect wherever the part is used: each of diffusers' parts
asks its counterpart here before it works (``bridged``). Where nothing was done, diffusers' own code runs as if this were not here.
"""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_WORK = ("forward", "_forward")


class Layer(nn.Module):
    """inner: diffusers' part. failed: told (function, class, error) when what somebody put in its place raises; then diffusers' part works."""

    failed: ClassVar[Callable[[Any, str, BaseException], None]] = staticmethod(lambda code, place, error: log.error("%s failed in the UNet", place, exc_info=error))

    inner: Any
    own: Any
    built_as: type[Layer]
    asked: bool
    working: bool
    as_written: ClassVar[dict[str, Any]] = {}      # the class's own forward and _forward, which extensions may replace in the class

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        cls.as_written = {**cls.as_written, **{name: vars(cls)[name] for name in _WORK if name in vars(cls)}}

    @classmethod
    def is_rewritten(cls) -> bool:
        """Whether somebody replaced the work of all parts of this class."""
        return any(getattr(cls, name) is not own for name, own in cls.as_written.items())

    def over(self, inner: nn.Module) -> None:
        self.__dict__["inner"] = inner              # not as a submodule: its weights have their names here already
        self.__dict__["own"] = inner.forward        # whatever bridges were built since
        self.__dict__["built_as"] = type(self)
        self.__dict__["asked"] = self.__dict__["working"] = False

    def run(self, *given: Any, **named: Any) -> Any:
        """Diffusers' part at work. Its hooks have been called where it asked us; where this was called by itself they are called now."""
        if self.asked:
            return self.own(*given, **named)
        self.__dict__["working"] = True
        try:
            return self.inner(*given, **named)
        finally:
            self.__dict__["working"] = False

    @property
    def is_touched(self) -> bool:
        """Whether somebody replaced its forward or its class's, made it one of another class (as token merging does), or put a hook on it."""
        return (
            not self.__dict__.keys().isdisjoint(_WORK) or type(self) is not self.built_as or self.built_as.is_rewritten()
            or any(getattr(self, name) for name in _HOOKS)
        )

    def replaced_inside(self) -> Callable[..., Any] | None:
        """What somebody put in the place of CompVis' _forward, which forward calls."""
        inside: Any = self._forward
        return None if getattr(inside, "__func__", None) is self.built_as.as_written["_forward"] else inside


def bridged(layer: Any, arguments: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]], answer: Callable[[Any], Any] = lambda out: out) -> None:
    """Diffusers' part asks ``layer`` where that was touched. arguments: its call in CompVis' form; answer: the result in diffusers' form."""

    def forward(*given: Any, **named: Any) -> Any:
        if layer.working or not layer.is_touched:
            return layer.own(*given, **named)
        positional, keywords = arguments(*given, **named)
        layer.__dict__["asked"] = True
        try:
            return answer(layer(*positional, **keywords))
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            type(layer).failed(layer.__dict__.get("forward"), type(layer).__name__, error)
            return layer.own(*given, **named)
        finally:
            layer.__dict__["asked"] = False

    layer.inner.forward = forward


class TimestepBlock(Layer):
    """A part that is told of the time: forward(x, emb)."""


class ResBlock(TimestepBlock):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.channels, self.out_channels, self.emb_channels = inner.in_channels, inner.out_channels, inner.time_emb_proj.in_features
        self.in_layers = nn.Sequential(inner.norm1, nn.SiLU(), inner.conv1)
        self.emb_layers = nn.Sequential(nn.SiLU(), inner.time_emb_proj)
        self.out_layers = nn.Sequential(inner.norm2, nn.SiLU(), inner.dropout, inner.conv2)
        self.skip_connection = inner.conv_shortcut if inner.conv_shortcut is not None else nn.Identity()
        self.updown = self.use_conv = self.use_checkpoint = self.use_scale_shift_norm = self.skip_t_emb = self.exchange_temb_dims = False
        self.h_upd, self.x_upd, self.dropout = nn.Identity(), nn.Identity(), inner.dropout.p
        bridged(self, lambda input_tensor, temb, *_, **__: ((input_tensor, temb), {}))

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        inside = self.replaced_inside()
        return self.run(x, emb) if inside is None else inside(x, emb)

    def _forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.run(x, emb)


class Downsample(Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.op, self.channels, self.out_channels, self.dims, self.use_conv = inner.conv, inner.channels, inner.out_channels, 2, True
        bridged(self, lambda hidden_states, *_, **__: ((hidden_states,), {}))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Upsample(Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.conv, self.channels, self.out_channels, self.dims, self.use_conv = inner.conv, inner.channels, inner.out_channels, 2, True
        bridged(self, lambda hidden_states, output_size=None, *_, **__: ((hidden_states,), {"output_size": output_size} if output_size is not None else {}))

    def forward(self, x: Tensor, output_shape: Any = None, output_size: Any = None) -> Tensor:
        return self.run(x, output_size if output_size is not None else None if output_shape is None else output_shape[-2:])


class CrossAttention(Layer):
    """forward(x, context=None, mask=None); self-attention where there is no context."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.to_q, self.to_k, self.to_v, self.to_out = inner.to_q, inner.to_k, inner.to_v, nn.Sequential(*inner.to_out)
        self.heads, self.dim_head, self.scale = inner.heads, inner.inner_dim // inner.heads, inner.scale
        self.attn_precision = None

        def in_ldm_form(hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: Any = None, **_: Any) -> Any:
            keywords = {"context": encoder_hidden_states} | ({"mask": attention_mask} if attention_mask is not None else {})
            return (hidden_states,), keywords

        bridged(self, in_ldm_form)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, **_: Any) -> Tensor:
        return self.run(x, encoder_hidden_states=context, attention_mask=mask)


class MemoryEfficientCrossAttention(CrossAttention):
    """The same under the name that A1111 has with xformers."""


class BasicTransformerBlock(Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.attn1, self.ff = CrossAttention(inner.attn1), inner.ff
        self.attn2 = CrossAttention(inner.attn2) if inner.attn2 is not None else None
        self.norm1, self.norm2, self.norm3 = inner.norm1, inner.norm2, inner.norm3
        self.disable_self_attn, self.checkpoint = False, False
        bridged(self, lambda hidden_states, attention_mask=None, encoder_hidden_states=None, **_: ((hidden_states,), {"context": encoder_hidden_states}))

    def forward(self, x: Tensor, context: Tensor | None = None, **_: Any) -> Tensor:
        inside = self.replaced_inside()
        return self.run(x, encoder_hidden_states=context) if inside is None else inside(x, context)

    def _forward(self, x: Tensor, context: Tensor | None = None, **_: Any) -> Tensor:
        """As CompVis' blocks do it, over the parts that stand here."""
        x = self.attn1(self.norm1(x), context=None) + x
        if self.attn2 is not None:
            x = self.attn2(self.norm2(x), context=context) + x
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(Layer):
    """forward(x, context=None) with x (B, C, h, w)."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.norm, self.proj_in, self.proj_out = inner.norm, inner.proj_in, inner.proj_out
        self.transformer_blocks = nn.ModuleList(BasicTransformerBlock(each) for each in inner.transformer_blocks)
        self.in_channels, self.use_linear = inner.in_channels, isinstance(inner.proj_in, nn.Linear)
        bridged(self, lambda hidden_states, encoder_hidden_states=None, **_: ((hidden_states,), {"context": encoder_hidden_states}), lambda out: (out,))

    def forward(self, x: Tensor, context: Tensor | None = None, **_: Any) -> Tensor:
        return self.run(x, encoder_hidden_states=context, return_dict=False)[0]


class TimestepEmbedSequential(nn.Sequential):
    """Parts one after the other, each told what its kind wants to know."""

    @property
    def is_touched(self) -> bool:
        return "forward" in self.__dict__ or TimestepEmbedSequential.forward is not SEQUENTIAL or any(getattr(self, name) for name in _HOOKS)

    def forward(self, x: Tensor, emb: Tensor | None = None, context: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        for layer in self:
            if isinstance(layer, TimestepBlock | TimestepEmbedSequential):
                x = layer(x, emb, context) if isinstance(layer, TimestepEmbedSequential) else layer(x, emb)
            else:
                x = layer(x, context) if isinstance(layer, SpatialTransformer) else layer(x)
        return x


SEQUENTIAL = TimestepEmbedSequential.forward


class TorchForUnet:
    """A1111's ``sd_hijack_unet.th``: torch, with a ``cat`` that fits the first of two latents to the second. Extensions put their own there."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def cat(self, tensors: Any, *arguments: Any, **keywords: Any) -> Tensor:
        if len(tensors) == 2 and tensors[0].shape[-2:] != tensors[1].shape[-2:]:
            fitted = nn.functional.interpolate(tensors[0], tensors[1].shape[-2:], mode="nearest")
            return torch.cat((fitted, tensors[1]), *arguments, **keywords)
        return torch.cat(tensors, *arguments, **keywords)

    @property
    def is_touched(self) -> bool:
        return "cat" in self.__dict__ or type(self).cat is not _OWN_CAT


_OWN_CAT = TorchForUnet.cat
th = TorchForUnet()
