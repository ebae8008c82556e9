"""Mistral's tokenizers read by us, held against what tiktoken makes of the same table and texts (tekken_golden.json, by its version 0.14.0)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modules.loading.sentencepiece_model import NotReadable
from modules.loading.tekken import tekken_tokenizer

GOLDEN = json.loads((Path(__file__).parent / "tekken_golden.json").read_text("utf-8"))


def test_texts_become_the_same_tokens() -> None:
    """Those of the table that lie beyond the size of the model are not used."""
    tokenizer = tekken_tokenizer(json.dumps(GOLDEN["tekken"]).encode())
    assert [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in GOLDEN["texts"]] == [ids for _, ids in GOLDEN["texts"]]
    ids = tokenizer.encode("<s>[SYSTEM_PROMPT]a[/SYSTEM_PROMPT][INST][/INST]", add_special_tokens=False).ids
    assert ids[:2] + ids[3:] == [1, 17, 18, 3, 4]


@pytest.mark.parametrize("change", [
    lambda said: said.pop("config"), lambda said: said.pop("special_tokens"), lambda said: said.update(special_tokens=None), lambda said: said["vocab"].pop(3),
    lambda said: said["vocab"][0].update(token_bytes="?"), lambda said: said["config"].update(default_vocab_size="many"),
])  # fmt: skip
def test_a_damaged_one_is_told_so(change: Any) -> None:
    said = json.loads(json.dumps(GOLDEN["tekken"]))
    change(said)
    for data in (json.dumps(said).encode(), b"", b"[1]", b"\xff\xfe"):
        with pytest.raises(NotReadable, match="damaged"):
            tekken_tokenizer(data)
