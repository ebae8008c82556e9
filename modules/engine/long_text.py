"""Whole prompts through the text encoders that are language models (T5, Qwen, Gemma, Mistral), and what flow models read of all their encoders.

They know no chunks: a prompt is one text of up to some hundred tokens. Emphasis weights its tokens, as with CLIP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from modules.engine.emphasis import emphasise
from modules.engine.prompt_attention import WeightedText, parse_attention
from modules.engine.seen_pictures import PICTURE_TOKEN, SeenPictures
from modules.engine.text_encoding import EncodedTexts
from modules.families.family import ModelFamily, TextEncoderSpec
from modules.loading.tokenizer import t5_tokenizer

if TYPE_CHECKING:
    from modules.loading.components import TextEncoder

_T5_END = 1
_PADS = {"t5": 0, "qwen": 151643, "qwen3-vl": 151643, "gemma": 0, "mistral": 11}


@dataclass(frozen=True, kw_only=True)
class LongText:
    """One text as tokens with weights; cut_off: how many more there were. dropped: how many of the first are left out of what comes out.

    words, word_weights: the same in T5's tokens, for an encoder with an adapter.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    cut_off: int = 0
    dropped: int = 0
    words: tuple[int, ...] = ()
    word_weights: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EncodedLongTexts:
    """tokens: (N, T, C) float32. counts: (N,) tokens of each that are no filling."""

    tokens: Tensor
    counts: Tensor


def long_text(text: str, encoder: TextEncoder, emphasis: str, seen: SeenPictures | None = None) -> LongText:
    """``text`` for ``encoder``, inside its template, ended and cut off where it is too long. seen: what it is shown before the text."""
    spec, tokenizer = encoder.spec, encoder.tokenizer
    template, dropped = spec.template, spec.dropped
    if seen is not None and spec.sight is not None:
        template, dropped = seen.template, spec.sight.dropped
        text = text.replace(spec.sight.picture, "")         # what is typed is no picture
    pieces = [WeightedText(text, 1.0)] if emphasis == "None" else [WeightedText(" ", 1.0) if each.is_break else each for each in parse_attention(text)]
    before, after = (_ids(tokenizer, part) for part in template.split("{}"))
    if all(piece.weight == 1.0 for piece in pieces):
        whole = _ids(tokenizer, template.replace("{}", "".join(piece.text for piece in pieces)))
        tokens, weights = whole[: len(whole) - len(after)] if after else whole, [1.0] * (len(whole) - len(after))
    else:
        tokens, weights = list(before), [1.0] * len(before)
        for piece in pieces:
            found = _ids(tokenizer, piece.text)
            tokens += found
            weights += [piece.weight] * len(found)
    end = [_T5_END] if spec.kind == "t5" else after
    room = max(spec.max_length - len(end), 0)
    cut_off = max(len(tokens) - room, 0)
    found = LongText(tokens=(*tokens[:room], *end), weights=(*weights[:room], *[1.0] * len(end)), cut_off=cut_off, dropped=dropped)
    if spec.adapter:
        return _with_words(found, pieces, spec.max_length)
    return found if seen is None else _with_pictures(found, seen.counts)


def _with_words(text: LongText, pieces: Sequence[WeightedText], most: int) -> LongText:
    """With the same text as T5 counts words; the weights are those of its words."""
    parts = [(_ids(t5_tokenizer(), "".join(piece.text for piece in pieces)), 1.0)] if all(piece.weight == 1.0 for piece in pieces) else [
        (_ids(t5_tokenizer(), piece.text), piece.weight) for piece in pieces]
    words, weights = [word for ids, _ in parts for word in ids], [weight for ids, weight in parts for _ in ids]
    room = most - 1
    return replace(text, words=(*words[:room], _T5_END), word_weights=(*weights[:room], 1.0), cut_off=max(text.cut_off, len(words) - room, 0))


def _with_pictures(text: LongText, counts: Sequence[int]) -> LongText:
    """Each picture's one token as often as it has parts."""
    tokens, weights, left = [], [], list(counts)
    for token, weight in zip(text.tokens, text.weights):
        times = left.pop(0) if token == PICTURE_TOKEN and left else 1
        tokens += [token] * times
        weights += [weight] * times
    return replace(text, tokens=tuple(tokens), weights=tuple(weights))


