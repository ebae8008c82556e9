"""The tokenizer inside of a SentencePiece model (Gemma's), which ComfyUI's files of text encoders hold as the bytes of a tensor.

Read without the package of that name: of its protobuf only the pieces are needed, and that it is BPE on text as it stands.
Source: sentencepiece_model.proto of github.com/google/sentencepiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPACE = "\u2581"
_UNKNOWN, _CONTROL, _BY_HAND = 2, 3, 4          # kinds of pieces; others are usual ones, and single bytes
_BPE = 2                                        # kind of model


class NotReadable(ValueError):
    """It is no such model, or one of another kind."""


@dataclass(frozen=True, kw_only=True)
class _Piece:
    text: str
    kind: int


def sentencepiece_tokenizer(data: bytes) -> Tokenizer:
    """Raises NotReadable."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.normalizers import Replace

    pieces = _read(data)
    ranks = {piece.text: number for number, piece in enumerate(pieces)}
    unknown = next((piece.text for piece in pieces if piece.kind == _UNKNOWN), None)
    usual = [piece.text for piece in pieces if piece.kind not in (_UNKNOWN, _CONTROL, _BY_HAND) and len(piece.text) > 1]
    tokenizer = Tokenizer(BPE(ranks, merges_of(usual, ranks), unk_token=unknown, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = Replace(" ", _SPACE)
    tokenizer.add_special_tokens([AddedToken(piece.text, normalized=False) for piece in pieces if piece.kind == _CONTROL])
    tokenizer.add_tokens([AddedToken(piece.text, normalized=True) for piece in pieces if piece.kind == _BY_HAND])      # runs of blanks among them
    return tokenizer


def merges_of(words: list[str], ranks: dict[str, int]) -> list[tuple[str, str]]:
    """Every two pieces that make a third, in the order in which SentencePiece would join them: that of the third."""
    found: list[tuple[str, str]] = []
    for word in words:
        pairs = [(word[:at], word[at:]) for at in range(1, len(word)) if word[:at] in ranks and word[at:] in ranks]
        found += sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return found


def _read(data: bytes) -> list[_Piece]:
    pieces: list[_Piece] = []
    try:
        for field, value in _fields(data):
            if field == 1 and isinstance(value, bytes):
                own = dict(_fields(value))
                pieces.append(_Piece(text=bytes(own[1]).decode("utf-8"), kind=int(own.get(3, 1))))      # type: ignore[arg-type]
            elif field == 2 and isinstance(value, bytes) and dict(_fields(value)).get(3, 1) != _BPE:
                raise NotReadable("it is not one of byte pairs")
            elif field == 3 and isinstance(value, bytes):
                rules = dict(_fields(value))
                if rules.get(2) or rules.get(3, 1) or rules.get(4, 1):
                    raise NotReadable("it changes the text before it cuts it")
    except (KeyError, IndexError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise NotReadable("it is damaged") from error
    if not pieces:
        raise NotReadable("it has no pieces")
    return pieces


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """(number, value) of each field of a protobuf message. Raises IndexError or struct.error where it ends too early."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        form = key & 7
        if form == 0:
            value, at = _number(data, at)
        elif form == 2:
            length, at = _number(data, at)
            if at + length > len(data):
                raise IndexError(at)
            value, at = data[at : at + length], at + length
        elif form in (1, 5):
            size = 8 if form == 1 else 4
            value, at = struct.unpack_from("<d" if form == 1 else "<f", data, at)[0], at + size
        else:
            raise IndexError(at)
        yield key >> 3, value


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while shift < 70:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7
    raise IndexError(at)
