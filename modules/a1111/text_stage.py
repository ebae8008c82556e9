"""A1111's text encoder as far as prompts are cut into tokens: its chunks, counted and weighted as the engine does."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from modules.a1111.app_slot import current
from modules.engine.prompt_chunks import CHUNK_LENGTH, Chunking
from modules.engine.prompt_chunks import PromptChunk as EngineChunk
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.loading.components import Components


class PromptChunk:
    """77 tokens with their weights, start and end included; fixes: embeddings' places."""

    def __init__(self, chunk: EngineChunk | None = None) -> None:
        self.tokens: list[int] = list(chunk.tokens) if chunk else []
        self.multipliers: list[float] = list(chunk.weights) if chunk else []
        self.fixes: list[Any] = list(chunk.embeddings) if chunk else []


class TextStage:
    """``cond_stage_model``, or one of ``conditioner.embedders``. number: which text encoder."""

    chunk_length = CHUNK_LENGTH

    def __init__(self, components: Components, number: int = 0) -> None:
        self._encoder = components.text_encoders[number]
        tokenizer = prompt_tokenizer()
        self.id_start, self.id_end, self.id_pad, self.comma_token = tokenizer.start, tokenizer.end, tokenizer.end, tokenizer.comma

    @property
    def _rules(self) -> Chunking:
        settings = current().settings
        return Chunking(tokenizer=prompt_tokenizer(), emphasis=settings.get("emphasis"), comma_backtrack=settings.get("comma_padding_backtrack"))

    @property
    def wrapped(self) -> Any:
        return SimpleNamespace(transformer=self._encoder.module, tokenizer=self.tokenizer)

    @property
    def tokenizer(self) -> Any:
        return self._encoder.tokenizer

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token numbers of each text, without start and end."""
        return [prompt_tokenizer().tokenize(text) for text in texts]

    def tokenize_line(self, line: str) -> tuple[list[PromptChunk], int]:
        """The chunks of one text, and its length in tokens."""
        chunks, count = self._rules.chunks(line)
        return [PromptChunk(chunk) for chunk in chunks], count

    def process_texts(self, texts: list[str]) -> tuple[list[list[PromptChunk]], int]:
        """The chunks of each text, and the greatest length."""
        found = [self.tokenize_line(text) for text in texts]
        return [chunks for chunks, _ in found], max((count for _, count in found), default=0)

    def empty_chunk(self) -> PromptChunk:
        return PromptChunk(self._rules.empty_chunk())

    def get_target_prompt_token_count(self, token_count: int) -> int:
        return max(1, -(-token_count // self.chunk_length)) * self.chunk_length
