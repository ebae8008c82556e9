"""CLIP's own byte-pair tokenizer, from the vocabulary that ships with us. Needs no torch, so that the page can count tokens early."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "configs" / "clip_tokenizer"


@cache
def clip_tokenizer() -> Any:
    """transformers' CLIPTokenizer: 49,408 entries, 77 tokens at most, padded with the end token."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(_FOLDER, local_files_only=True)
