"""The tokenizer that comes with a text encoder: inside of its file, as ComfyUI's have it, or beside it in a folder of diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from modules.families.family import TextEncoderSpec
from modules.loading.sentencepiece_model import NotReadable, sentencepiece_tokenizer
from modules.loading.tekken import tekken_tokenizer
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# the tensor whose bytes are such a file, and what the file is called in a folder
_KINDS = {"gemma": ("spiece_model", "tokenizer.model", sentencepiece_tokenizer), "mistral": ("tekken_model", "tekken.json", tekken_tokenizer)}


def own_tokenizer(spec: TextEncoderSpec, weights: Weights) -> Callable[[], Tokenizer]:
    """Makes it, from bytes that are read now. Raises CannotLoad where there is none, or one of another kind."""
    path, (inside, file, read) = weights.header.path, _KINDS[spec.kind]
    name = next((name for name in weights.header.names if name.endswith(inside)), None)
    beside, whole = Path(path) / "tokenizer" / file, Path(path) / "tokenizer" / "tokenizer.json"
    if name is not None:
        data = weights.read(name, torch.uint8, torch.device("cpu")).numpy().tobytes()
    elif beside.is_file():
        data = beside.read_bytes()
    elif whole.is_file():
        data, read = whole.read_bytes(), _as_saved
    else:
        raise CannotLoad(path, f"its {spec.name} text encoder comes without its tokenizer (no tensor {inside})", f"Get {spec.files} as ComfyUI publishes it, which has it inside.")
    try:
        found = read(data)
    except NotReadable as error:
        raise CannotLoad(path, f"the tokenizer of its {spec.name} text encoder cannot be read: {error}", "Download the file again.") from error
    return lambda: found


def _as_saved(data: bytes) -> Tokenizer:
    """As transformers saves it. Raises NotReadable."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(data.decode("utf-8"))
    except Exception as error:      # the package raises nothing narrower
        raise NotReadable("it is damaged") from error
