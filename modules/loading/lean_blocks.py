"""diffusers' blocks without what a picture does not need: divisions by one, copies for gradients, a look at a signature per attention.

The modules stay where they are and keep their names and parts, so that hooks on them act as before; the numbers are the same. Anything unusual
(gradients, masks, other kinds of norm, exchanged attention) goes diffusers' own way.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models import activations, attention, attention_processor, downsampling, resnet, upsampling
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

from modules.compute.hooked import is_free
from modules.compute.memory import give_freed_blocks_back
from modules.compute.processor_layers import Linear, linear_is_of_torch
from modules.compute.products import team
from modules.loading.lean_vae import LEAN_VAE

_INNER_VALUES = 1 << 20                             # 4 MB in float32
_FEWEST_VALUES_TO_TIDY = 1 << 19                    # 2 MB; where maps are smaller, it would take longer than the work
_FEWEST_TOKENS = 128                                # with fewer at once, reading the weights takes longer than the products


class ResnetBlock2D(resnet.ResnetBlock2D):
    """Takes the results of its own layers for itself instead of copying them; (B, C, h, w) and the time's embedding."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *arguments: Any, **named: Any) -> Tensor:
        if arguments or named or torch.is_grad_enabled() or not self._is_plain:
            return super().forward(input_tensor, temb, *arguments, **named)  # type: ignore[arg-type]
        hidden = self.conv1(silu(self.norm1(input_tensor), inplace=True))
        if self.time_emb_proj is not None and temb is not None:
            hidden.add_(self.time_emb_proj(silu(temb))[:, :, None, None])
        normed = silu(self.norm2(hidden), inplace=True)
        del hidden                                  # one map less while the next one is made
        hidden = self.conv2(normed)
        del normed
        hidden.add_(input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))
        return hidden if self.output_scale_factor == 1 else hidden.div_(self.output_scale_factor)

    @property
    def _is_plain(self) -> bool:
        has_usual_time = self.time_embedding_norm == "default" or (self.time_embedding_norm == "group" and self.time_emb_proj is None)     # a VAE's
        usual = has_usual_time and isinstance(self.nonlinearity, nn.SiLU) and not self.skip_time_act
        return usual and self.upsample is None and self.downsample is None and not self.training


class BasicTransformerBlock(attention.BasicTransformerBlock):
    """Self-attention, attention to the prompt, feed-forward; tokens (B, N, C)."""

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None, timestep: Tensor | None = None, cross_attention_kwargs: Any = None,
        class_labels: Tensor | None = None, added_cond_kwargs: Any = None,
    ) -> Tensor:  # fmt: skip
        is_plain = self.norm_type == "layer_norm" and self.pos_embed is None and self.attn2 is not None and self._chunk_size is None
        if torch.is_grad_enabled() or cross_attention_kwargs or not is_plain or hidden_states.ndim != 3:
            return super().forward(
                hidden_states, attention_mask, encoder_hidden_states, encoder_attention_mask, timestep, cross_attention_kwargs,  # type: ignore[arg-type]
                class_labels, added_cond_kwargs,  # type: ignore[arg-type]
            )  # fmt: skip
        assert self.attn2 is not None and self.norm2 is not None and self.norm3 is not None
        own_context = encoder_hidden_states if self.only_cross_attention else None
        hidden = self.attn1(self.norm1(hidden_states), encoder_hidden_states=own_context, attention_mask=attention_mask) + hidden_states
        hidden = self.attn2(self.norm2(hidden), encoder_hidden_states=encoder_hidden_states, attention_mask=encoder_attention_mask) + hidden
        return self.ff(self.norm3(hidden)) + hidden


