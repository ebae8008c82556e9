"""A1111's arguments of creating and training, as programs and extensions hand them over -> our requests."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.schema.params_training import NewHypernetwork, TrainingRequest


def hypernetwork_asked(arguments: Mapping[str, Any]) -> NewHypernetwork:
    """Lists of numbers are taken as well as their text. Raises InvalidValue."""
    found = dict(arguments) | {name: _text(arguments.get(name)) for name in ("layer_structure", "dropout_structure")}
    sizes = arguments.get("enable_sizes")
    return NewHypernetwork.from_flat(found | ({"enable_sizes": [str(each) for each in sizes]} if isinstance(sizes, list | tuple) else {}))


def training_asked(arguments: Mapping[str, Any], what: str) -> TrainingRequest:
    """what: "embedding" or "hypernetwork". Both have one ``learn_rate`` there, and numbers where the page has text. Raises InvalidValue."""
    found = dict(arguments)
    for theirs, ours in (("learn_rate", f"{what}_learn_rate"), ("save_hypernetwork_every", "save_embedding_every")):
        if theirs in found:
            found[ours] = found.pop(theirs)
    return TrainingRequest.from_flat(found | {name: _text(found.get(name)) for name in (f"{what}_learn_rate", "clip_grad_value")})


def _text(value: Any) -> Any:
    """Of a number, or of a list of them; anything else as it is."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, int | float) else value
