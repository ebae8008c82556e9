"""diffusers' VAE for large pictures on the processor: band by band, in the memory of its own results, so that it takes half as much.

Where somebody hooked or exchanged one of its parts, it works as diffusers has it.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models import downsampling, resnet, upsampling
from diffusers.models.autoencoders import vae
from diffusers.models.unets.unet_2d_blocks import DownEncoderBlock2D, UpDecoderBlock2D
from torch import Tensor, nn

from modules.compute.bands import Doubled, convolve, convolve_plainly, halve, normed
from modules.compute.convolution import Scratch, thread_scratch
from modules.compute.hooked import is_free, watch
from modules.compute.memory import give_freed_blocks_back
from modules.compute.processor_layers import SquareConv2d
from modules.loading.unread import put_back_parts

_CELL = 8                                           # pixels
_FEWEST_VALUES = 1 << 21                            # of a map, 8 MB: smaller ones are in the processor's cache anyway
_FEWEST_VALUES_OF_LARGE = 1 << 24                   # 64 MB, and there are four such at the end: reading the first blocks' weights again takes less time than drawing it
_ROWS_AT_ONCE = 1 << 14


class Decoder(vae.Decoder):
    """Latents (B, C, h, w) to pixels (B, 3, 8 h, 8 w)."""

    def forward(self, sample: Tensor, latent_embeds: Tensor | None = None) -> Tensor:
        if latent_embeds is not None or torch.is_grad_enabled() or not self._suits(sample):
            return super().forward(sample, latent_embeds)
        scratch = thread_scratch()
        _free(scratch)                              # of the denoiser's
        is_large = self._values(sample) >= _FEWEST_VALUES_OF_LARGE
        hidden = self.mid_block(self.conv_in(sample), None)
        del sample
        before = "mid_block"
        for number, block in enumerate(self.up_blocks):
            _free(scratch)                          # what follows is larger than what was before, and needs less beside it
            if is_large:
                put_back_parts(self, before)
            for part in (*block.resnets, *(block.upsamplers or ())):       # type: ignore[misc, union-attr]
                hidden = _through(part, hidden, scratch)
            before = f"up_blocks.{number}"
        norm: Any = self.conv_norm_out              # SpatialNorm has latent_embeds
        for part in (norm, self.conv_act, self.conv_out):
            watch(part)
        found = convolve_plainly(self.conv_out, normed(_map(hidden), norm, scratch), scratch)
        scratch.clear()
        return found

    def _values(self, sample: Tensor) -> int:
        """Of the last map that is made from ``sample``."""
        return sample.shape[-2] * sample.shape[-1] * _CELL**2 * self.conv_out.in_channels

    def _suits(self, sample: Tensor) -> bool:
        return _suits(self, sample, self._values(sample))


class Encoder(vae.Encoder):
    """Pixels (B, 3, 8 h, 8 w) to (B, 2 C, h, w): what a VAE's distribution is made of."""

    def forward(self, sample: Tensor) -> Tensor:
        values = sample.shape[-2] * sample.shape[-1] * self.conv_in.out_channels
        if torch.is_grad_enabled() or not _suits(self, sample, values):
            return super().forward(sample)
        scratch = thread_scratch()
        _free(scratch)                              # of what was calculated before
        hidden = self.conv_in(sample)
        del sample
        for block in self.down_blocks:
            for part in (*block.resnets, *(block.downsamplers or ())):     # type: ignore[misc, union-attr]
                hidden = _through(part, hidden, scratch)
            _free(scratch)
        return self.conv_out(self.conv_act(self.conv_norm_out(self.mid_block(hidden))))


def _suits(model: nn.Module, sample: Tensor, values: int) -> bool:
    """Whether ``model``, with nothing exchanged in it, makes maps of ``values`` from one picture in float32 on the processor, and these are large."""
    if len(sample) != 1 or values < _FEWEST_VALUES or sample.dtype is not torch.float32 or sample.device.type != "cpu":
        return False
    return all(is_free(part) and _is_plain(part) for part in model.modules() if part is not model)


