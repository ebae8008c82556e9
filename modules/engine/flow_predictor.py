"""The one place that calls a flow model's transformer: noisy latents of one sigma in, predicted clean latents out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from modules.engine.flow import FlowLevels
from modules.families.family import Denoiser
from modules.schema.errors import InvalidValue

_PATCH = 2                  # cells on a side of one token


@dataclass(frozen=True, kw_only=True)
class TransformerCall:
    """x: (R, C, h, w), h and w even. sigma: (R,). context: (R, T, width). vector: (R, V): the whole text; its number of tokens where some are hidden.

    guidance: what a model that is told it is told. further: latents (1, C, h, w) of pictures beside x, each of its own size, h and w even.
    """

    model: Any
    x: Tensor
    sigma: Tensor
    context: Tensor
    vector: Tensor | None
    guidance: float
    further: tuple[Tensor, ...] = ()

    @property
    def cells(self) -> tuple[int, int]:
        """(rows, columns) of tokens."""
        return _cells_of(self.x)

    def counted(self) -> Tensor:
        """(R,) tokens of each text that are no filling."""
        assert self.vector is not None
        return self.vector[:, 0].round().long()


@dataclass(frozen=True, kw_only=True)
class FlowPredictor:
    """Calls ``transformer`` and turns the velocity that it predicts into x0 = x - sigma * velocity."""

    transformer: Any
    kind: Denoiser
    levels: FlowLevels
    compute_dtype: torch.dtype
    guidance: float = 1.0
    further: tuple[Tensor, ...] = ()

    def __call__(
        self, x: Tensor, sigma: float, context: Tensor, *, vector: Tensor | None = None, image_cond: Tensor | None = None, control: Any = None,
        is_cond: Tensor | None = None,
    ) -> Tensor:
        """x: (R, C, h, w), noise and picture mixed. context, vector: see ``TransformerCall``. Returns x0, float32.

        A picture of an odd number of cells gets one more row or column for the time of the call.
        """
        if control is not None:
            raise InvalidValue("Control networks cannot steer this kind of model yet.", "Switch the control units off, or choose an SD or SDXL checkpoint.")
        rows, columns = x.shape[-2:]
        shown = x if image_cond is None else torch.cat([x, image_cond.to(x)], dim=1)
        if rows % _PATCH or columns % _PATCH:
            shown = functional.pad(shown, (0, columns % _PATCH, 0, rows % _PATCH), mode="replicate")
        dtype = self.compute_dtype
        call = TransformerCall(
            model=self.transformer, x=shown.to(dtype), sigma=torch.full((len(x),), sigma, device=x.device, dtype=torch.float32),
            context=context.to(dtype), vector=None if vector is None else vector.to(x.device), guidance=self.guidance,
            further=tuple(each.to(x.device, dtype) for each in self.further),
        )  # fmt: skip
        velocity = _CALLS[self.kind](call)[..., :rows, :columns].float()
        return torch.sub(x, velocity, alpha=sigma)


def packed(x: Tensor) -> Tensor:
    """(R, C, h, w) -> (R, tokens, C * 4): each two by two cells are one token."""
    batch, channels, rows, columns = x.shape
    patches = x.view(batch, channels, rows // _PATCH, _PATCH, columns // _PATCH, _PATCH)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, (rows // _PATCH) * (columns // _PATCH), channels * _PATCH**2)


def unpacked(tokens: Tensor, cells: tuple[int, int]) -> Tensor:
    """The way back. cells: (rows, columns) of tokens."""
    batch, _, width = tokens.shape
    patches = tokens.view(batch, *cells, width // _PATCH**2, _PATCH, _PATCH)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(batch, width // _PATCH**2, cells[0] * _PATCH, cells[1] * _PATCH)


def _places(rows: int, columns: int, axes: int = 3) -> Tensor:
    """(tokens, axes) positions of a picture's tokens: by row and column on the second and third axis."""
    places = torch.zeros(rows, columns, axes)
    places[..., 1], places[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)[None]
    return places.view(-1, axes)


