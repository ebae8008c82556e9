"""CLIP's byte-pair tokens of a prompt. Needs the vocabulary only, never torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import modules.loading
from modules.engine.prompt_cleaning import clean_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY_FOLDER = Path(modules.loading.__file__).parent / "configs" / "clip_tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"
# contractions, words, single digits, runs of other characters; blanks only separate
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True, kw_only=True)
class PromptTokenizer:
    """Texts -> token ids, without start and end tokens and of any length."""

    tokenizer: Tokenizer
    start: int
    end: int
    comma: int

    def tokenize(self, text: str) -> list[int]:
        return self.tokenizer.encode(clean_text(text), add_special_tokens=False).ids if text else []

    def vocabulary(self) -> dict[str, int]:
        return self.tokenizer.get_vocab()


@cache
def prompt_tokenizer(folder: Path = VOCABULARY_FOLDER) -> PromptTokenizer:
    """The tokenizer of every CLIP text encoder, from vocab.json and merges.txt in ``folder`` (0.1 s, then kept)."""
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))
    lines = (folder / "merges.txt").read_text("utf-8").split("\n")
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines if not line.startswith("#version")) if second]
    tokenizer = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=END))
    tokenizer.pre_tokenizer = Sequence([Split(Regex(_WORDS), "removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in (START, END)])
    return PromptTokenizer(tokenizer=tokenizer, start=vocabulary[START], end=vocabulary[END], comma=vocabulary[",</w>"])


def chunked_limit(count: int, chunk_length: int = 75) -> int:
    """How many tokens a prompt of ``count`` may have before it needs one more chunk: 75, 150, ..."""
    return math.ceil(max(count, 1) / chunk_length) * chunk_length
