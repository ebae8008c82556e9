"""Reference units: a known picture, as noisy as the one being made, goes through the UNet first, and what its layers saw is shown to the same layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modules.compute.noise import Stream
from modules.engine.control import ControlUnit, Emphasis, rows

if TYPE_CHECKING:
    from modules.engine.control import Beginning, Evaluation

_LEAST_VARIANCE = 1e-6
_LEAST_FIDELITY = 1e-5
_SDXL_POWER = 3.0                                   # the original weakens fidelity for SDXL: 0.5 becomes 0.125


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceUnit(ControlUnit):
    """A picture whose look is taken over without a network.

    picture: (1, 3, H, W), 0 .. 1; ``known`` (1, 4, h, w) is made of it when the pass begins.
    attention: its self-attention keys are shown to the picture's. statistics: means and variances of its features are taken over (AdaIN).
    fidelity: 0 .. 1, how much less the rows without prompt take part. late: a hires pass, where fidelity counts as 0.
    """

    picture: Tensor
    attention: bool
    statistics: bool
    fidelity: float = 0.5
    weight: float = 1.0
    emphasis: Emphasis = Emphasis.BALANCED
    late: bool = False
    known: Tensor | None = None
    noise: Stream | None = field(default=None, repr=False)

    def prepared(self, begin: Beginning) -> ReferenceUnit:
        fidelity = min(max(self.fidelity, 0.0), 1.0) ** (_SDXL_POWER if begin.is_sdxl else 1.0)
        if self.emphasis is Emphasis.PROMPT or self.late:
            fidelity = 0.0
        elif self.emphasis is Emphasis.CONTROL:
            fidelity = 1.0
        return replace(self, known=begin.encode(self.picture), noise=begin.stream, fidelity=fidelity)

    def noisy(self, call: Evaluation) -> Tensor:
        """The known picture as noisy as ``call.x``, one row for each of its rows, (R, C, h, w)."""
        assert self.known is not None and self.noise is not None
        known = rows(self.known, call.x[:, :4].float())
        noised = (known + call.sigma * self.noise.randn(known.shape).to(known)) / (1 + call.sigma**2) ** 0.5
        if call.x.shape[1] > known.shape[1]:        # an inpainting model: nothing is masked, the picture is the picture
            noised = torch.cat([noised, torch.zeros_like(noised[:, :1]), known], dim=1)
        return noised.to(call.x.dtype)


@dataclass(kw_only=True)
class _Banks:
    """What is being done at the moment, shared by all layers of one evaluation."""

    call: Evaluation
    writer: ReferenceUnit | None = None
    attention_reads: bool = True
    statistics_read: bool = True

    @property
    def uncond(self) -> Tensor:
        """(R,), true for rows without the prompt."""
        return self.call.is_cond.flatten() < 0.5


@contextmanager
def referring(unet: Any, units: Sequence[ReferenceUnit], call: Evaluation, **inputs: Any) -> Iterator[None]:
    """Show the units' pictures to ``unet``; inside the block it draws with what it saw. inputs: what it is called with besides latents."""
    banks = _Banks(call=call)
    with ExitStack() as stack:
        for place, attention in _attention_layers(unet):
            stack.enter_context(_shown_attention(attention, place, banks))
        for place, block in _feature_blocks(unet):
            handle = block.register_forward_hook(_Statistics(place, banks))
            stack.callback(handle.remove)
        for unit in units:
            banks.writer = unit
            banks.attention_reads = banks.attention_reads and not unit.attention
            banks.statistics_read = banks.statistics_read and not unit.statistics
            unet(unit.noisy(call), **inputs)
            banks.writer, banks.attention_reads, banks.statistics_read = None, True, True
        yield


def _attention_layers(unet: Any) -> list[tuple[float, nn.Module]]:
    """Self-attention layers with the weight above which a unit acts on each, widest first."""
    parts = (*unet.down_blocks, *([unet.mid_block] if unet.mid_block is not None else ()), *unet.up_blocks)
    found = [each for part in parts for each in part.modules() if type(each).__name__ == "BasicTransformerBlock"]
    found.sort(key=lambda each: -each.norm1.normalized_shape[0])
    return [(number / len(found), each.attn1) for number, each in enumerate(found)]


