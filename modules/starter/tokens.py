"""Captions as token numbers: CLIP's own vocabulary, and the short list of it that the captions' grammar uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from transformers.models.clip import CLIPTokenizer

from modules.starter.architecture import END_TOKEN, START_TOKEN, TOKENS, VOCABULARY
from modules.starter.captions import every_wording

TOKENIZER_FOLDER = Path(__file__).parents[1] / "loading" / "configs" / "clip_tokenizer"
UNKNOWN = 0  # the row of the short table that stands for every word outside the grammar


@cache
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(str(TOKENIZER_FOLDER))


def tokenize(captions: list[str]) -> Tensor:
    """(B, 77) of CLIP's token numbers: start, words, then the end token up to the last place, as Stable Diffusion 1 pads."""
    rows = tokenizer()(captions, padding="max_length", max_length=TOKENS, truncation=True)["input_ids"]
    return torch.tensor(rows)


@cache
def known_tokens() -> tuple[int, ...]:
    """CLIP's numbers of all tokens of the grammar; the short table has them in this order after the UNKNOWN row."""
    rows = tokenizer()(every_wording())["input_ids"]
    return tuple(sorted({token for row in rows for token in row} | {START_TOKEN, END_TOKEN}))


def shorten(tokens: Tensor) -> Tensor:
    """CLIP's token numbers to rows of the short table."""
    rows = torch.full((VOCABULARY,), UNKNOWN)
    rows[list(known_tokens())] = torch.arange(1, len(known_tokens()) + 1)
    return rows[tokens]


def full_table(short_table: Tensor) -> Tensor:
    """The (49408, width) token table: trained rows in their places, zeros for words that training never met."""
    table = torch.zeros(VOCABULARY, short_table.shape[1], dtype=short_table.dtype)
    table[list(known_tokens())] = short_table[1:]
    return table
