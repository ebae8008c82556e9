"""The captions say what they mention in words of the tables, and the held-out combinations stay out."""

from __future__ import annotations

import numpy as np

from modules.starter.captions import COLOUR_WORDS, HELD_OUT_PERCENT, OBJECT_WORDS, Mention, choose_mention, is_held_out, write_caption
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, random_subject
from modules.starter.text_training import trainable_subject
from modules.starter.tokens import known_tokens, tokenize


def test_tables_speak_of_what_is_drawn() -> None:
    assert tuple(OBJECT_WORDS) == OBJECTS
    assert tuple(COLOUR_WORDS) == COLOUR_NAMES


def test_a_caption_names_each_mentioned_fact_by_one_of_its_words() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        mention = choose_mention(random_subject(rng), rng)
        caption = write_caption(mention, rng)
        if mention.object:
            assert any(word in caption for word in OBJECT_WORDS[mention.object]), caption
        for colour in filter(None, (mention.colour, mention.background)):
            assert any(word in caption for word in COLOUR_WORDS[colour]), caption


def test_nothing_mentioned_is_the_empty_caption() -> None:
    assert write_caption(Mention(), np.random.default_rng(0)) == ""


def test_synonyms_name_one_thing_only() -> None:
    for table in (OBJECT_WORDS, COLOUR_WORDS):
        words = [word for group in table.values() for word in set(group)]
        assert len(words) == len(set(words))


def test_the_held_out_share_is_as_said_and_every_object_has_some() -> None:
    triples = [(o, c, b) for o in OBJECTS for c in COLOUR_NAMES for b in COLOUR_NAMES if c != b]
    held_out = [triple for triple in triples if is_held_out(*triple)]
    assert abs(100 * len(held_out) / len(triples) - HELD_OUT_PERCENT) < 2
    assert {triple[0] for triple in held_out} == set(OBJECTS)


def test_training_never_meets_a_held_out_combination() -> None:
    rng = np.random.default_rng(0)
    subjects = [trainable_subject(rng) for _ in range(2000)]
    assert not any(is_held_out(s.object, s.colour, s.background) for s in subjects)


def test_the_text_encoder_knows_every_word_of_the_grammar() -> None:
    rng = np.random.default_rng(2)
    captions = [write_caption(choose_mention(random_subject(rng), rng), rng) for _ in range(300)]
    assert set(tokenize(captions).flatten().tolist()) <= set(known_tokens())
