"""Units that take another picture for each run: their folders and lists, and the runs after the first."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

from modules.processing import process_images

from internal_controlnet.args import ControlNetUnit
from internal_controlnet.enums import InputMode
from internal_controlnet.pictures import opened
from internal_controlnet.settings import setting
from modules.a1111.app_slot import current
from modules.a1111.control_units import ControlRefused
from modules.a1111.running import running_work
from modules.a1111.state import state
from modules.application.img2img_batch import files_of, named_folder
from modules.imaging.formats import SUFFIXES
from modules.schema.errors import WebuiError


def turns(units: Sequence[ControlNetUnit]) -> int:
    """How many runs ``units`` ask for: as many as the shortest of their lists is long. Raises ControlRefused.

    One in img2img's batch: its runs take the control pictures in turn.
    """
    if part_of_batch() is not None:
        return 1
    return min((len(pictures_of(unit)) for unit in units if unit.input_mode is InputMode.BATCH), default=1)


def pictures_of(unit: ControlNetUnit) -> list[Any]:
    """The pictures of a unit in batch mode; files are named, not opened. A folder's name is read as img2img's Batch tab reads it. Raises ControlRefused."""
    given = unit.batch_images if unit.batch_images not in (None, "", []) else unit.image
    if isinstance(given, str) and given.strip():
        try:
            folder = named_folder(current(), given, "ControlNet, Input Directory")
        except WebuiError as error:
            raise ControlRefused(error.message, error.remedy, field="batch_images") from error
        found: list[Any] = [path for name in files_of(folder) if (path := Path(name)).suffix.lower() in SUFFIXES]
        if not found:
            raise ControlRefused(f"ControlNet: there are no pictures in {folder}.", "Name a folder that has some.", field="batch_images")
        return found
    if isinstance(given, list | tuple) and given:
        return list(given)
    raise ControlRefused("ControlNet: a unit in batch mode has no pictures.", "Name a folder, or send a list of pictures in batch_images.", field="batch_images")


def part_of_batch() -> int | None:
    """Which picture of img2img's batch this run draws, from 0; None outside of one."""
    work = running_work()
    return None if work is None else work.part


def in_turn(unit: ControlNetUnit, turn: int, last: Any) -> ControlNetUnit:
    """The unit as it is for run ``turn``, from 0. last: the picture that the run before made; loopback takes it. Raises ControlRefused."""
    found = unit.copy()
    if unit.loopback and turn and last is not None:
        found.image, found.mask, found.input_mode = last, None, InputMode.SIMPLE
    elif unit.input_mode is InputMode.BATCH:
        found.image, found.mask, found.input_mode = _read(_picture_for(unit, turn)), None, InputMode.SIMPLE
    return found


def _picture_for(unit: ControlNetUnit, turn: int) -> Any:
    """In img2img's batch a unit that names no pictures takes the batch's own."""
    in_batch = part_of_batch() is not None
    if in_batch and unit.is_ui and not unit.batch_images:
        return None
    pictures = pictures_of(unit)
    if in_batch and turn >= len(pictures):
        raise ControlRefused(f"ControlNet: the batch ends here, for the unit has {len(pictures)} control images and this is picture {turn + 1}.",
                             "Give it as many control images as the batch has pictures.", field="batch_images")
    return pictures[turn]


def _read(picture: Any) -> Any:
    """Files are opened; base64, a picture, or one with its mask is read as any unit's."""
    return opened(picture) if isinstance(picture, Path) else picture


def run_the_others(p: Any, processed: Any, count: int) -> list[Any]:
    """Runs 1 to ``count`` - 1 of ``p``, each with its own control pictures. What they make joins ``processed``; their detected maps are returned."""
    work = running_work()
    step = bool(setting("controlnet_increment_seed_during_batch", p))
    shows = not _from_page(p) or setting("controlnet_show_batch_images_in_ui", p)
    last, maps = processed.images[processed.index_of_first_image] if processed.images else None, []
    for turn in range(1, count):
        if work is not None and work.stopped:
            break
        again = copy(p)
        again.seed, again.subseed = p.all_seeds[0] + (turn if step else 0), p.all_subseeds[0]
        again.extra_generation_params, again.own_params = dict(p.extra_generation_params), set(p.own_params)
        again.control_turn, again.control_last = turn, last
        more = process_images(again)
        last = more.images[more.index_of_first_image] if more.images else last
        if shows:
            made = len(more.infotexts)              # behind these there are maps
            maps += more.images[made:]
            for mine, theirs in ((processed.images, more.images[:made]), (processed.infotexts, more.infotexts), (processed.all_seeds, more.all_seeds),
                                 (processed.all_subseeds, more.all_subseeds), (processed.all_prompts, more.all_prompts),
                                 (processed.all_negative_prompts, more.all_negative_prompts)):
                mine.extend(theirs)
    if count > 1 and not shows:
        p.comment(f"ControlNet made pictures from {count} control images and saved them; the gallery shows the first (Settings, ControlNet, \"Show batch images\").")
    return maps


def announce(p: Any, count: int) -> None:
    """For the progress bar: how many batches there will be."""
    if count > 1:
        state.job_count = max(int(state.job_count or 0), count * int(p.n_iter))


def _from_page(p: Any) -> bool:
    return bool(getattr(p, "control_from_page", False))
