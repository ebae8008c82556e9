"""``FilenameGenerator.replacements``: the tokens of file name patterns, with those that extensions put in, which every name is made with."""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PIL import Image

from modules.a1111.running import running_work
from modules.imaging.filenames import TOKEN_NAMES, NameFacts, Value, add_token

log = logging.getLogger(__name__)
Make = Callable[..., Any]                           # (generator, *arguments) -> text, None: the token stays as it is written


class NameTokens(dict[str, Make]):
    """generator: ``FilenameGenerator``, which each function is handed one of."""

    def __init__(self, generator: Callable[..., Any]) -> None:
        super().__init__({name: _ours(name) for name in TOKEN_NAMES})
        self._generator = generator

    @property
    def is_added_to(self) -> bool:
        return not all(getattr(each, "is_ours", False) for each in self.values())

    def __setitem__(self, name: str, make: Make) -> None:
        super().__setitem__(name, make)
        add_token(name, None if getattr(make, "is_ours", False) else lambda facts, image, arguments: self._made(make, facts, image, arguments))

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        add_token(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        found = super().pop(name, *default)
        add_token(name, None)
        return found

    def update(self, *others: Any, **values: Any) -> None:
        for name, make in dict(*others, **values).items():
            self[name] = make

    def _made(self, make: Make, facts: NameFacts, image: Image.Image | None, arguments: list[str]) -> Value:
        work = running_work()
        p = getattr(work.listeners[-1], "p", None) if work is not None and work.listeners else None
        try:
            found: Value = make(self._generator(p, facts.seed, facts.prompt, image, facts.for_zip, facts.basename), *arguments)
        except Exception:
            log.exception("an extension's part of a file name could not be made")
            return None
        return found


def _ours(name: str) -> Make:
    def make(generator: Any, *arguments: str) -> str:
        return str(generator.apply(f"[{name}{''.join(f'<{each}>' for each in arguments)}]"))

    make.is_ours = True
    return make
