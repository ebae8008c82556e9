"""SentencePiece models read by us, held against what the package of that name makes of the same texts (sentencepiece_golden.json, by its version 0.2.3)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from modules.loading.sentencepiece_model import NotReadable, sentencepiece_tokenizer

GOLDEN = json.loads((Path(__file__).parent / "sentencepiece_golden.json").read_text("utf-8"))
MODEL = base64.b64decode(GOLDEN["model"])


def test_texts_become_the_same_tokens() -> None:
    """Runs of blanks, lines, letters that it does not know, digits, marks of its own."""
    tokenizer = sentencepiece_tokenizer(MODEL)
    assert [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in GOLDEN["texts"]] == [ids for _, ids in GOLDEN["texts"]]
    assert tokenizer.encode("<bos>a", add_special_tokens=False).ids[0] == 2


@pytest.mark.parametrize(("data", "words"), [
    (b"", "no pieces"), (b"PK\x03\x04 a zip", "damaged"), (MODEL[:5000], "damaged"), (b"\xff" * 40, "damaged"), (b"\x0a\xff\xff\xff\xff\x7f", "damaged"),
    (MODEL.replace(b"\x18\x02", b"\x18\x01"), "not one of byte pairs"), (MODEL + b"\x1a\x02\x18\x01", "changes the text"),
])  # fmt: skip
def test_what_is_no_such_model_is_told_so(data: bytes, words: str) -> None:
    with pytest.raises(NotReadable, match=words):
        sentencepiece_tokenizer(data)
