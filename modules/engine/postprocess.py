"""Operations on finished pictures, one after the other: each takes a picture with what is known of it and gives one, or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from modules.schema.infotext_write import quoted


@dataclass(frozen=True, kw_only=True)
class PostPicture:
    """A picture on its way. facts: infotext key -> value, in order. nametags: put behind the file's name. caption: for a text file beside it.

    finished: no further operation touches it.
    """

    picture: Image.Image
    facts: Mapping[str, object] = field(default_factory=dict)
    nametags: tuple[str, ...] = ()
    caption: str = ""
    finished: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """name, order: as A1111's ScriptPostprocessing has them; lower orders run first. apply: the first of what it gives takes the picture's place."""

    name: str
    order: float
    apply: Callable[[PostPicture], Sequence[PostPicture]]


def run_operations(first: PostPicture, operations: Sequence[Operation], *, order: Sequence[str] = (), stopped: Callable[[], bool]) -> list[PostPicture]:
    """All pictures that ``operations`` make of ``first``; none when it was stopped meanwhile.

    order: names of operations that run first, in that order (a setting); the others follow by their own.
    """
    places = {name: place for place, name in enumerate(order)}
    pictures = [first]
    for operation in sorted(operations, key=lambda each: (places.get(each.name, len(places)), each.order)):
        made: list[PostPicture] = []
        for each in pictures:
            if stopped():
                return []
            made += [each] if each.finished else operation.apply(each)
        pictures = made
    return [] if stopped() else pictures


def infotext_of(facts: Mapping[str, object]) -> str:
    """ "Postprocess upscale by: 4, Postprocess upscaler: Lanczos": as A1111 writes it."""
    return ", ".join(key if key == str(value) else f"{key}: {quoted(value)}" for key, value in facts.items() if value is not None)

