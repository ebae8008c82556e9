"""Models of extensions that were written for Pydantic 1."""
from __future__ import annotations

import pytest
from pydantic import BaseModel

from modules.rest_api import pydantic1_words


def test_fields_of_an_extensions_model_can_be_made_optional_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old "all fields optional" decorator, which clients' backends (a Krita plugin's) put on their requests."""
    if not pydantic1_words._owning:         # a server of another test may have done so
        pydantic1_words.install(lambda _file: None)
    monkeypatch.setattr(pydantic1_words, "_owning", [lambda file: "ext" if file == __file__ else None])

    class Asked(BaseModel):
        prompt: str
        steps: int = 5

    for name in Asked.__fields__:
        Asked.__fields__[name].required = False         # type: ignore[attr-defined]
    assert Asked().model_dump() == {"prompt": None, "steps": 5} and Asked(prompt="a cat").prompt == "a cat"     # type: ignore[call-arg]
    with pytest.raises(ValueError, match="prompt"):
        Asked(prompt=3)                                 # type: ignore[arg-type]


def test_a_model_is_written_with_the_words_of_json_dumps() -> None:
    """As extensions write their configuration: ``config.json(indent=3)``."""
    if not pydantic1_words._owning:
        pydantic1_words.install(lambda _file: None)

    class Kept(BaseModel):
        name: str
        parts: list[int]

    kept = Kept(name="é", parts=[1])
    assert kept.json(indent=1, ensure_ascii=False, exclude={"parts"}) == '{\n "name": "é"\n}'
    assert kept.json(sort_keys=True) == '{"name": "\\u00e9", "parts": [1]}' and Kept.model_validate_json(kept.json()) == kept
