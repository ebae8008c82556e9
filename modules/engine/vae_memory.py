"""When memory runs out in a VAE: it is tried once more, then in tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from modules.compute.memory import free_memory, is_out_of_memory

log = logging.getLogger(__name__)
Found = TypeVar("Found")
CELL = 8                                            # pixels of a latent's cell
_TILE = 64                                          # cells


@dataclass(frozen=True, kw_only=True)
class VaeRescue:
    """make_room: lets go of what others keep loaded. said: told what was done, once it worked."""

    make_room: Callable[[], None] = lambda: None
    said: Callable[[str], None] = lambda words: None


NO_RESCUE = VaeRescue()


def with_less_memory(whole: Callable[[], Found], in_parts: Callable[[], Found], *, done: str, rescue: VaeRescue) -> Found:
    """What ``whole`` gives; where memory runs out, what it gives once there is more room, and then what ``in_parts`` does.

    done: "decoded" or "encoded", for the sentences. Raises what the last try raised.
    """
    tries: Sequence[tuple[Callable[[], Found], str]] = (
        (whole, ""), (whole, f"Memory ran out while a picture was {done}; what was not needed was let go, and it was {done} again."),
        (in_parts, f"Memory ran out while a picture was {done}; it was {done} in tiles, whose seams may show."))  # fmt: skip
    for number, (attempt, words) in enumerate(tries):
        try:
            found = attempt()
        except Exception as error:
            if not is_out_of_memory(error) or number + 1 == len(tries):
                raise
            log.warning("memory ran out while a picture was %s", done)
            error.with_traceback(None)              # its frames hold what is in the way
        else:
            if words:
                rescue.said(words)
            return found
        rescue.make_room()
        free_memory()
    raise AssertionError


@contextmanager
def tiles_for(vae: Any, rows: int, columns: int) -> Iterator[None]:
    """Meanwhile ``vae`` works on tiles of 64 cells, or of some half the picture where that is less; neighbours overlap by a quarter and are blended.

    rows, columns: of the picture's latent.
    """
    half = -(-max(rows, columns) // 2)
    cells = min(_TILE, -(-half // 4) * 4)           # a quarter of it must be whole
    before = vae.tile_latent_min_size, vae.tile_sample_min_size, vae.use_tiling
    vae.tile_latent_min_size, vae.tile_sample_min_size, vae.use_tiling = cells, cells * CELL, True
    try:
        yield
    finally:
        vae.tile_latent_min_size, vae.tile_sample_min_size, vae.use_tiling = before
