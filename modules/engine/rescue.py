"""What is tried when a pass gives no numbers or memory runs out, in order, until it works or nothing is left; and what the user is told of it.

A pass that is tried again begins with the same noise: what comes out is what would have come out at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from modules.compute.attention import ChunkedAttention, Float32Attention
from modules.compute.memory import free_memory, is_out_of_memory
from modules.compute.precision import NotFinite
from modules.engine.precautions import ATTENTION, UNET

if TYPE_CHECKING:
    from modules.engine.models import Models

log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Something to change before the next try. use: False where it cannot help here. around: what holds during the try only."""

    says: str
    use: Callable[[Models], bool]
    around: Callable[[Models], AbstractContextManager[None]] = lambda models: nullcontext()


def with_rescue(models: Models, attempt: Callable[[], Found], *, said: Callable[[str], None], make_room: Callable[[], None]) -> Found:
    """What ``attempt`` gives. It is tried again, with one more measure each time, when it raises NotFinite or memory runs out.

    said: told what was changed, once it worked. make_room: lets go of what others keep loaded. Where another model took over in the middle (a refiner),
    it is not tried again. Raises what the last try raised.
    """
    upcasts = _Upcasts(models)
    ladders = {True: iter(_FOR_MEMORY), False: iter(upcasts.measures())}
    used: list[str] = []
    began_with = models.now.name
    around: Callable[[Models], AbstractContextManager[None]] = lambda models: nullcontext()
    while True:
        try:
            with around(models):
                found = attempt()
            break
        except Exception as error:
            memory = is_out_of_memory(error)
            if not (memory or isinstance(error, NotFinite)) or models.now.name != began_with:
                raise
            log.warning("%s", str(error).splitlines()[0] if str(error) else type(error).__name__)
            failure = error.with_traceback(None)    # its frames hold the tensors that are in the way
        if memory:
            make_room()
            free_memory()
        measure = next((each for each in ladders[memory] if each.use(models)), None)
        if measure is None:
            upcasts.undo()
            raise failure
        around = measure.around
        used += [measure.says] if measure.says else []
    for sentence in used[-1:]:                      # the one that helped
        said(sentence)
    return found


def once_more(attempt: Callable[[], Found], *, said: Callable[[str], None], make_room: Callable[[], None]) -> Found:
    """What ``attempt`` gives; where memory runs out, what it gives when what others keep loaded was let go. For what comes before a pass."""
    try:
        return attempt()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.warning("%s", str(error).splitlines()[0] if str(error) else type(error).__name__)
        error.with_traceback(None)
    make_room()
    free_memory()
    found = attempt()
    said("Memory ran out before the picture was begun; what was not needed was let go.")
    return found


def _same(models: Models) -> bool:
    return True


def _is_half(module: Any) -> bool:
    return next(module.parameters()).dtype in (torch.float16, torch.bfloat16)


class _Upcasts:
    """Half precision given up step by step; as it was again where that did not help either."""

    def __init__(self, models: Models) -> None:
        self._unet: Any = models.now.components.unet
        self._models, self._dtype = models, next(self._unet.parameters()).dtype
        self._processors = _processors(self._unet) if _is_half(self._unet) else {}      # asking each of hundreds of layers takes its time

    def measures(self) -> Sequence[Measure]:
        return (
            Measure(says="The model's result was not a number; the pass was computed again.", use=_same),
            Measure(says="The model's attention is computed in float32 from now on: in half precision its result was not a number.", use=self._attention),
            Measure(says="The model is computed in float32 from now on: in half precision its result was not a number.", use=self._whole),
        )

    def _attention(self, models: Models) -> bool:
        if not _is_half(self._unet) or not self._processors:
            return False
        models.remember(ATTENTION)
        self._unet.set_attn_processor(Float32Attention())
        return True

    def _whole(self, models: Models) -> bool:
        if not _is_half(self._unet):
            return False
        models.forget(ATTENTION)                    # it is in float32 with the rest
        self._restore()
        models.remember(UNET)
        self._unet.to(torch.float32)
        models.renew()
        return True

    def undo(self) -> None:
        if next(self._unet.parameters()).dtype is not self._dtype or (self._processors and _processors(self._unet) != self._processors):
            self._models.forget(ATTENTION, UNET)
            self._restore()
            self._unet.to(self._dtype)
            self._models.renew()

    def _restore(self) -> None:
        if self._processors:
            self._unet.set_attn_processor(dict(self._processors))


def _processors(unet: Any) -> dict[str, Any]:
    """What computes each attention of a UNet; nothing for transformers, whose attention cannot be exchanged for ours."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # seconds, which the start need not wait for

    return dict(unet.attn_processors) if isinstance(unet, UNet2DConditionModel) else {}


def _less_at_once(models: Models) -> bool:
    """Attention in chunks, and the rows with and without the prompt one after the other, for the rest of the job."""
    unet: Any = models.now.components.unet
    before = _processors(unet)
    if before:
        models.undo_later(lambda: unet.set_attn_processor(before))
        unet.set_attn_processor(ChunkedAttention(score_bytes=_CHUNK_BYTES))
    models.renew(split_guidance=True)
    return True


def _others_can_leave(models: Models) -> bool:
    return next(models.now.components.unet.parameters()).device.type != "cpu"


@contextmanager
def _others_away(models: Models) -> Iterator[None]:
    """Text encoders and VAE wait in main memory meanwhile. After a try that failed there may be no room for them: ``Components.gather`` brings them then."""
    components = models.now.components
    parts: list[torch.nn.Module] = [*(encoder.module for encoder in components.text_encoders), components.vae]
    for part in parts:
        part.to("cpu")
    free_memory()
    yield
    components.gather()


_CHUNK_BYTES = 64 * 2**20                           # of one chunk's table of scores
_FOR_MEMORY: Sequence[Measure] = (
    Measure(says="Memory ran out; what was not needed was let go, and the pass was computed again.", use=_same),
    Measure(says="Memory ran out; attention was computed in pieces, and positive and negative prompt one after the other.", use=_less_at_once),
    Measure(says="Memory ran out; text encoders and VAE waited in main memory meanwhile.", use=_others_can_leave, around=_others_away),
)