def _is_plain(part: nn.Module) -> bool:
    """Nothing in a VAE that is computed in another way than here."""
    if isinstance(part, UpDecoderBlock2D | DownEncoderBlock2D):
        return type(part) in (UpDecoderBlock2D, DownEncoderBlock2D)
    if isinstance(part, resnet.ResnetBlock2D):
        usual = part.time_embedding_norm in ("default", "group") and isinstance(part.nonlinearity, nn.SiLU) and part.time_emb_proj is None
        has_own = part.upsample is None and part.downsample is None and part.output_scale_factor == 1 and not part.training
        shortcut = part.conv_shortcut
        return usual and has_own and (shortcut is None or (isinstance(shortcut, nn.Conv2d) and shortcut.kernel_size == (1, 1) and shortcut.stride == (1, 1)))
    if isinstance(part, upsampling.Upsample2D):
        return part.use_conv and not part.use_conv_transpose and part.norm is None and part.interpolate and part.name == "conv"
    if isinstance(part, downsampling.Downsample2D):
        return part.use_conv and part.norm is None and part.padding == 0 and isinstance(part.conv, nn.Conv2d) and (part.conv.kernel_size, part.conv.stride) == ((3, 3), (2, 2))
    if isinstance(part, nn.Conv2d):
        return part.padding_mode == "zeros" and part.weight.dtype is torch.float32 and part.weight.device.type == "cpu"
    return not isinstance(part, nn.GroupNorm) or part.affine


def _free(scratch: Scratch) -> None:
    """Also what the allocator keeps: it is in sizes that do not fit later."""
    scratch.clear()
    give_freed_blocks_back()


def _through(part: Any, hidden: Tensor, scratch: Scratch) -> Tensor:
    """``hidden`` (1, C, h, w) through a block or a change of size; its memory is used for the result."""
    is_upsampling, is_downsampling = isinstance(part, upsampling.Upsample2D), isinstance(part, downsampling.Downsample2D)
    convolutions: tuple[Any, ...] = () if is_downsampling else (part.conv,) if is_upsampling else (part.conv1, part.conv2)
    if hidden.numel() < _FEWEST_VALUES or not all(isinstance(each, SquareConv2d) for each in convolutions):
        return part(hidden) if is_upsampling or is_downsampling else part(hidden, None)
    for each in part.modules():
        watch(each)
    if is_downsampling:
        return halve(part.conv, _map(hidden), scratch)
    hidden = hidden.contiguous(memory_format=torch.channels_last)
    if is_upsampling:
        _free(scratch)                              # the result is the largest there is
        source, layer = Doubled(_map(hidden)), convolutions[0]
        doubled = torch.empty(*source.shape[:2], layer.out_channels)
        convolve(layer, source, doubled, scratch)
        return doubled.permute(2, 0, 1)[None]
    return _block(part, _map(hidden), scratch).permute(2, 0, 1)[None]


def _block(part: Any, map: Tensor, scratch: Scratch) -> Tensor:
    """A residual block, its result where ``map`` was."""
    inner = torch.empty(*map.shape[:2], part.conv1.out_channels)
    convolve(part.conv1, normed(map, part.norm1, scratch), inner, scratch)
    straight = map if part.conv_shortcut is None else _pointwise(part.conv_shortcut, map)
    convolve(part.conv2, normed(inner, part.norm2, scratch), straight, scratch, beside=straight)
    return straight


def _pointwise(layer: nn.Conv2d, map: Tensor) -> Tensor:
    """A 1x1 convolution, its result at the beginning of the memory of ``map`` where it is not larger."""
    height, width, channels = map.shape
    cells, matrix = map.view(-1, channels), layer.weight.flatten(1)
    found = map.new_empty(height * width * layer.out_channels) if layer.out_channels > channels else map.view(-1)[: height * width * layer.out_channels]
    for first in range(0, len(cells), _ROWS_AT_ONCE):
        rows = cells[first : first + _ROWS_AT_ONCE]                        # all are read before anything lies over them
        found[first * layer.out_channels : (first + len(rows)) * layer.out_channels] = nn.functional.linear(rows, matrix, layer.bias).view(-1)
    return found.view(height, width, layer.out_channels)


def _map(hidden: Tensor) -> Tensor:
    return hidden.permute(0, 2, 3, 1)[0]


LEAN_VAE: dict[type[nn.Module], type[nn.Module]] = {vae.Decoder: Decoder, vae.Encoder: Encoder}
