"""A1111's first way of reading attention ("Use old emphasis implementation"), kept for old infotexts.

Brackets weigh by the tokens they are part of, ``:1.3`` is not understood, and a prompt has one chunk: the rest is cut off.
"""

from __future__ import annotations

from functools import cache

from modules.engine.prompt_attention import ROUND_MULTIPLIER
from modules.engine.prompt_chunks import CHUNK_LENGTH, PLACEHOLDER_TOKEN, Chunking, EmbeddingPlace, PromptChunk
from modules.engine.prompt_tokens import PromptTokenizer

_FACTORS = {"(": ROUND_MULTIPLIER, ")": 1 / ROUND_MULTIPLIER, "[": 1 / ROUND_MULTIPLIER, "]": ROUND_MULTIPLIER}


def old_chunk(prompt: str, rules: Chunking) -> tuple[PromptChunk, int]:
    """The one chunk of a text, and how many tokens were cut off."""
    factors = {} if rules.emphasis == "None" else _token_factors(rules.tokenizer)
    tokens: list[int] = []
    weights: list[float] = []
    places: list[EmbeddingPlace] = []
    read, weight, position = rules.tokenizer.tokenize(prompt), 1.0, 0
    while position < len(read):
        found = rules.embeddings.find(read, position)
        if read[position] in factors:
            weight *= factors[read[position]]
            position += 1
        elif found is None:
            tokens.append(read[position])
            weights.append(weight)
            position += 1
        else:
            embedding, name_length = found
            places.append(EmbeddingPlace(offset=len(tokens), embedding=embedding))
            tokens += [PLACEHOLDER_TOKEN] * embedding.vector_count
            weights += [weight] * embedding.vector_count
            position += name_length
    kept, missing = tokens[:CHUNK_LENGTH], max(CHUNK_LENGTH - len(tokens), 0)
    chunk = PromptChunk(
        tokens=(rules.tokenizer.start, *kept, *[rules.tokenizer.end] * (missing + 1)),
        weights=(1.0, *weights[:CHUNK_LENGTH], *[1.0] * (missing + 1)),
        embeddings=tuple(place for place in places if place.offset < CHUNK_LENGTH),
    )
    return chunk, len(tokens) - len(kept)


@cache
def _token_factors(tokenizer: PromptTokenizer) -> dict[int, float]:
    """Tokens with brackets in them -> what they multiply the weight by; balanced ones are ordinary tokens."""
    factors = {}
    for token, number in tokenizer.vocabulary().items():
        factor = 1.0
        for character in token:
            factor *= _FACTORS.get(character, 1.0)
        if factor != 1.0:
            factors[number] = factor
    return factors