def _shown(call: TransformerCall, first: Any) -> list[Tensor]:
    """The noise, then the pictures beside it, (R, C, h, w) each: where ``x`` has twice the channels that the model reads, the second half are those of the first one.

    first: the model's first layer, which a LoRA may have widened.
    """
    own = call.x.chunk(2, dim=1) if call.x.shape[1] * _PATCH**2 > first.weight.shape[1] else (call.x,)
    return [*own, *(each.expand(len(call.x), -1, -1, -1) for each in call.further)]


def _cells_of(x: Tensor) -> tuple[int, int]:
    return x.shape[2] // _PATCH, x.shape[3] // _PATCH


def _with_shown_pictures(call: TransformerCall, places: Callable[[int, int], Tensor], *, place: float) -> tuple[Tensor, Tensor]:
    """Tokens and their places: those of the pictures begin at ``place`` on the first axis, each as much further. places: for so many rows and columns of tokens."""
    shown = _shown(call, call.model.x_embedder)
    at = [places(*_cells_of(each)).to(call.x.device) for each in shown]
    for number, each in enumerate(at):
        each[:, 0] = number * place
    return torch.cat([packed(each) for each in shown], dim=1), torch.cat(at)


def _call_flux(call: TransformerCall) -> Tensor:
    guided = bool(call.model.config.guidance_embeds)
    shown, picture = _with_shown_pictures(call, _places, place=1)
    text = torch.zeros(call.context.shape[1], 3, device=call.x.device)
    (tokens,) = call.model(
        hidden_states=shown, encoder_hidden_states=call.context, pooled_projections=call.vector.to(call.x.dtype) if call.vector is not None else None,
        timestep=call.sigma.to(call.x.dtype), img_ids=picture, txt_ids=text,
        guidance=torch.full_like(call.sigma, call.guidance) if guided else None, return_dict=False,
    )  # fmt: skip
    return unpacked(tokens[:, : math.prod(call.cells)], call.cells)


def _call_chroma(call: TransformerCall) -> Tensor:
    """One place after the text stays visible: the model was trained so."""
    picture, text = _places(*call.cells).to(call.x.device), torch.zeros(call.context.shape[1], 3, device=call.x.device)
    tokens = packed(call.x)
    places = torch.arange(call.context.shape[1], device=call.x.device)
    visible = (places[None] <= call.counted()[:, None]).to(tokens.dtype)
    mask = torch.cat([visible, torch.ones(len(tokens), tokens.shape[1], device=tokens.device, dtype=tokens.dtype)], dim=1)
    (found,) = call.model(
        hidden_states=tokens, encoder_hidden_states=call.context, timestep=call.sigma.to(call.x.dtype), img_ids=picture, txt_ids=text,
        attention_mask=mask, return_dict=False,
    )  # fmt: skip
    return unpacked(found, call.cells)


def _call_sd3(call: TransformerCall) -> Tensor:
    assert call.vector is not None
    (velocity,) = call.model(
        hidden_states=call.x, encoder_hidden_states=call.context, pooled_projections=call.vector.to(call.x.dtype), timestep=call.sigma * 1000, return_dict=False
    )
    return velocity


def _call_z_image(call: TransformerCall) -> Tensor:
    """It counts time from noise to picture, and predicts the way there."""
    texts = [text[:count] for text, count in zip(call.context, call.counted().tolist())]
    (found,) = call.model(list(call.x[:, :, None].unbind()), 1 - call.sigma, texts, return_dict=False)
    return -torch.stack(list(found))[:, :, 0]


