"""Prompts cut into chunks of 75 tokens with weights, and the places where embeddings go.

Special: a chunk that fills up is cut after its last comma when that is near enough; BREAK ends a chunk; an embedding is never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from modules.engine.prompt_attention import WeightedText, parse_attention
from modules.engine.prompt_tokens import PromptTokenizer

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_LENGTH = 75       # tokens between the start and end tokens: CLIP has 77 positions
PLACEHOLDER_TOKEN = 0   # stands where an embedding's vectors go


class PromptEmbedding(Protocol):
    """A textual inversion embedding: vectors that stand in the place of its name's tokens."""

    @property
    def name(self) -> str: ...
    @property
    def short_hash(self) -> str: ...
    @property
    def vector_count(self) -> int: ...

    def vectors(self, encoder: int) -> Tensor:
        """(n, width) float32 for the text encoder of that number."""
        ...


class EmbeddingFinder(Protocol):
    """Embeddings by the tokens of their names."""

    @property
    def problems(self) -> Sequence[str]:
        """Sentences about those that were named so far and cannot be used."""
        ...

    def find(self, tokens: Sequence[int], position: int) -> tuple[PromptEmbedding, int] | None:
        """The embedding that is named by the tokens at ``position``, and how many tokens its name takes."""
        ...


class NoEmbeddings:
    """Finds nothing."""

    problems: tuple[str, ...] = ()

    def find(self, tokens: Sequence[int], position: int) -> tuple[PromptEmbedding, int] | None:
        return None


@dataclass(frozen=True, kw_only=True)
class EmbeddingPlace:
    """``embedding``'s vectors replace those of the tokens from ``offset`` on, counted without the start token."""

    offset: int
    embedding: PromptEmbedding


@dataclass(frozen=True, kw_only=True)
class PromptChunk:
    """77 tokens with their weights, start and end included."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    embeddings: tuple[EmbeddingPlace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chunking:
    """What decides how a prompt is cut. comma_backtrack: tokens; 0 never cuts at a comma."""

    tokenizer: PromptTokenizer
    emphasis: str = "Original"
    comma_backtrack: int = 20
    embeddings: EmbeddingFinder = field(default_factory=NoEmbeddings)

    def empty_chunk(self) -> PromptChunk:
        return _closed(self.tokenizer, _OpenChunk())

    def chunks(self, prompt: str) -> tuple[tuple[PromptChunk, ...], int]:
        """The chunks of one text, at least one, and its length in tokens as the counter shows it."""
        pieces = [WeightedText(prompt, 1.0)] if self.emphasis == "None" else parse_attention(prompt)
        work = _Cutter(self)
        for piece in pieces:
            if piece.is_break:
                work.close()
            else:
                work.add(self.tokenizer.tokenize(piece.text), piece.weight)
        return work.finish()


@dataclass
class _OpenChunk:
    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    embeddings: list[EmbeddingPlace] = field(default_factory=list)

    def append(self, token: int, weight: float, count: int = 1) -> None:
        self.tokens += [token] * count
        self.weights += [weight] * count


class _Cutter:
    def __init__(self, rules: Chunking) -> None:
        self._rules = rules
        self._closed: list[PromptChunk] = []
        self._open = _OpenChunk()
        self._last_comma = -1
        self._count = 0

    def add(self, tokens: list[int], weight: float) -> None:
        position = 0
        while position < len(tokens):
            self._make_room(tokens[position])
            found = self._rules.embeddings.find(tokens, position)
            if found is None:
                self._open.append(tokens[position], weight)
                position += 1
            else:
                embedding, name_length = found
                self._add_embedding(embedding, weight)
                position += name_length

    def close(self, *, is_last: bool = False) -> None:
        """Fill the open chunk up; only in the last one the filling is not counted."""
        self._count += len(self._open.tokens) if is_last else CHUNK_LENGTH
        self._closed.append(_closed(self._rules.tokenizer, self._open))
        self._open, self._last_comma = _OpenChunk(), -1

    def finish(self) -> tuple[tuple[PromptChunk, ...], int]:
        if self._open.tokens or not self._closed:
            self.close(is_last=True)
        return tuple(self._closed), self._count

    def _make_room(self, token: int) -> None:
        """Close a full chunk, at its last comma where that is near, before ``token`` is added."""
        chunk = self._open
        is_full = len(chunk.tokens) == CHUNK_LENGTH
        if token == self._rules.tokenizer.comma:
            self._last_comma = len(chunk.tokens)
        elif is_full and self._last_comma != -1 and len(chunk.tokens) - self._last_comma <= self._rules.comma_backtrack:
            cut = self._last_comma + 1
            # Embeddings in the moved tail stay with the chunk before: A1111 does so, and the picture shows it.
            moved = _OpenChunk(chunk.tokens[cut:], chunk.weights[cut:])
            self._open = _OpenChunk(chunk.tokens[:cut], chunk.weights[:cut], chunk.embeddings)
            self.close()
            self._open = moved
            is_full = len(moved.tokens) == CHUNK_LENGTH
        if is_full:
            self.close()

    def _add_embedding(self, embedding: PromptEmbedding, weight: float) -> None:
        count = min(embedding.vector_count, CHUNK_LENGTH)
        if len(self._open.tokens) + count > CHUNK_LENGTH:
            self.close()
        self._open.embeddings.append(EmbeddingPlace(offset=len(self._open.tokens), embedding=embedding))
        self._open.append(PLACEHOLDER_TOKEN, weight, count)


def _closed(tokenizer: PromptTokenizer, chunk: _OpenChunk) -> PromptChunk:
    """With start and end token, filled up with end tokens of weight 1."""
    missing = CHUNK_LENGTH - len(chunk.tokens)
    return PromptChunk(
        tokens=(tokenizer.start, *chunk.tokens, *[tokenizer.end] * (missing + 1)),
        weights=(1.0, *chunk.weights, *[1.0] * (missing + 1)),
        embeddings=tuple(chunk.embeddings),
    )