class GEGLU(activations.GEGLU):
    """The gate is made in the memory of its own result."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        if arguments or named or torch.is_grad_enabled():
            return super().forward(hidden_states, *arguments, **named)
        values, gate = self.proj(hidden_states).chunk(2, dim=-1)
        return gelu(gate).mul_(values)


class FeedForward(attention.FeedForward):
    """Tokens (B, N, C). On the processor many of them go through in lots whose inner values, eight times as many, stay in its cache."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        widened: Any = self.net[0]
        last: Any = self.net[-1]
        tokens = hidden_states.reshape(-1, hidden_states.shape[-1])
        is_usual = type(widened) is GEGLU and type(last) in (nn.Linear, Linear) and len(self.net) == 3 and linear_is_of_torch() and not (arguments or named or self.training or torch.is_grad_enabled())
        if not is_usual or hidden_states.device.type != "cpu" or not all(is_free(each) for each in (*self.net, widened.proj)):
            return super().forward(hidden_states, *arguments, **named)
        hands = team(tokens.numel() * widened.proj.out_features)
        at_once = max(_FEWEST_TOKENS, _INNER_VALUES // widened.proj.out_features)
        if len(tokens) <= at_once:
            return super().forward(hidden_states)
        found = tokens.new_empty(len(tokens), last.out_features)
        parts = -(-len(tokens) // (at_once * hands.count)) * hands.count
        waiting = iter(tuple(zip(tokens.tensor_split(parts), found.tensor_split(parts))))       # who is ready takes the next lot

        def work() -> None:
            for rows, into in waiting:
                into.copy_(last(widened(rows)))

        hands.do([work] * hands.count)
        return found.view(*hidden_states.shape[:-1], -1)


class Attention(attention_processor.Attention):
    """PyTorch's own attention at once, where nothing else was put in its place."""

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, attention_mask: Tensor | None = None, **named: Any) -> Tensor:
        if named:
            return super().forward(hidden_states, encoder_hidden_states, attention_mask, **named)
        if type(self.processor) is not AttnProcessor2_0 or attention_mask is not None or hidden_states.ndim != 3 or not self._is_plain:
            return self.processor(self, hidden_states, encoder_hidden_states=encoder_hidden_states, attention_mask=attention_mask)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        assert self.to_k is not None and self.to_v is not None and self.to_out is not None
        query, key, value = self.to_q(hidden_states), self.to_k(context), self.to_v(context)
        heads = (self.heads, key.shape[-1] // self.heads)
        query, key, value = (each.unflatten(-1, heads).transpose(1, 2) for each in (query, key, value))
        found = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return self.to_out[1](self.to_out[0](found))

    @property
    def _is_plain(self) -> bool:
        has_norms = any(each is not None for each in (self.group_norm, self.spatial_norm, self.norm_q, self.norm_k)) or self.norm_cross
        return not has_norms and not self.residual_connection and self.rescale_output_factor == 1


class Downsample2D(downsampling.Downsample2D):
    """Begins with no more memory than it needs: what the larger maps left behind is in sizes that do not fit now."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        _tidy(hidden_states)
        return super().forward(hidden_states, *arguments, **named)


class Upsample2D(upsampling.Upsample2D):
    """As ``Downsample2D``."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        _tidy(hidden_states)
        return super().forward(hidden_states, *arguments, **named)


def _tidy(hidden: Tensor) -> None:
    if hidden.device.type == "cpu" and hidden.numel() >= _FEWEST_VALUES_TO_TIDY:
        give_freed_blocks_back()


_LEAN: dict[type[nn.Module], type[nn.Module]] = {
    resnet.ResnetBlock2D: ResnetBlock2D,
    attention.BasicTransformerBlock: BasicTransformerBlock,
    activations.GEGLU: GEGLU,
    attention.FeedForward: FeedForward,
    attention_processor.Attention: Attention,
    downsampling.Downsample2D: Downsample2D,
    upsampling.Upsample2D: Upsample2D,
    **LEAN_VAE,
}


def make_lean(model: nn.Module) -> None:
    """Let the blocks of ``model`` (a UNet or VAE of diffusers) work in the ways above."""
    for module in model.modules():
        kind = _LEAN.get(type(module))
        if kind is not None:
            module.__class__ = kind
