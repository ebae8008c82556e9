"""Prompts -> conditioning for one pass: AND parts, schedules, chunks, text encoder, emphasis, in A1111's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from modules.engine.conditioning import ConditioningPart, PromptConditioning, ScheduledConditioning
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.emphasis import emphasise
from modules.engine.extra_networks import take_out_tags
from modules.engine.long_text import encode_long_texts, joined, long_text
from modules.engine.prompt_chunks import Chunking, EmbeddingFinder, NoEmbeddings, PromptChunk, PromptEmbedding
from modules.engine.prompt_notes import OLD_TIMELINES, PromptNotes
from modules.engine.prompt_old_emphasis import old_chunk
from modules.engine.prompt_schedule import ScheduledText, Timeline, pass_timeline, schedule_prompt, split_and
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.resolved import SamplingOptions
from modules.engine.seen_pictures import SeenPictures
from modules.engine.size_conditioning import embedded, size_values
from modules.engine.text_door import PromptReader, reader_at
from modules.engine.text_encoding import EncodedTexts, encode_chunks
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.loading.components import Components, TextEncoder
    from modules.loading.embeddings import Embedding, EmbeddingShelf

MOST_PARTS = 250                # of a prompt, joined by AND; each is a row of every evaluation


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
    size: tuple[int, int] = (1024, 1024),
    notes: PromptNotes | None = None,
    seen: Sequence[SeenPictures | None] = (),
) -> PromptConditioning:
    """The conditioning of one batch, one positive and one negative prompt per image.

    positive: styles applied; extra-network tags in them are left out here.
    steps: denoiser calls of the first pass (sampling steps, doubled for second-order samplers); hires_steps: those of the
        second one, when the conditioning is for it.
    networks: whatever changes the text encoder's weights (``ActiveNetworks.text_key``); part of the cache's key.
    bundled: embeddings that came with a LoRA.
    size: (width, height) in pixels that models are told which take a size.
    notes: of the job's earlier batches; this one's are added.
    seen: what the text encoder is shown with each image's prompts; empty: nothing with any.
    """
    if options.use_old_emphasis_implementation and any(encoder.spec.kind != "clip" for encoder in components.text_encoders):
        raise InvalidValue(f"The old emphasis implementation does not work with {components.family.name} checkpoints.",
                           "Switch off 'Use old emphasis implementation'.", field="use_old_emphasis_implementation")
    finder = NoEmbeddings() if embeddings is None else embeddings.finder(prompt_tokenizer().tokenize, _widths(components), bundled)
    timeline = pass_timeline(steps, hires_steps, old=options.use_old_scheduling)
    notes, kind = notes or PromptNotes(), "" if hires_steps is None else "hires "
    encoder = _PromptEncoder(components, options, timeline, finder, cache, networks, size, bundled, notes)
    plain = [take_out_tags(prompt)[0] for prompt in positive]
    read_by = (components.checkpoint.path, networks, steps, hires_steps)
    with notes.reading(f"{kind}negative", (tuple(negative), read_by)):
        negative_parts = [ConditioningPart(entries=entries) for entries in encoder.encode_all(negative, seen, negative=True)]
    parts = [split_and(prompt) for prompt in plain]
    if (most := max(map(len, parts), default=0)) > MOST_PARTS:
        raise InvalidValue(f"The prompt has {most} parts joined by AND; each is computed by itself, and at most {MOST_PARTS} are accepted.",
                           "Join them with commas.", field="prompt")
    with notes.reading(f"{kind}positive", (tuple(plain), read_by)):
        shown = [picture for each, picture in zip(parts, seen) for _ in each]
        encoded = iter(encoder.encode_all([part.text for each in parts for part in each], shown))
    positive_parts = [[ConditioningPart(entries=next(encoded), weight=part.weight) for part in each] for each in parts]
    old = {OLD_TIMELINES: True} if options.use_old_scheduling and _old_timing_matters([*plain, *negative], steps, hires_steps) else {}
    pads = options.pad_cond_uncond and not components.family.is_flow
    empty = encode_empty_prompt(components, options, cache=cache, networks=networks) if pads else None
    return PromptConditioning(positive_parts, negative_parts, facts=old | notes.facts, comments=[*encoder.comments, *finder.problems], empty_prompt=empty)


def encode_texts(
    texts: Sequence[str], components: Components, options: SamplingOptions, *, embeddings: EmbeddingShelf | None = None,
    cache: ConditioningCache | None = None, networks: Hashable = (), size: tuple[int, int] = (1024, 1024), negative: bool = False,
    learning: Embedding | None = None,
) -> tuple[ScheduledConditioning, ...]:
    """Each text as it is, without parts or changes over the steps; all together, as A1111's models do it: they share their length.

    learning: an embedding that stands before files of its name, and that gradients are to reach.
    """
    known = () if learning is None else (learning,)
    finder = NoEmbeddings() if embeddings is None else embeddings.finder(prompt_tokenizer().tokenize, _widths(components), known)
    encoder = _PromptEncoder(components, options, Timeline(steps=1), finder, cache, networks, size, learns=learning is not None)
    return encoder.encode_together(texts, negative=negative)


def encode_empty_prompt(
    components: Components, options: SamplingOptions, *, cache: ConditioningCache | None = None, networks: Hashable = ()
) -> Tensor:
    """(1, 77, C) of the prompt "": what A1111 pads with."""
    encoder = _PromptEncoder(components, options, Timeline(steps=1), NoEmbeddings(), cache, networks)
    return encoder.encode_all([""])[0][0].tensor[None]


def _widths(components: Components) -> tuple[int, ...]:
    """Of each text encoder that embeddings are made for."""
    return tuple(encoder.width for encoder in components.text_encoders if encoder.spec.is_clip)


def _old_timing_matters(prompts: Sequence[str], steps: int, hires_steps: int | None) -> bool:
    new, old = pass_timeline(steps, hires_steps), pass_timeline(steps, hires_steps, old=True)
    return any(schedule_prompt(prompt, new) != schedule_prompt(prompt, old) for prompt in set(prompts))


def _silent(encoded: EncodedTexts) -> EncodedTexts:
    """SDXL's answer to an empty negative prompt is nothing at all, not what its encoders make of the empty text."""
    return EncodedTexts(tokens=torch.zeros_like(encoded.tokens), pooled=None if encoded.pooled is None else torch.zeros_like(encoded.pooled))


