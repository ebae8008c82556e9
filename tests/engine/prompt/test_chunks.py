"""Chunks of 75 tokens: where a prompt is cut, and what the counter shows."""

import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.engine.prompt_chunks import CHUNK_LENGTH, Chunking
from modules.engine.prompt_old_emphasis import old_chunk
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.token_count import count_tokens

TOKENIZER = prompt_tokenizer()
RULES = Chunking(tokenizer=TOKENIZER)
CAT, DOG, COMMA, END = (TOKENIZER.tokenize(word)[0] for word in ("cat", "dog", ",", "<|endoftext|>"))


@dataclass(frozen=True)
class FakeEmbedding:
    name: str = "fake"
    vector_count: int = 4
    short_hash: str = ""

    def vectors(self, encoder: int):
        raise NotImplementedError


@dataclass
class DogIsAnEmbedding:
    embedding: FakeEmbedding = field(default_factory=FakeEmbedding)
    problems: tuple[str, ...] = ()

    def find(self, tokens, position):
        return (self.embedding, 1) if tokens[position] == DOG else None


def inner(prompt, rules=RULES):
    """The tokens of each chunk without start, end and filling."""
    return [[token for token in chunk.tokens[1:] if token != END] for chunk in rules.chunks(prompt)[0]]


def test_every_chunk_has_77_tokens_and_weights():
    for prompt in ("", "cat", "cat " * 80, "cat BREAK dog", "(cat:1.3) " * 50):
        for chunk in RULES.chunks(prompt)[0]:
            assert len(chunk.tokens) == len(chunk.weights) == CHUNK_LENGTH + 2
            assert (chunk.tokens[0], chunk.tokens[-1]) == (TOKENIZER.start, TOKENIZER.end)


@pytest.mark.parametrize(("prompt", "lengths"), [("", [0]), ("cat " * 75, [75]), ("cat " * 76, [75, 1]), ("cat BREAK dog", [1, 1]),
                                                 ("BREAK", [0]), ("BREAK BREAK cat", [0, 0, 1]), ("cat BREAK", [1])])
def test_length_of_chunks(prompt, lengths):
    assert [len(chunk) for chunk in inner(prompt)] == lengths


def test_a_full_chunk_is_cut_after_a_near_comma():
    assert [len(chunk) for chunk in inner("cat " * 60 + ", " + "dog " * 20)] == [61, 20]


def test_a_far_comma_or_none_at_all_is_no_place_to_cut():
    assert [len(chunk) for chunk in inner("cat " * 50 + ", " + "dog " * 30)] == [75, 6]
    assert [len(chunk) for chunk in inner("cat " * 60 + ", " + "dog " * 20, Chunking(tokenizer=TOKENIZER, comma_backtrack=0))] == [75, 6]


def test_a_comma_right_at_the_edge_begins_the_next_chunk():
    assert inner("cat " * 75 + ", dog")[1] == [COMMA, DOG]


def test_weights_go_with_their_tokens_across_the_cut():
    chunks, _ = RULES.chunks("cat " * 60 + ", (dog:1.5)" + " cat" * 20)
    assert chunks[1].tokens[1] == DOG and chunks[1].weights[1] == 1.5


def test_emphasis_none_reads_brackets_as_text():
    assert len(inner("(cat:1.3)", Chunking(tokenizer=TOKENIZER, emphasis="None"))[0]) > 1


def test_an_embedding_takes_the_room_of_its_vectors_and_is_never_cut():
    rules = Chunking(tokenizer=TOKENIZER, embeddings=DogIsAnEmbedding())
    chunks, count = rules.chunks("cat " * 73 + "(dog:1.2) cat")
    assert [len(chunk.embeddings) for chunk in chunks] == [0, 1]
    assert chunks[1].embeddings[0].offset == 0
    assert chunks[1].weights[1:6] == (1.2, 1.2, 1.2, 1.2, 1.0)
    assert count == 75 + 5


def test_an_embedding_of_more_vectors_than_a_chunk_still_gives_chunks_of_77():
    rules = Chunking(tokenizer=TOKENIZER, embeddings=DogIsAnEmbedding(FakeEmbedding(vector_count=200)))
    assert all(len(chunk.tokens) == 77 for chunk in rules.chunks("cat dog cat dog")[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["cat ", ", ", "dog ", "BREAK ", "(a:1.2) ", "cat " * 30]), max_size=30).map("".join), st.integers(0, 74))
def test_no_token_is_lost_or_moved_out_of_order(prompt, backtrack):
    rules = Chunking(tokenizer=TOKENIZER, comma_backtrack=backtrack)
    plain = [token for part in prompt.replace("(a:1.2)", "a").split("BREAK") for token in TOKENIZER.tokenize(part)]
    assert [token for chunk in inner(prompt, rules) for token in chunk] == plain


def test_old_emphasis_weighs_by_bracket_tokens_and_keeps_one_chunk():
    chunk, cut_off = old_chunk("(cat) [dog] " + "cat " * 100, RULES)
    assert len(chunk.tokens) == 77 and cut_off == 27
    assert chunk.weights[1:4] == (1.1, pytest.approx(1 / 1.1), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("", (0, 75)), ("a red cat", (3, 75)), ("a red cat, ", (4, 75)), ("cat " * 75, (75, 75)), ("cat " * 76, (76, 150)),
        ("a BREAK b", (76, 150)), ("[cat:a big dog:0.5]", (3, 75)), ("cat AND a big dog", (3, 75)), ("(cat:1.3)", (1, 75)),
        ("cat <lora:some:1>", (1, 75)), ("cat # the rest is silent\n", (1, 75)),
    ],
)  # fmt: skip
def test_the_counter(prompt, shown):
    assert count_tokens(prompt) == shown


def test_the_counter_of_a_negative_prompt_and_of_styles():
    assert count_tokens("cat AND dog", is_negative=True) == (3, 75)
    assert count_tokens("cat", ["{prompt} on a mat", "dog"]) == (6, 75)
    assert count_tokens("# cat", comments=False) == (2, 75)


def test_the_counter_never_loads_torch():
    code = "import sys; from modules.engine.token_count import count_tokens; count_tokens('a cat'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
