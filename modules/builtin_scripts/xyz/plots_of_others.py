"""What extensions take from X/Y/Z plot by A1111's names, to build plots and axes of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

from PIL import Image

from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.state import state
from modules.builtin_scripts.xyz.sheet import Cells, Labels, sheets
from modules.builtin_scripts.xyz.values import all_values

Cell = Callable[[Any, Any, Any, int, int, int], Processed]      # (x, y, z and their places) draws one
AXES = "xyz"
_WHOLE, _PART = r"([+-]?\s*\d+)", r"([+-]?\s*\d+(?:\.\d*)?)"
# the groups are start, end, and step or count, as those who match by them expect
re_range = re.compile(rf"\s*{_WHOLE}\s*-\s*{_WHOLE}(?:\s*\(([+-]\d+)\s*\))?\s*")
re_range_float = re.compile(rf"\s*{_PART}\s*-\s*{_PART}(?:\s*\(([+-]\d+(?:\.\d*)?)\s*\))?\s*")
re_range_count = re.compile(rf"\s*{_WHOLE}\s*-\s*{_WHOLE}(?:\s*\[(\d+)\s*\])?\s*")
re_range_count_float = re.compile(rf"\s*{_PART}\s*-\s*{_PART}(?:\s*\[(\d+(?:\.\d*)?)\s*\])?\s*")


def csv_string_to_list_strip(data_str: str) -> list[str]:
    return all_values(data_str)


def confirm_range(min_val: float, max_val: float, axis_label: str) -> Callable[[Any, Sequence[float]], None]:
    """``confirm=`` of an axis whose values lie between the two. What it gives raises ValueError."""

    def confirm(p: Any, xs: Sequence[float]) -> None:
        for each in xs:
            if not min_val <= each <= max_val:
                raise ValueError(f"{axis_label} cannot be {each}: it must be between {min_val} and {max_val}.")

    return confirm


class SharedSettingsStackHelper(AbstractContextManager[None]):
    """Around a plot; what its cells override is put back by the job itself."""

    def __exit__(self, *_: object) -> None:
        return None


def draw_xyz_grid(
    p: Any, xs: Sequence[Any], ys: Sequence[Any], zs: Sequence[Any], x_labels: Sequence[str], y_labels: Sequence[str], z_labels: Sequence[str], cell: Cell,
    draw_legend: bool, include_lone_images: bool, include_sub_grids: bool, first_axes_processed: str, second_axes_processed: str, margin_size: int,
) -> Processed:
    """All cells, put on sheets; an interrupt leaves the rest out. The axis named first changes least often, then the second.

    The answer has the whole sheet, one for each value of z, then every cell, whatever is to be included: who asked takes out what it does not show.
    """
    cells = Cells((len(xs), len(ys), len(zs)))
    slowest = [AXES.index(each) for each in sorted(AXES, key=lambda each: {first_axes_processed: 0, second_axes_processed: 1}.get(each, 2))]
    state.job_count = len(cells.places) * p.n_iter
    first, work = None, running_work()
    for place in sorted(cells.places, key=lambda place: [place[n] for n in slowest]):
        if work is not None and work.stopped:
            break
        state.job = f"{cells.places.index(place) + 1} out of {len(cells.places)}"
        made = cell(xs[place[0]], ys[place[1]], zs[place[2]], *place)
        first = first or made
        if made is not None and made.images:
            cells.made[place] = made
    drawn = sheets(p, cells, Labels(x=[*map(str, x_labels)], y=[*map(str, y_labels)], z=[*map(str, z_labels)]), legend=draw_legend, margin=margin_size)
    if drawn is None or first is None:
        return Processed(p, [])
    return _answer(first, cells, *drawn)


def _answer(first: Processed, cells: Cells, whole: Image.Image, subs: list[Image.Image]) -> Processed:
    """Facts of each sheet are its first cell's. As in A1111 the whole one has none among prompts and seeds, but a text."""
    across, down, deep = cells.size
    made = [cells.made.get(place) for place in cells.places]
    of_sheets = [made[z * across * down] for z in range(deep)]
    told = [*of_sheets, *made]
    answer = copy(first)
    answer.images = [whole, *subs, *(each.images[0] if each else _blank(cells) for each in made)]
    answer.all_prompts, answer.all_seeds = [each.prompt if each else "" for each in told], [each.seed if each else -1 for each in told]
    answer.infotexts = [each.infotexts[0] if each else "" for each in (of_sheets[0], *told)]
    answer.index_of_first_image = 1
    return answer


def _blank(cells: Cells) -> Image.Image:
    pattern = next(iter(cells.made.values())).images[0]
    return Image.new(pattern.mode, pattern.size)