class _PromptEncoder:
    """One job's way through the text encoder. Grows ``comments`` and its notes."""

    def __init__(
        self, components: Components, options: SamplingOptions, timeline: Timeline, embeddings: EmbeddingFinder,
        cache: ConditioningCache | None, networks: Hashable, size: tuple[int, int] = (0, 0), bundled: Sequence[Embedding] = (),
        notes: PromptNotes | None = None, learns: bool = False,
    ) -> None:
        self._encoders = [encoder for encoder in components.text_encoders if encoder.spec.is_clip]
        self._language_models = [encoder for encoder in components.text_encoders if not encoder.spec.is_clip]
        self._family = components.family
        self._reader: PromptReader | None = None if components.family.is_flow else reader_at(components)
        self._width = int(components.unet.config.get("joint_attention_dim", 0)) if components.family.is_flow else 0
        self._size_values = components.family.size_values
        self._size = size
        self._timeline = timeline
        self._options = options
        self._chunking = Chunking(tokenizer=prompt_tokenizer(), emphasis=options.emphasis,
                                  comma_backtrack=options.comma_padding_backtrack, embeddings=embeddings)
        self._cache = ConditioningCache() if cache is None else cache
        file = components.checkpoint
        self._model_key = (file.path, file.modified, file.size, networks, options.clip_skip, options.sdxl_clip_l_skip, options.emphasis)
        self._notes_emphasis = options.emphasis != "Original" and not options.use_old_emphasis_implementation
        self._bundled = bundled
        self._learns = learns
        self._notes = notes or PromptNotes()
        self.comments: list[str] = []

    def encode_all(self, prompts: Sequence[str], seen: Sequence[SeenPictures | None] = (), *, negative: bool = False) -> list[tuple[ScheduledConditioning, ...]]:
        """The schedule of each prompt; equal prompts, with the same pictures in ``seen``, are encoded once."""
        asked = list(zip(prompts, seen or [None] * len(prompts)))
        encoded = {each: self._encode(schedule_prompt(each[0], self._timeline), negative=negative, seen=each[1]) for each in dict.fromkeys(asked)}
        return [encoded[each] for each in asked]

    def encode_together(self, texts: Sequence[str], *, negative: bool) -> tuple[ScheduledConditioning, ...]:
        return self._encode(tuple(ScheduledText(until=number, text=text) for number, text in enumerate(texts)), negative=negative)

    def _encode(self, schedule: tuple[ScheduledText, ...], *, negative: bool, seen: SeenPictures | None = None) -> tuple[ScheduledConditioning, ...]:
        """All texts of one schedule go together: they share their length, and the mean that emphasis restores."""
        counts = Counter(entry.text for entry in schedule)
        chunked = {text: self._chunks(text) for text in counts}
        rows = max(len(chunks) for chunks in chunked.values())
        empty = self._chunking.empty_chunk()
        columns = [[chunks[row] if row < len(chunks) else empty for chunks in chunked.values()] for row in range(rows)]
        self._note_embeddings(columns)
        if self._notes_emphasis and any("(" in text or "[" in text for text in counts):
            self._notes.emphasis(self._options.emphasis)
        key = (self._model_key, tuple(map(tuple, columns)), tuple(counts.values()), tuple(counts) if self._language_models else (), seen)

        def own() -> EncodedTexts:
            return self._cache.get(key, lambda: self._encode_texts(list(counts), columns, list(counts.values()), seen))

        encoded = own() if self._reader is None or not self._reader.is_touched else self._read_by(self._reader, list(counts), own, negative)
        if negative and self._size_values and all(not text for text in counts):
            encoded = _silent(encoded)
        vectors = self._vectors(encoded, negative=negative)
        by_text = dict(zip(counts, zip(encoded.tokens, vectors)))
        return tuple(ScheduledConditioning(until=entry.until, tensor=by_text[entry.text][0], vector=by_text[entry.text][1]) for entry in schedule)

    def _read_by(self, reader: PromptReader, texts: list[str], own: Callable[[], EncodedTexts], negative: bool) -> EncodedTexts:
        """By way of somebody else, who may ask for these texts, or for others, as they would be read here."""

        def read(asked: list[str]) -> EncodedTexts:
            if asked == texts:
                return own()
            chunked = {text: self._chunks(text) for text in asked}
            rows, empty = max(len(chunks) for chunks in chunked.values()), self._chunking.empty_chunk()
            columns = [[chunked[text][row] if row < len(chunked[text]) else empty for text in asked] for row in range(rows)]
            return self._encode_texts(asked, columns, [1] * len(asked))

        return reader.read(texts, read, negative=negative)

    def _vectors(self, encoded: EncodedTexts, *, negative: bool) -> Sequence[Tensor | None]:
        """Per text: its pooled output, then the embedded sizes. None for models that take neither."""
        if self._family.is_flow:
            return [None] * len(encoded.tokens) if encoded.pooled is None else list(encoded.pooled)
        if not self._size_values:
            return [None] * len(encoded.tokens)
        sizes = embedded(size_values(self._size_values, self._size, self._options, negative=negative)).to(encoded.tokens)
        return [sizes] * len(encoded.tokens) if encoded.pooled is None else [torch.cat([pooled, sizes]) for pooled in encoded.pooled]

    def _chunks(self, text: str) -> tuple[PromptChunk, ...]:
        if not self._options.use_old_emphasis_implementation:
            return self._chunking.chunks(text)[0]
        chunk, cut_off = old_chunk(text, self._chunking)
        if cut_off:
            self._comment(f"The prompt is {cut_off} tokens too long for the old emphasis implementation; its end was cut off.")
        return (chunk,)

    def _encode_texts(self, texts: list[str], columns: list[list[PromptChunk]], counts: list[int], seen: SeenPictures | None = None) -> EncodedTexts:
        """What the model reads of ``texts``: of their chunks, or of the texts as a whole, or of both."""
        if not self._family.is_flow:
            return self._encode_columns(columns, counts, self._encoders)
        clips = [self._encode_columns(columns, counts, [encoder]) for encoder in self._encoders]
        long = None
        for encoder in self._language_models:
            found = [long_text(text, encoder, self._options.emphasis, seen) for text in texts]
            for each in found:
                if each.cut_off:
                    self._comment(f"The prompt is {each.cut_off} tokens too long for {encoder.spec.name}; its end was cut off.")
            long = encode_long_texts(encoder, found, torch.tensor(counts), self._options.emphasis, seen)
        return joined(self._family, clips, long, self._width)

    def _encode_columns(self, columns: list[list[PromptChunk]], counts: list[int], encoders: list[TextEncoder]) -> EncodedTexts:
        """(texts, chunks * 77, C), chunk by chunk: emphasis works within one position of all texts. Pooled is the first chunk's."""
        encoded, pooled = [], None
        for chunks in columns:
            found = [encode_chunks(encoder, chunks, self._options, number=number, learns=self._learns) for number, encoder in enumerate(encoders)]
            device = found[0].tokens.device
            weights, share = torch.tensor([chunk.weights for chunk in chunks], device=device), torch.tensor(counts, device=device)
            tokens = torch.tensor([chunk.tokens for chunk in chunks])
            encoded.append(torch.cat([emphasise(each.tokens.to(device), weights, share, self._options.emphasis, tokens) for each in found], dim=2))
            if pooled is None:
                pooled = next((each.pooled.to(device) for each in found if each.pooled is not None), None)
        return EncodedTexts(tokens=torch.cat(encoded, dim=1), pooled=pooled)

    def _note_embeddings(self, columns: list[list[PromptChunk]]) -> None:
        used: dict[str, PromptEmbedding] = {}
        for chunk in (chunk for chunks in columns for chunk in chunks):
            used |= {place.embedding.name: place.embedding for place in chunk.embeddings}
        unsaid = set() if self._options.bundled_in_text else {each.name for each in self._bundled}
        hashes = [f"{name.replace(':', '').replace(',', '')}: {used[name].short_hash}" for name in used if used[name].short_hash and name not in unsaid]
        for _ in self._encoders:                        # each of them reads the prompt
            self._notes.embeddings(hashes)

    def _comment(self, sentence: str) -> None:
        if sentence not in self.comments:
            self.comments.append(sentence)