def encode_long_texts(
    encoder: TextEncoder, texts: Sequence[LongText], counts: Tensor, emphasis: str, seen: SeenPictures | None = None
) -> EncodedLongTexts:
    """Every text through the encoder. counts: how often each stands in the schedule; see ``emphasise``. seen: the pictures that stand in all of them.

    What comes out is where the encoder worked: a memory mode has its weights elsewhere before its call.
    """
    spec, module = encoder.spec, encoder.module
    device = next(module.parameters()).device
    length = spec.max_length if spec.filled else max(1, *(len(text.tokens) for text in texts))
    pad = _PADS[spec.kind]
    tokens = torch.tensor([_filled(text.tokens, length, pad, before=spec.before) for text in texts], device=device)
    used = torch.tensor([len(text.tokens) for text in texts], device=device)
    places = torch.arange(length, device=device)[None]
    visible = places >= length - used[:, None] if spec.before else places < used[:, None]
    mask = visible.long() if spec.masked else None
    if spec.adapter:
        z, rows = _adapted(module, texts, tokens, visible.long()), [text.word_weights for text in texts]
    else:
        z, rows = _states(module, spec, tokens, mask) if seen is None else _seeing_states(module, tokens, mask, seen), [text.weights for text in texts]
    if spec.empties:
        z = z * torch.tensor([_filled([1.0] * len(text.tokens), length, 0.0, before=spec.before) for text in texts], device=z.device)[..., None]
    weights = torch.tensor([_filled(row, z.shape[1], 1.0, before=spec.before) for row in rows], device=z.device)
    dropped = texts[0].dropped
    left = torch.tensor([len(text.tokens) - dropped for text in texts], device=z.device)
    return EncodedLongTexts(tokens=emphasise(z, weights, counts.to(z.device), emphasis)[:, dropped:], counts=left)


def _filled(values: Sequence[float], length: int, filling: float, *, before: bool) -> list[float]:
    rest = [filling] * (length - len(values))
    return [*rest, *values] if before else [*values, *rest]


@torch.no_grad()
def _states(module: Any, spec: TextEncoderSpec, tokens: Tensor, mask: Tensor | None) -> Tensor:
    if spec.layers:
        states = module(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        return torch.cat([states[number] for number in spec.layers], dim=2).float()
    if spec.layer == 1 and spec.final_norm:
        return module(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
    return module(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states[-spec.layer].float()


@torch.no_grad()
def _adapted(module: Any, texts: Sequence[LongText], tokens: Tensor, mask: Tensor) -> Tensor:
    """(N, T, C) of the adapter, filled up with zeros."""
    length = max(len(text.words) for text in texts)
    words, there = (torch.tensor([_filled(row, length, 0, before=False) for row in rows], device=tokens.device)
                    for rows in ([text.words for text in texts], [[1] * len(text.words) for text in texts]))  # fmt: skip
    return module(input_ids=tokens, attention_mask=mask, words=words, words_mask=there).float()


@torch.no_grad()
def _seeing_states(module: Any, tokens: Tensor, mask: Tensor | None, seen: SeenPictures) -> Tensor:
    """Pictures stand among the words by row and column."""
    texts, shown = len(tokens), (tokens == PICTURE_TOKEN).long()
    patches, grid = seen.patches().to(tokens.device), seen.grid().to(tokens.device)
    return module(
        input_ids=tokens, attention_mask=mask, pixel_values=patches.repeat(texts, 1), image_grid_thw=grid.repeat(texts, 1), mm_token_type_ids=shown
    ).last_hidden_state.float()


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids if text else []


def joined(family: ModelFamily, clips: Sequence[EncodedTexts], long: EncodedLongTexts | None, width: int) -> EncodedTexts:
    """What the denoiser of ``family`` reads. clips: of its CLIPs. width: values per token that it reads.

    pooled: the whole text, or how many tokens are no filling where those are hidden from it.
    """
    whole = torch.cat([each.pooled for each in clips if each.pooled is not None], dim=1) if clips else None
    if family.denoiser == "sd3":
        tokens = torch.cat([each.tokens for each in clips], dim=2)
        tokens = functional.pad(tokens, (0, width - tokens.shape[2]))
        length = next(spec.max_length for spec in family.text_encoders if spec.kind == "t5")
        last = long.tokens.to(tokens) if long is not None else tokens.new_zeros(len(tokens), length, width)
        return EncodedTexts(tokens=torch.cat([tokens, last], dim=1), pooled=whole)
    assert long is not None
    return EncodedTexts(tokens=long.tokens, pooled=long.counts[:, None].float() if whole is None else whole)
