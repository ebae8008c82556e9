"""Prompts -> conditioning for one pass: AND parts, schedules, chunks, text encoder, emphasis, in A1111's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from modules.engine.conditioning import ConditioningPart, PromptConditioning, ScheduledConditioning
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.extra_networks import take_out_tags
from modules.engine.prompt_chunks import Chunking, EmbeddingFinder, NoEmbeddings, PromptChunk, PromptEmbedding
from modules.engine.prompt_old_emphasis import old_chunk
from modules.engine.prompt_schedule import ScheduledText, Timeline, pass_timeline, schedule_prompt, split_and
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.resolved import SamplingOptions
from modules.engine.text_encoding import emphasise, encode_chunks

if TYPE_CHECKING:
    from modules.loading.components import Components
    from modules.loading.embeddings import Embedding, EmbeddingShelf


def encode_prompts(
    positive: Sequence[str],
    negative: Sequence[str],
    components: Components,
    *,
    steps: int,
    options: SamplingOptions,
    hires_steps: int | None = None,
    embeddings: EmbeddingShelf | None = None,
    cache: ConditioningCache | None = None,
    networks: Hashable = (),
    bundled: Sequence[Embedding] = (),
) -> PromptConditioning:
    """The conditioning of one batch, one positive and one negative prompt per image.

    positive: styles applied; extra-network tags in them are left out here.
    steps: denoiser calls of the first pass (sampling steps, doubled for second-order samplers); hires_steps: those of the
        second one, when the conditioning is for it.
    networks: whatever changes the text encoder's weights (``ActiveNetworks.text_key``); part of the cache's key.
    bundled: embeddings that came with a LoRA.
    """
    finder = NoEmbeddings() if embeddings is None else embeddings.finder(prompt_tokenizer().tokenize, _width(components), bundled)
    timeline = pass_timeline(steps, hires_steps, old=options.use_old_scheduling)
    encoder = _PromptEncoder(components, options, timeline, finder, cache, networks)
    plain = [take_out_tags(prompt)[0] for prompt in positive]
    negative_parts = [ConditioningPart(entries=entries) for entries in encoder.encode_all(negative)]
    parts = [split_and(prompt) for prompt in plain]
    encoded = dict(zip(texts := [part.text for each in parts for part in each], encoder.encode_all(texts)))
    positive_parts = [[ConditioningPart(entries=encoded[part.text], weight=part.weight) for part in each] for each in parts]
    if options.use_old_scheduling and _old_timing_matters([*plain, *negative], steps, hires_steps):
        encoder.facts["Old prompt editing timelines"] = True
    empty = encode_empty_prompt(components, options, cache=cache, networks=networks) if options.pad_cond_uncond else None
    return PromptConditioning(positive_parts, negative_parts, facts=encoder.facts, comments=[*encoder.comments, *finder.problems], empty_prompt=empty)


def encode_empty_prompt(
    components: Components, options: SamplingOptions, *, cache: ConditioningCache | None = None, networks: Hashable = ()
) -> Tensor:
    """(1, 77, C) of the prompt "": what A1111 pads with."""
    encoder = _PromptEncoder(components, options, Timeline(steps=1), NoEmbeddings(), cache, networks)
    return encoder.encode_all([""])[0][0].tensor[None]


def _width(components: Components) -> int:
    """Of all text encoders together."""
    return sum(encoder.module.get_input_embeddings().weight.shape[1] for encoder in components.text_encoders)   # type: ignore[operator]


def _old_timing_matters(prompts: Sequence[str], steps: int, hires_steps: int | None) -> bool:
    new, old = pass_timeline(steps, hires_steps), pass_timeline(steps, hires_steps, old=True)
    return any(schedule_prompt(prompt, new) != schedule_prompt(prompt, old) for prompt in set(prompts))


class _PromptEncoder:
    """One job's way through the text encoder. Grows ``facts`` and ``comments``."""

    def __init__(
        self, components: Components, options: SamplingOptions, timeline: Timeline, embeddings: EmbeddingFinder,
        cache: ConditioningCache | None, networks: Hashable,
    ) -> None:
        self._module = components.text_encoders[0].module
        self._timeline = timeline
        self._options = options
        self._chunking = Chunking(tokenizer=prompt_tokenizer(), emphasis=options.emphasis,
                                  comma_backtrack=options.comma_padding_backtrack, embeddings=embeddings)
        self._cache = ConditioningCache() if cache is None else cache
        file = components.checkpoint
        self._model_key = (file.path, file.modified, file.size, networks, options.clip_skip, options.emphasis)
        self._notes_emphasis = options.emphasis != "Original" and not options.use_old_emphasis_implementation
        self.facts: dict[str, object] = {}
        self.comments: list[str] = []

    def encode_all(self, prompts: Sequence[str]) -> list[tuple[ScheduledConditioning, ...]]:
        """The schedule of each prompt; equal prompts are encoded once."""
        encoded = {prompt: self._encode(schedule_prompt(prompt, self._timeline)) for prompt in dict.fromkeys(prompts)}
        return [encoded[prompt] for prompt in prompts]

    def _encode(self, schedule: tuple[ScheduledText, ...]) -> tuple[ScheduledConditioning, ...]:
        """All texts of one schedule go together: they share their length, and the mean that emphasis restores."""
        counts = Counter(entry.text for entry in schedule)
        chunked = {text: self._chunks(text) for text in counts}
        rows = max(len(chunks) for chunks in chunked.values())
        empty = self._chunking.empty_chunk()
        columns = [[chunks[row] if row < len(chunks) else empty for chunks in chunked.values()] for row in range(rows)]
        self._note_embeddings(columns)
        if self._notes_emphasis and any("(" in text or "[" in text for text in counts):
            self.facts["Emphasis"] = self._options.emphasis
        key = (self._model_key, tuple(map(tuple, columns)), tuple(counts.values()))
        encoded = self._cache.get(key, lambda: self._encode_columns(columns, list(counts.values())))
        by_text = dict(zip(counts, encoded))
        return tuple(ScheduledConditioning(until=entry.until, tensor=by_text[entry.text]) for entry in schedule)

    def _chunks(self, text: str) -> tuple[PromptChunk, ...]:
        if not self._options.use_old_emphasis_implementation:
            return self._chunking.chunks(text)[0]
        chunk, cut_off = old_chunk(text, self._chunking)
        if cut_off:
            self._comment(f"The prompt is {cut_off} tokens too long for the old emphasis implementation; its end was cut off.")
        return (chunk,)

    def _encode_columns(self, columns: list[list[PromptChunk]], counts: list[int]) -> Tensor:
        """(texts, chunks * 77, C), chunk by chunk: emphasis works within one position of all texts."""
        encoded = []
        for chunks in columns:
            z = encode_chunks(self._module, chunks, clip_skip=self._options.clip_skip)
            weights = torch.tensor([chunk.weights for chunk in chunks], device=z.device)
            encoded.append(emphasise(z, weights, torch.tensor(counts, device=z.device), self._options.emphasis))
        return torch.cat(encoded, dim=1)

    def _note_embeddings(self, columns: list[list[PromptChunk]]) -> None:
        used: dict[str, PromptEmbedding] = {}
        for chunk in (chunk for chunks in columns for chunk in chunks):
            used |= {place.embedding.name: place.embedding for place in chunk.embeddings}
        hashes = [f"{name.replace(':', '').replace(',', '')}: {used[name].short_hash}" for name in used if used[name].short_hash]
        if hashes:                          # A1111 puts later texts first, and repeats an embedding used twice
            before = self.facts.get("TI hashes")
            self.facts["TI hashes"] = ", ".join([*hashes, str(before)] if before else hashes)

    def _comment(self, sentence: str) -> None:
        if sentence not in self.comments:
            self.comments.append(sentence)