def _call_qwen_image(call: TransformerCall) -> Tensor:
    visible = torch.arange(call.context.shape[1], device=call.x.device)[None] < call.counted()[:, None]
    shown = _shown(call, call.model.img_in)
    (tokens,) = call.model(
        hidden_states=torch.cat([packed(each) for each in shown], dim=1), encoder_hidden_states=call.context,
        encoder_hidden_states_mask=None if bool(visible.all()) else visible,
        timestep=call.sigma.to(call.x.dtype), img_shapes=[[(1, *_cells_of(each)) for each in shown]] * len(call.x), return_dict=False,
    )  # fmt: skip
    return unpacked(tokens[:, : math.prod(call.cells)], call.cells)


def _call_lumina2(call: TransformerCall) -> Tensor:
    """As with Z-Image, time runs from noise to picture."""
    visible = torch.arange(call.context.shape[1], device=call.x.device)[None] < call.counted()[:, None]
    (found,) = call.model(
        hidden_states=call.x, timestep=1 - call.sigma, encoder_hidden_states=call.context, encoder_attention_mask=visible, return_dict=False
    )
    return -found


def _call_flux2(call: TransformerCall) -> Tensor:
    """Each token has four places: picture, row, column, and where in the text it stands. What fills a text up is not hidden."""
    device, words = call.x.device, call.context.shape[1]
    text = torch.zeros(words, 4, device=device)
    text[:, 3] = torch.arange(words, device=device)
    guided = bool(call.model.config.guidance_embeds)
    shown, picture = _with_shown_pictures(call, partial(_places, axes=4), place=10)
    (tokens,) = call.model(
        hidden_states=shown, encoder_hidden_states=call.context, timestep=call.sigma.to(call.x.dtype), img_ids=picture, txt_ids=text,
        guidance=torch.full_like(call.sigma, call.guidance) if guided else None, return_dict=False,
    )  # fmt: skip
    return unpacked(tokens[:, : math.prod(call.cells)], call.cells)


def _call_anima(call: TransformerCall) -> Tensor:
    """A film of one frame, all of which is picture."""
    (found,) = call.model(
        hidden_states=functional.pad(call.x, (0, 0, 0, 0, 0, 1))[:, :, None], timestep=call.sigma.to(call.x.dtype), encoder_hidden_states=call.context, return_dict=False
    )
    return found[:, :, 0]


def _call_krea2(call: TransformerCall) -> Tensor:
    """The text's states of several layers stand side by side. Where it stands in the text, a word is not told."""
    words, layers = call.context.shape[1], call.model.config.num_text_layers
    visible = torch.arange(words, device=call.x.device)[None] < call.counted()[:, None]
    (tokens,) = call.model(
        hidden_states=packed(call.x), encoder_hidden_states=call.context.unflatten(2, (layers, -1)), timestep=call.sigma.to(call.x.dtype),
        position_ids=torch.cat([torch.zeros(words, 3), _places(*call.cells)]).to(call.x.device),
        encoder_attention_mask=None if bool(visible.all()) else visible, return_dict=False,
    )  # fmt: skip
    return unpacked(tokens, call.cells)


def _call_ovis(call: TransformerCall) -> Tensor:
    """A word's place is on both axes of the picture."""
    words = call.context.shape[1]
    text = torch.zeros(words, 3)
    text[:, 1] = text[:, 2] = torch.arange(words)
    (tokens,) = call.model(
        hidden_states=packed(call.x), encoder_hidden_states=call.context, timestep=call.sigma.to(call.x.dtype), txt_ids=text.to(call.x.device),
        img_ids=_places(*call.cells).to(call.x.device), return_dict=False,
    )  # fmt: skip
    return unpacked(tokens, call.cells)


_CALLS: Mapping[Denoiser, Callable[[TransformerCall], Tensor]] = {
    "flux": _call_flux, "chroma": _call_chroma, "sd3": _call_sd3, "z-image": _call_z_image, "qwen-image": _call_qwen_image,
    "flux2": _call_flux2, "lumina2": _call_lumina2, "anima": _call_anima, "krea2": _call_krea2, "ovis": _call_ovis,
}  # fmt: skip