def _feature_blocks(unet: Any) -> list[tuple[float, nn.Module]]:
    """Blocks whose output's statistics are taken over, with the weight above which a unit acts on each.

    The middle one always; the encoder's from the second level on, the deeper the sooner; the decoder's but the last level and a half.
    """
    encoder = [block for level in unet.down_blocks[1:] for block in _ends(level, resamples=False)]
    decoder = [block for level in unet.up_blocks for block in _ends(level, resamples=True)]
    decoder = decoder[: 6 if len(unet.up_blocks) == 3 else 8]
    return [
        (0.0, unet.mid_block),
        *((2.0 * (1 - number / len(encoder)), block) for number, block in enumerate(encoder)),
        *((2.0 * number / len(decoder), block) for number, block in enumerate(decoder)),
    ]


def _ends(level: Any, *, resamples: bool) -> list[nn.Module]:
    """The last module of each block of a level: attention after a residual block, and what enlarges after the last one."""
    attentions = getattr(level, "attentions", None) or [None] * len(level.resnets)
    found = [attention if attention is not None else resnet for resnet, attention in zip(level.resnets, attentions)]
    if resamples and getattr(level, "upsamplers", None):
        found[-1] = level.upsamplers[-1].conv       # before an odd size is fitted, as in the original
    return found


@contextmanager
def _shown_attention(attention: Any, place: float, banks: _Banks) -> Iterator[None]:
    own, seen, fidelities = attention.forward, [], []
    bridge = vars(attention).get("forward")         # an extension's view of the UNet may stand there

    def forward(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        writer = banks.writer
        if writer is not None and writer.attention and writer.weight > place:
            seen.append(hidden_states)
            fidelities.append(writer.fidelity)
        if not (banks.attention_reads and seen):
            return own(hidden_states, *args, **kwargs)
        fidelity = sum(fidelities) / len(fidelities)
        context = torch.cat([hidden_states, *seen], dim=1)
        seen.clear()
        fidelities.clear()
        rest = {key: value for key, value in kwargs.items() if key != "encoder_hidden_states"}
        shown = own(hidden_states, encoder_hidden_states=context, **rest)
        uncond = banks.uncond
        if fidelity <= _LEAST_FIDELITY or not bool(uncond.any()):
            return shown
        kept = shown.clone()
        kept[uncond] = own(hidden_states[uncond], encoder_hidden_states=hidden_states[uncond], **rest)
        return fidelity * kept + (1 - fidelity) * shown

    attention.forward = forward
    try:
        yield
    finally:
        del attention.forward
        if bridge is not None:
            attention.forward = bridge


class _Statistics:
    """A forward hook: notes means and variances while a picture is shown, and gives them to the picture that is made."""

    def __init__(self, place: float, banks: _Banks) -> None:
        self.place, self.banks = place, banks
        self.seen: list[tuple[Tensor, Tensor, float]] = []

    def __call__(self, module: nn.Module, given: Any, output: Any) -> Any:
        x = output[0] if isinstance(output, tuple) else output
        writer = self.banks.writer
        if writer is not None and writer.statistics and writer.weight > self.place:
            variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
            self.seen.append((mean, variance, writer.fidelity))
        if not (self.banks.statistics_read and self.seen):
            return output
        changed = self._taken_over(x)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def _taken_over(self, x: Tensor) -> Tensor:
        count = len(self.seen)
        mean_seen, variance_seen = (sum(each[part] for each in self.seen) / count for part in (0, 1))
        fidelity = sum(each[2] for each in self.seen) / count
        self.seen.clear()
        variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
        shown = (x - mean) / _deviation(variance) * _deviation(variance_seen) + mean_seen
        uncond = self.banks.uncond
        if fidelity <= _LEAST_FIDELITY or not bool(uncond.any()):
            return shown
        kept = shown.clone()
        kept[uncond] = x[uncond]
        return (fidelity * kept + (1 - fidelity) * shown).to(x.dtype)


def _deviation(variance: Any) -> Tensor:
    return torch.clamp(variance, min=_LEAST_VARIANCE) ** 0.5
