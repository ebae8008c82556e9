"""Find a model by what people and old infotexts call it, in A1111's order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from unicodedata import normalize

from modules.library.hashes import old_hash
from modules.library.model_file import ModelFile

_CHECKSUM = re.compile(r"\s*\[([^]]+)\]\s*$")
_OLD_HASH = re.compile(r"[0-9a-f]{8}")


def find(models: Sequence[ModelFile], text: str) -> ModelFile | None:
    """The model that ``text`` means, or None.

    First a name that is exactly ``text`` (title, path, name, stem or hash); then the shortest title that contains it;
    then the same without a hash in brackets at its end; then the hash of A1111's first years.
    """
    text = normalize("NFC", text.strip())
    wanted = text.replace("\\", "/")
    if not wanted:
        return None
    exact = exactly(models, text) or exactly(models, wanted)     # on Linux a file's own name may hold a backslash
    if exact is not None:
        return exact
    for part in (wanted, _CHECKSUM.sub("", wanted)):
        containing = [model for model in models if part and part in model.title]
        if containing:
            return min(containing, key=lambda model: len(model.title))
    if _OLD_HASH.fullmatch(wanted):
        return next((model for model in models if old_hash(model.path) == wanted), None)
    return None


def exactly(models: Sequence[ModelFile], wanted: str) -> ModelFile | None:
    """The first kind of name that fits decides; of two files that share it, the later one, as in A1111."""
    for names in (_full_names, _short_names, _hashes):
        for model in reversed(models):
            if wanted in names(model):
                return model
    return None


def _full_names(model: ModelFile) -> Iterable[str]:
    return model.title, model.name, normalize("NFC", str(model.path)).replace("\\", "/")


def _short_names(model: ModelFile) -> Iterable[str]:
    short = (model.model_name, model.stem, normalize("NFC", model.path.name))
    return short if model.short_hash is None else (*short, f"{model.stem} [{model.short_hash}]")


def _hashes(model: ModelFile) -> Iterable[str]:
    return (model.sha256, model.short_hash) if model.sha256 and model.short_hash else ()
