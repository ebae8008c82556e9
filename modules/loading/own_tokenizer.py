"""The tokenizer that comes with a text encoder: inside of its file, as ComfyUI's have it, or beside it in a folder of diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from modules.families.family import TextEncoderSpec
from modules.loading.sentencepiece_model import NotReadable, sentencepiece_tokenizer
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_INSIDE = "spiece_model"                # a tensor whose bytes are the file
_BESIDE = ("tokenizer", "tokenizer.model")


def own_tokenizer(spec: TextEncoderSpec, weights: Weights) -> Callable[[], Tokenizer]:
    """Makes it, from bytes that are read now. Raises CannotLoad where there is none, or one of another kind."""
    path = weights.header.path
    name = next((name for name in weights.header.names if name.endswith(_INSIDE)), None)
    beside = Path(path).joinpath(*_BESIDE)
    if name is not None:
        data = weights.read(name, torch.uint8, torch.device("cpu")).numpy().tobytes()
    elif beside.is_file():
        data = beside.read_bytes()
    else:
        raise CannotLoad(path, f"its {spec.name} text encoder comes without its tokenizer (no tensor {_INSIDE})", f"Get {spec.files} as ComfyUI publishes it, which has it inside.")
    try:
        found = sentencepiece_tokenizer(data)
    except NotReadable as error:
        raise CannotLoad(path, f"the tokenizer of its {spec.name} text encoder cannot be read: {error}", "Download the file again.") from error
    return lambda: found
