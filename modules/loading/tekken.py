"""Mistral's tokenizer ("Tekken"), from the JSON that its makers publish and that ComfyUI's files of text encoders hold as the bytes of a tensor.

Source: the layout of tekken.json in github.com/mistralai/mistral-common, which reads it with tiktoken.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from modules.loading.sentencepiece_model import NotReadable, merges_of
from modules.loading.tokenizer import byte_letters

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def tekken_tokenizer(data: bytes) -> Tokenizer:
    """Raises NotReadable."""
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    try:
        said = json.loads(data)
        special, words, pattern = _special(said), _words(said), str(said["config"]["pattern"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NotReadable("it is damaged") from error
    first = int(said["config"]["default_num_special_tokens"])
    ranks = {word: first + number for number, word in enumerate(words)}
    tokenizer = Tokenizer(BPE(special | ranks, merges_of([word for word in words if len(word) > 1], ranks), ignore_merges=True))
    tokenizer.pre_tokenizer = Sequence([Split(Regex(pattern), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in special])
    return tokenizer


def _special(said: Any) -> dict[str, int]:
    """Marks such as [INST], and their numbers."""
    return {str(each["token_str"]): int(each["rank"]) for each in said["special_tokens"]}


def _words(said: Any) -> list[str]:
    """In the order of their ranks, a letter for each byte; those beyond the size that models have are left out."""
    config, letters = said["config"], _letters()
    count = int(config["default_vocab_size"]) - int(config["default_num_special_tokens"])
    table = sorted((int(each["rank"]), base64.b64decode(each["token_bytes"], validate=True)) for each in said["vocab"])
    if [rank for rank, _ in table] != list(range(len(table))):
        raise ValueError("ranks")
    return ["".join(letters[byte] for byte in word) for _, word in table[:count]]


def _letters() -> dict[int, str]:
    """Byte -> GPT-2's letter for it: a visible one is its own, the others follow in order."""
    letters = byte_letters()
    visible, hidden = {letter for letter in letters if ord(letter) < 256}, iter(letter for letter in letters if ord(letter) > 255)
    return {byte: chr(byte) if chr(byte) in visible else next(hidden) for byte in range(256)}
