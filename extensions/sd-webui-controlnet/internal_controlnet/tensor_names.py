"""A network's tensors from the names of its makers to those of transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor


def by_patterns(table: Mapping[str, Tensor], names: Sequence[tuple[str, str]], *, joined: str, parts: Sequence[str]) -> dict[str, Tensor]:
    """names: (pattern, replacement); the first that changes a name counts, and what none changes is left out.

    joined: matches the tensors in which query, key and value lie one after the other; parts: the names of these three, with its groups.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in table.items():
        if block := re.fullmatch(joined, name):
            found.update((block.expand(part), piece.clone()) for part, piece in zip(parts, tensor.chunk(3)))
            continue
        for pattern, replacement in names:
            if (ours := re.sub(pattern, replacement, name)) != name:
                found[ours] = tensor
                break
    return found
