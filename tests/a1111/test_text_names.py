"""Embeddings that extensions make: prompts mean them, and fixes of chunks show them as A1111 does."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from modules.a1111.text_names import Embedding, EmbeddingDatabase, engine_places, shown_place
from modules.application.app import App
from modules.engine.prompt_chunks import Chunking, PromptChunk
from modules.engine.prompt_tokens import prompt_tokenizer

NAME = "<'EM_1'>"


@pytest.fixture
def database(a1111: App) -> Iterator[EmbeddingDatabase]:
    database = EmbeddingDatabase()
    yield database
    database.word_embeddings.clear()


def read(app: App, prompt: str) -> PromptChunk:
    tokenize = prompt_tokenizer().tokenize
    return Chunking(tokenizer=prompt_tokenizer(), embeddings=app.embeddings.finder(tokenize, (4,))).chunks(prompt)[0][0]


def test_a_prompt_means_an_embedding_while_it_is_registered(a1111: App, database: EmbeddingDatabase) -> None:
    made = Embedding(torch.ones(2, 4), NAME)
    assert database.register_embedding_by_name(made, None, NAME) is made
    first = read(a1111, f"a {NAME} circle")
    (place,) = first.embeddings
    assert place.offset == 1 and place.embedding.vectors(0).tolist() == [[1.0] * 4] * 2
    assert read(a1111, f"a {NAME} circle") == first, "what was encoded is kept while nothing changed"
    made.vec = torch.zeros(3, 4)
    assert read(a1111, f"a {NAME} circle").embeddings[0].embedding.vector_count == 3
    made.vec += 5
    assert read(a1111, f"a {NAME} circle").embeddings[0].embedding.vectors(0).min() == 5
    database.register_embedding_by_name(None, None, NAME)
    assert read(a1111, f"a {NAME} circle").embeddings == () and NAME not in database.word_embeddings


@pytest.mark.parametrize("was_listed", [False, True])
def test_an_embedding_in_a_folder_that_an_extension_names_is_meant_by_prompts(a1111: App, database: EmbeddingDatabase, tmp_path: Path, was_listed: bool) -> None:
    folder = tmp_path / "extensions" / "mine" / "embeddings"
    folder.mkdir(parents=True)
    torch.save({"string_to_param": {"*": torch.ones(2, 4)}, "name": "other"}, folder / "usada pekora.pt")
    if was_listed:
        assert a1111.catalogue.embeddings() == ()
    database.add_embedding_dir(str(folder))
    database.add_embedding_dir(str(folder))
    assert len(a1111.catalogue.embeddings()) == 1 and "usada pekora" in database.word_embeddings
    assert read(a1111, "portrait of usada pekora").embeddings[0].embedding.vector_count == 2


def test_fixes_show_the_embedding_itself_and_lead_back_to_it(a1111: App, database: EmbeddingDatabase) -> None:
    made = Embedding(torch.ones(2, 4), "other name")
    database.register_embedding_by_name(made, None, NAME)
    chunk = read(a1111, f"a {NAME}")
    fixes = [shown_place(each) for each in chunk.embeddings]
    assert fixes[0].embedding is made and fixes[0].offset == 1
    (back,) = engine_places(fixes)
    assert back.offset == 1 and torch.equal(back.embedding.vectors(0), made.vec)
    made.vec = torch.zeros(0, 4)
    assert engine_places(fixes) == () and read(a1111, f"a {NAME}").embeddings == ()
