"""The tokenizers of text encoders, from vocabularies that ship with us. They need no torch, so that the page can count tokens early."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FOLDER = Path(__file__).parent / "configs"
QWEN_END = "<|endoftext|>"
QWEN_SPECIAL = (
    QWEN_END, "<|im_start|>", "<|im_end|>", *(f"<|{kind}_{end}|>" for kind in ("object_ref", "box", "quad") for end in ("start", "end")),
    *(f"<|{name}|>" for name in ("vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")), "<tool_call>", "</tool_call>",
    *(f"<|{name}|>" for name in ("fim_prefix", "fim_middle", "fim_suffix", "fim_pad", "repo_name", "file_sep")),
    "<tool_response>", "</tool_response>", "<think>", "</think>",     # Qwen 3's alone
)  # fmt: skip
# contractions, words with the sign before them, single digits, runs of other signs, blanks
_QWEN_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@cache
def clip_tokenizer() -> Any:
    """transformers' CLIPTokenizer: 49,408 entries, 77 tokens at most, padded with the end token."""
    from transformers.models.clip import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(_FOLDER / "clip_tokenizer", local_files_only=True)


@cache
def t5_tokenizer() -> Tokenizer:
    """T5's, of 32,100 entries. Every text ends with token 1, texts are filled up with token 0."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(_FOLDER / "t5_tokenizer" / "tokenizer.json"))


@cache
def bert_tokenizer() -> Tokenizer:
    """BERT's (uncased), of 30,522 entries: for reading what BLIP writes."""
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import WordPiece

    entries = (_FOLDER / "bert_tokenizer" / "vocab.txt").read_text("utf-8").splitlines()
    tokenizer = Tokenizer(WordPiece({entry: number for number, entry in enumerate(entries)}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


@cache
def qwen_tokenizer() -> Tokenizer:
    """That of Qwen 2, 2.5 and 3: bytes, then one entry for each merge, then the special tokens (151,643 and on)."""
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.normalizers import NFC
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    lines = (_FOLDER / "qwen_tokenizer" / "merges.txt").read_text("utf-8").split("\n")
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines) if second]
    vocabulary: dict[str, int] = {}
    for entry in (*byte_letters(), *(first + second for first, second in merges)):
        vocabulary.setdefault(entry, len(vocabulary))
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = Sequence([Split(Regex(_QWEN_WORDS), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in QWEN_SPECIAL])
    return tokenizer


def byte_letters() -> list[str]:
    """A visible letter for each byte, those that are visible themselves first: GPT-2's alphabet."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return [*map(chr, visible), *(chr(256 + number) for number in range(len(others)))]
