"""What scripts do with finished pictures: put them on a sheet, save it, give them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from modules.a1111.picture_ears import PictureEars
from modules.a1111.picture_files import name_facts
from modules.a1111.processing import first_of
from modules.a1111.running import running_work
from modules.a1111.saving import replaced_save_image, saved_by_it
from modules.application.outcome import OutputImage
from modules.application.picture_saver import Saving, save_plan
from modules.application.settings_store import OverlaidSettings
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.imaging.annotated_grid import GridStyle
from modules.imaging.base64_codec import MAX_PIXELS
from modules.imaging.filenames import NameFacts
from modules.imaging.grids import image_grid
from modules.imaging.save import BeforeSaving, NotBeside, NumberBook, save_image
from modules.schema.errors import InvalidValue, WebuiError

GRID_NAME = "grid"      # what sheets are called that no script calls otherwise


def settings_of(p: Any) -> OverlaidSettings:
    """The settings as this job sees them, overrides of ``p`` on top."""
    work = running_work()
    assert work is not None, "scripts run inside of a job"
    return OverlaidSettings(work.app.settings.table, work.settings, p.override_settings)


def setting(p: Any, key: str) -> Any:
    """One of them."""
    return settings_of(p).get(key)


def grid_style(p: Any, margin: int = 0) -> GridStyle:
    """How the settings want annotated grids to look."""
    return GridStyle(
        active=setting(p, "grid_text_active_color"), inactive=setting(p, "grid_text_inactive_color"), background=setting(p, "grid_background_color"),
        font_file=setting(p, "font") or "", margin=margin,
    )  # fmt: skip


def check_growth(size: tuple[int, int], pixels: int, blur: int) -> None:
    """Refuse, with InvalidValue, what a picture that grows by ``pixels`` on each side cannot become."""
    width, height = (length + 2 * max(pixels, 0) for length in size)
    if width * height > MAX_PIXELS:
        raise InvalidValue(f"Pixels to expand cannot be {pixels}: a picture of {width * height / 1e6:.0f} megapixels would be made.",
                           f"At most {MAX_PIXELS / 1e6:.0f} are accepted.", field="script_args")
    if not 0 <= blur <= min(width, height):
        raise InvalidValue(f"Mask blur cannot be {blur}.", "It is less than the picture's sides.", field="script_args")


def sheet_of(p: Any, pictures: Sequence[Image.Image], rows: int) -> Image.Image:
    """on_image_grid callbacks may arrange it in another way."""
    shown, rows = PictureEars(p).grid_of(list(pictures), rows)
    return image_grid(shown, rows, setting(p, "grid_background_color"))


def save_grid(p: Any, picture: Image.Image, infotext: str = "", *, name: str = GRID_NAME, prompt: str = "", seed: int | None = None) -> Image.Image:
    """Save a sheet if the settings want sheets saved and this job saves at all; it is the job's in any case. Trouble becomes a comment."""
    return _save(p, picture, infotext, name=name, prompt=prompt, seed=seed, is_grid=True)


def save_picture(p: Any, picture: Image.Image, infotext: str = "", *, name: str = "", prompt: str = "", seed: int | None = None) -> Image.Image:
    """The same for a picture that a script put together; ``samples_save`` decides."""
    return _save(p, picture, infotext, name=name, prompt=prompt, seed=seed, is_grid=False)


def _save(p: Any, picture: Image.Image, infotext: str, *, name: str, prompt: str, seed: int | None, is_grid: bool) -> Image.Image:
    work = running_work()
    assert work is not None, "scripts run inside of a job"
    settings = settings_of(p)
    wanted = work.saves and settings.get("grid_save" if is_grid else "samples_save")
    plan = save_plan(work.app.paths, settings, p.table.tab, save_samples=wanted, save_grid=wanted, prompt_history=False,
                     max_part_length=work.app.flags.filenames_max_length)
    path, folder = None, plan.grid_folder if is_grid else plan.folder
    if wanted and folder is not None:
        # as in A1111 a script's own kind of sheet ("xyz_grid-0000-5.png") is named as pictures are, whatever the setting for grids says
        short = is_grid and name == GRID_NAME and not settings.get("grid_extended_filename")
        names = _names(p, prompt, seed, plan.max_part_length)
        options, replacement = plan.grid_options if is_grid else plan.options, replaced_save_image()
        output = OutputImage(picture=picture, infotext=infotext, seed=-1 if seed is None else seed, is_grid=is_grid)
        asked = Saving(output=output, folder=folder, options=options, names=names, basename=name, short_name=short)
        try:
            answer = None if replacement is None else saved_by_it(p, asked, replacement)
            path = answer.path if answer is not None else _written(p, asked, work.app.numbers)
        except NotBeside as error:
            path = error.path
            p.comment(str(error))
        except (WebuiError, StorageError, PathRefused, OSError, RuntimeError, ValueError) as error:
            p.comment(f"A picture was not saved. {error}")
    picture.already_saved_as = str(path) if path else None  # type: ignore[attr-defined]  # A1111's word
    work.made.append(OutputImage(picture=picture, infotext=infotext, seed=-1 if seed is None else seed, path=path))
    return picture


def _written(p: Any, asked: Saving, numbers: NumberBook) -> Path:
    """The file, on_before_image_saved and on_image_saved callbacks having had their say."""
    ears, output = PictureEars(p), asked.output
    written, texts = output.picture, {"parameters": output.infotext}

    def before(picture: Image.Image, path: Path, offered: dict[str, Any]) -> BeforeSaving | None:
        nonlocal written, texts
        named = ears.about_to_save(picture, path, offered)
        if named is not None:
            written, texts = named.image, dict(named.texts)
        return named

    path = save_image(output.picture, asked.folder, asked.names, asked.options, numbers, infotext=output.infotext, basename=asked.basename,
                      short_name=asked.short_name, before=before)
    ears.was_saved(written, path, texts)
    return path


def _names(p: Any, prompt: str, seed: int | None, max_part_length: int) -> NameFacts:
    work = running_work()
    assert work is not None
    facts = name_facts(p, seed, prompt or p.main_prompt or first_of(p.prompt, ""))
    return replace(facts, negative_prompt=p.main_negative_prompt or "", batch_index=0, user=work.user, max_part_length=max_part_length)
