"""What extensions use of open_clip, which A1111 always has: its tokenizer. The words are those of our own CLIP vocabulary."""
from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from modules.engine.prompt_chunks import CHUNK_LENGTH
from modules.engine.prompt_tokens import PromptTokenizer, prompt_tokenizer


def byte_letters() -> dict[int, str]:
    """The letter that stands for each byte in the vocabulary: what prints is itself, the others are counted from U+0100 on."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {byte: chr(byte) for byte in printing} | {byte: chr(256 + place) for place, byte in enumerate(others)}


class SimpleTokenizer:
    """encoder, decoder: words to numbers and back; words that end bear "</w>"."""

    @cached_property
    def _own(self) -> PromptTokenizer:
        return prompt_tokenizer()

    @cached_property
    def encoder(self) -> dict[str, int]:
        return self._own.vocabulary()

    @cached_property
    def decoder(self) -> dict[int, str]:
        return {number: word for word, number in self.encoder.items()}

    @cached_property
    def byte_decoder(self) -> dict[str, int]:
        return {letter: byte for byte, letter in byte_letters().items()}

    @property
    def vocab_size(self) -> int:
        return len(self.encoder)

    def encode(self, text: str) -> list[int]:
        return self._own.tokenize(text)

    def decode(self, tokens: Any) -> str:
        return "".join(self.decoder[int(each)] for each in tokens).replace("</w>", " ")

    def __call__(self, texts: Any, context_length: int = CHUNK_LENGTH + 2) -> Tensor:
        return tokenize(texts, context_length)


def tokenize(texts: Any, context_length: int = CHUNK_LENGTH + 2) -> Tensor:
    """(n, context_length) numbers, with start and end, filled up with 0."""
    own, listed = prompt_tokenizer(), [texts] if isinstance(texts, str) else list(texts)
    found = torch.zeros(len(listed), context_length, dtype=torch.long)
    for row, text in enumerate(listed):
        numbers = [own.start, *own.tokenize(text)[: context_length - 2], own.end]
        found[row, : len(numbers)] = torch.tensor(numbers)
    return found


TOKENIZER: dict[str, Any] = {"_tokenizer": SimpleTokenizer(), "SimpleTokenizer": SimpleTokenizer, "tokenize": tokenize}
MODULES: dict[str, dict[str, Any]] = {"open_clip": {"tokenize": tokenize}, "open_clip.tokenizer": TOKENIZER}
