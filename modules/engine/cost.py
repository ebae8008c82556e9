"""How much work a request is, in numbers that time and memory grow with: known before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from modules.engine.hires import hires_size, hires_steps
from modules.engine.resolved import ResolvedRequest
from modules.engine.sampler_registry import find_sampler, split_sampler_and_schedule
from modules.schema.errors import UnknownName

_PIXELS = 512 * 512


@dataclass(frozen=True, kw_only=True)
class Work:
    """calls: of the denoiser. areas: those calls times their rows times their size, squares: times their size squared, for attention.

    pictures: their number times the size of each. largest: rows times size of the largest call. Sizes are in 512x512 pictures.
    size: of one finished picture, in the same unit.
    """

    calls: float
    areas: float
    squares: float
    pictures: float
    largest: float
    size: float

    @property
    def for_time(self) -> tuple[float, ...]:
        """What the seconds are a sum of, each with a weight of the machine's. The first is the job itself."""
        return (1.0, self.calls, self.areas, self.squares, self.pictures)

    @property
    def for_memory(self) -> tuple[float, ...]:
        """What the memory beside the weights is a sum of."""
        return (1.0, self.largest, self.size)


def work_of(request: ResolvedRequest, *, from_picture: bool) -> Work:
    """The work of ``request`` as a whole, all batches together. An unknown sampler counts as one of first order.

    from_picture: it is img2img, which runs a part of the steps; said apart because the picture may not be there yet.
    """
    size = base = request.width * request.height / _PIXELS
    passes = [(base, request.steps * (request.denoising_strength if from_picture else 1.0), request.sampler_name)]
    if request.hires.enabled and not from_picture:
        width, height = hires_size(request).enlarged
        size = width * height / _PIXELS
        passes.append((size, hires_steps(request) * request.denoising_strength, request.hires.sampler_name or request.sampler_name))
    rows = request.batch_size * (1 if request.guidance_scale == 1 else 2)
    counted = [(area, request.batch_count * max(1.0, steps) * _order(name, request.schedule_name)) for area, steps, name in passes]
    return Work(
        calls=sum(calls for _, calls in counted),
        areas=sum(calls * rows * area for area, calls in counted),
        squares=sum(calls * rows * area * area for area, calls in counted),
        pictures=request.batch_count * request.batch_size * size,
        largest=max(rows * area for area, _ in counted),
        size=size,
    )


def _order(sampler_name: str, schedule_name: str) -> int:
    try:
        return find_sampler(split_sampler_and_schedule(sampler_name, schedule_name)[0]).order
    except UnknownName:
        return 1
