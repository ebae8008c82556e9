"""A1111's ``images`` and ``masking``: saving, reading, grids, resizing, over our imaging room."""
from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageOps

from modules.a1111 import callbacks
from modules.a1111.app_slot import current
from modules.a1111.callback_params import ImageGridLoopParams, ImageSaveParams
from modules.a1111.denoiser_callbacks import listened
from modules.a1111.name_tokens import NameTokens
from modules.a1111.patch_points import looked_up
from modules.application.generation import CHECKPOINT_KEY, chosen_checkpoint
from modules.application.paths import styles_files
from modules.application.picture_saver import save_plan
from modules.engine.sampler_registry import find_sampler, resolve_schedule
from modules.engine.styles import prompt_without, prompts_of_styles
from modules.extension_host.host import file_of
from modules.imaging import colour, grids, masks, resize
from modules.imaging.annotated_grid import GridStyle, Words, annotated, prompt_matrix_words
from modules.imaging.base64_codec import open_image
from modules.imaging.filenames import NameFacts, apply_pattern, clean_part
from modules.imaging.metadata import png_bytes, read_infotext_from
from modules.imaging.save import BeforeSaving, highest_number
from modules.imaging.save import save_image as save_picture
from modules.imaging.tiles import Tiling, joined
from modules.schema.errors import NoCheckpoint, UnknownName, WebuiError

Grid = namedtuple("Grid", ["tiles", "tile_w", "tile_h", "image_w", "image_h", "overlap"])
IGNORED_INFO_KEYS = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "exif", "loop", "background", "timestamp", "duration", "progressive", "progression", "icc_profile", "chromaticity", "photoshop"}


# -- saving and reading ---------------------------------------------------------------------------------------------------


def name_facts(p: Any, seed: Any, prompt: Any) -> NameFacts:
    """What file names are made from, as far as ``p`` and the caller know it."""
    def of(name: str, otherwise: Any) -> Any:
        value = getattr(p, name, None)
        return otherwise if value is None else value

    styles = tuple(of("styles", ()) or ())
    return NameFacts(
        prompt_without_styles=prompt_without(str(prompt or ""), prompts_of_styles(styles, styles_files(current().paths)).values()),
        prompt=str(prompt or ""), asked_prompt=str(of("prompt", "")), negative_prompt=str(of("negative_prompt", "")), styles=styles, seed=_seed_for_names(seed),
        seeds=tuple(of("all_seeds", ()) or ()), steps=int(of("steps", 0)), guidance_scale=of("cfg_scale", 0.0), sampler=str(of("sampler_name", "")),
        schedule=_schedule_in_use(str(of("sampler_name", "")), str(of("scheduler", ""))), batch_size=int(of("batch_size", 1)), batch_count=int(of("n_iter", 1)), batch_index=int(of("batch_index", 0) or 0),
        iteration=int(of("iteration", 0) or 0), strength=of("denoising_strength", None), user=str(of("user", "") or ""), now=datetime.now(),
        model_name=str(of("sd_model_name", "") or _chosen_checkpoint(p)), model_hash=str(of("sd_model_hash", "")), vae_stem=str(of("sd_vae_name", "")).split(".")[0],
        clip_skip=p.writer.request.options.clip_skip if of("writer", None) else 1, max_prompt_words=current().settings.get("directories_max_prompt_words"),
    )  # fmt: skip


def _seed_for_names(seed: Any) -> int | str | None:
    """As A1111 takes it: whatever stands there, for some hand over a prompt, or a name, where the seed belongs."""
    try:
        return None if seed is None else int(seed)
    except (TypeError, ValueError):
        return clean_part(str(seed))


def _chosen_checkpoint(p: Any) -> str:
    """For a sheet that no one model drew, and where a caller has no ``p``: A1111 names the one in use then."""
    app, writer = current(), getattr(p, "writer", None)
    try:
        return chosen_checkpoint(app, (app.settings if writer is None else writer.settings).get(CHECKPOINT_KEY), looks=False).path.stem
    except NoCheckpoint:
        return ""


def save_image(
    image: Image.Image, path: str, basename: str, seed: Any = None, prompt: Any = None, extension: str = "png", info: str | None = None,
    short_filename: bool = False, no_prompt: bool = False, grid: bool = False, pnginfo_section_name: str = "parameters", p: Any = None,
    existing_info: dict[str, Any] | None = None, forced_filename: str | None = None, suffix: str = "", save_to_dirs: bool | None = None,
) -> tuple[str, str | None]:  # fmt: skip
    """Save a picture as A1111 names it, with ``info`` inside. (path, path of the .txt or None). Raises StorageError."""
    app, writer = current(), getattr(p, "writer", None)
    options = save_plan(
        app.paths, app.settings if writer is None else writer.settings, "txt2img", save_samples=True, save_grid=True, prompt_history=False, max_part_length=app.flags.filenames_max_length
    )
    chosen = options.grid_options if grid else options.options
    into = save_to_dirs if save_to_dirs is not None else chosen.in_subfolders and (grid or not no_prompt)
    chosen = replace(chosen, file_format=extension.lstrip(".") or chosen.file_format, in_subfolders=into)
    if forced_filename is not None:     # the whole name: other extensions' files stand beside it
        chosen, basename, suffix, short_filename = replace(chosen, pattern=forced_filename.replace("[", "(").replace("]", ")"), add_number=False), "", "", False
    params = ImageSaveParams(image, p, "", {**(existing_info or {}), **({} if info is None else {pnginfo_section_name: info})})
    at_work = getattr(p, "names_at_work", None)
    facts = name_facts(p, seed if seed is not None or forced_filename is None else 0, "" if no_prompt else prompt)
    if at_work is not None:
        facts = replace(at_work, seed=facts.seed, prompt=facts.prompt)
    saved = save_picture(
        image, app.paths.output_folder(path), facts, chosen, app.numbers, infotext=info or "", basename=str(basename), short_name=short_filename, suffix=suffix,
        texts={key: str(value) for key, value in params.pnginfo.items()}, before=lambda _picture, target, _texts: told_before_saving(params, target),
        kept={Path(each) for each in getattr(p, "saved_elsewhere", ())},
    )  # fmt: skip
    image.already_saved_as = str(saved)  # type: ignore[attr-defined]
    params.filename = str(saved)
    callbacks.image_saved_callback(params)
    text = saved.with_suffix(".txt")
    return str(saved), str(text) if text.exists() else None


def told_before_saving(params: ImageSaveParams, path: Path) -> BeforeSaving | None:
    """on_before_image_saved: picture, name and texts may be changed. path: where the picture would go."""
    if not listened("before_image_saved"):
        return None
    with suppress(OSError):             # whoever saves says what is wrong with the folder; extensions (DAAM) put pictures of their own beside this one
        path.parent.mkdir(parents=True, exist_ok=True)
    picture, texts, params.filename = params.image, params.pnginfo, str(path)
    callbacks.before_image_saved_callback(params)
    given = params.pnginfo if isinstance(params.pnginfo, dict) else texts
    return BeforeSaving(
        image=params.image if isinstance(params.image, Image.Image) else picture, path=Path(str(params.filename or path)),
        texts={str(key): str(value) for key, value in given.items() if value is not None},
    )


def save_image_with_geninfo(image: Image.Image, geninfo: str | None, filename: str, extension: str | None = None, existing_pnginfo: Any = None, pnginfo_section_name: str = "parameters") -> None:
    """Write exactly ``filename``, with the text inside."""
    from modules.files.atomic import write_bytes
    from modules.imaging.metadata import encode

    kind = (extension or Path(filename).suffix or ".png").lstrip(".").lower()
    data = png_bytes(image, geninfo or "") if kind == "png" else encode(image, geninfo or "", kind)
    write_bytes(Path(filename), data)


def read_info_from_image(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    """(parameters text or None, everything else that the file says)."""
    text, items = read_infotext_from(image)
    return text, {key: value for key, value in items.items() if key not in IGNORED_INFO_KEYS and key != "parameters"}


def texts_of(source: Image.Image | Path | bytes) -> tuple[str | None, dict[str, Any]]:
    """(parameters text or None, its other texts) by whoever replaced ``read_info_from_image``; else as the house reads. Raises InvalidValue for no picture."""
    own = read_infotext_from(source)
    replacement = looked_up("modules.images", "read_info_from_image", read_info_from_image)
    if replacement is read_info_from_image:
        return own
    picture = source if isinstance(source, Image.Image) else open_image(source if isinstance(source, bytes) else source.read_bytes())
    host, answer = current().extensions, None
    with host.guarded(host.owner_of(file_of(replacement)), f"{Path(file_of(replacement)).name}, read_info_from_image"):
        answer = replacement(picture)
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[0], str | None):
        return own
    return answer[0] or own[0], own[1] if not isinstance(answer[1], dict) else {key: str(value) for key, value in answer[1].items()}


def image_data(data: bytes) -> tuple[str | None, None]:
    """The parameters text of a file's bytes."""
    try:
        return texts_of(data)[0], None
    except (WebuiError, OSError, ValueError):
        try:
            return data.decode("utf8"), None
        except UnicodeDecodeError:
            return "", None


def read(fp: Any, **options: Any) -> Image.Image:
    return fix_image(Image.open(fp, **options))


def fix_image(image: Image.Image) -> Image.Image:
    """Turned the right way up."""
    return ImageOps.exif_transpose(image) or image


def fix_png_transparency(image: Image.Image) -> Image.Image:
    return image.convert("RGBA") if image.mode in ("RGB", "P") and isinstance(image.info.get("transparency"), bytes) else image


def get_next_sequence_number(path: str, basename: str) -> int:
    return highest_number(Path(path), f"{basename}-" if basename else "") + 1


def sanitize_filename_part(text: str | None, replace_spaces: bool = True) -> str | None:
    return None if text is None else clean_part(text, replace_spaces=replace_spaces)


def _schedule_in_use(sampler: str, schedule: str) -> str:
    """What Automatic is with this sampler; names that nobody has stay."""
    try:
        return resolve_schedule(find_sampler(sampler), schedule).label
    except UnknownName:
        return schedule


def get_scheduler_str(sampler_name: str, scheduler_name: str) -> str:
    return _schedule_in_use(sampler_name, scheduler_name).capitalize()


def get_sampler_scheduler_str(sampler_name: str, scheduler_name: str) -> str:
    return f"{sampler_name} {get_scheduler_str(sampler_name, scheduler_name)}"


class FilenameGenerator:
    """A1111's file name patterns, filled in."""

    replacements: ClassVar[NameTokens]

    def __init__(self, p: Any, seed: Any, prompt: Any, image: Image.Image, zip: bool = False, basename: str = "") -> None:
        self.p, self.seed, self.prompt, self.image, self.zip, self.basename = p, seed, prompt, image, zip, basename

    def apply(self, x: str) -> str:
        return apply_pattern(x, replace(name_facts(self.p, self.seed, self.prompt), basename=self.basename, for_zip=self.zip), self.image)


FilenameGenerator.replacements = NameTokens(FilenameGenerator)


# -- grids ----------------------------------------------------------------------------------------------------------------


def image_grid(imgs: Sequence[Image.Image], batch_size: int = 1, rows: int | None = None) -> Image.Image:
    app = current()
    if rows is None:
        rows = grids.grid_rows(len(imgs), n_rows=app.settings.get("n_rows"), batch_size=batch_size, prevent_empty=app.settings.get("grid_prevent_empty_spots"))
    rows = max(1, min(rows, len(imgs)))
    params = ImageGridLoopParams(list(imgs), math.ceil(len(imgs) / rows), rows)
    callbacks.image_grid_callback(params)
    return grids.image_grid(params.imgs, params.rows, app.settings.get("grid_background_color"))


class GridAnnotation:
    """A heading of a grid's row or column."""

    def __init__(self, text: str = "", is_active: bool = True) -> None:
        self.text = text
        self.is_active = is_active
        self.size: tuple[int, int] | None = None


def draw_grid_annotations(im: Image.Image, width: int, height: int, hor_texts: Any, ver_texts: Any, margin: int = 0) -> Image.Image:
    """A grid with headings above its columns and left of its rows."""
    settings = current().settings
    style = GridStyle(
        active=settings.get("grid_text_active_color"), inactive=settings.get("grid_text_inactive_color"), background=settings.get("grid_background_color"),
        font_file=settings.get("font"), margin=margin,
    )  # fmt: skip
    across, down = ([[Words(str(line.text), line.is_active) for line in block] for block in texts] for texts in (hor_texts, ver_texts))
    return annotated(im, width, height, across, down, style=style)


def draw_prompt_matrix(im: Image.Image, width: int, height: int, all_prompts: Sequence[str], margin: int = 0) -> Image.Image:
    """A prompt matrix's sheet with the parts of the prompt as headings; those not in use are struck through."""
    across, down = prompt_matrix_words(all_prompts[1:])
    return draw_grid_annotations(im, width, height, across, down, margin)


def split_grid(image: Image.Image, tile_w: int = 512, tile_h: int = 512, overlap: int = 64) -> Grid:
    """``image`` in overlapping tiles: tiles is [(y, h, [[x, w, picture], ...]), ...]."""
    def starts(length: int, tile: int) -> list[int]:
        count = max(1, math.ceil((length - overlap) / (tile - overlap)))
        return [int(n * (length - tile) / (count - 1)) if count > 1 else 0 for n in range(count)]

    rows = [
        [y, tile_h, [[x, tile_w, image.crop((x, y, x + tile_w, y + tile_h))] for x in (min(each, max(image.width - tile_w, 0)) for each in starts(image.width, tile_w))]]
        for y in (min(each, max(image.height - tile_h, 0)) for each in starts(image.height, tile_h))
    ]
    return Grid(rows, tile_w, tile_h, image.width, image.height, overlap)


def combine_grid(grid: Grid) -> Image.Image:
    """The tiles put together again, blended where they overlap."""
    rows = tuple(tuple((x, y, x + grid.tile_w, y + grid.tile_h) for x, _, _ in tiles) for y, _, tiles in grid.tiles)
    layout = Tiling(size=(grid.image_w, grid.image_h), tile=(grid.tile_w, grid.tile_h), overlap=grid.overlap, rows=rows)
    return joined(layout, [tile for _, _, tiles in grid.tiles for _, _, tile in tiles])


# -- resizing and masks ---------------------------------------------------------------------------------------------------


def resize_image(resize_mode: int, im: Image.Image, width: int, height: int, upscaler_name: str | None = None, **_more: Any) -> Image.Image:
    """0 stretched, 1 cropped, 2 filled up at the edges."""
    return resize.fitted(im, width, height, resize_mode)


def flatten(img: Image.Image, bgcolor: str) -> Image.Image:
    return resize.on_background(img, bgcolor)


def get_crop_region_v2(mask: Any, pad: int = 0) -> Any:
    """The box around what is not black; None when all is."""
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    return masks.covered_box(mask, pad)


def get_crop_region(mask: Any, pad: int = 0) -> Any:
    """The box around what is not black; an inside-out one when all is, as in A1111."""
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    return masks.covered_box(mask, pad) or (mask.width - pad, mask.height - pad, pad, pad)


def expand_crop_region(crop_region: Any, processing_width: int, processing_height: int, image_width: int, image_height: int) -> Any:
    return masks.in_proportion(tuple(crop_region), (processing_width, processing_height), (image_width, image_height))


def expand_too_small_crop_region(crop_region: Any, processing_width: int, processing_height: int, image_width: int, image_height: int) -> Any:
    """A box smaller than the working size grown to it, inside the picture."""
    def grown(start: int, end: int, wanted: int, bound: int) -> tuple[int, int]:
        missing = max(0, min(wanted, bound) - (end - start))
        start = max(0, start - missing // 2)
        end = min(bound, max(end + missing - missing // 2, start + min(wanted, bound)))
        return max(0, min(start, end - min(wanted, bound))) if missing else start, end

    left, top, right, bottom = crop_region
    left, right = grown(left, right, processing_width, image_width)
    top, bottom = grown(top, bottom, processing_height, image_height)
    return left, top, right, bottom


def setup_color_correction(image: Image.Image) -> Any:
    """The colours of a picture, for ``apply_color_correction``."""
    return colour.colours_of(image)


def apply_color_correction(correction: Any, original_image: Image.Image) -> Image.Image:
    """``original_image`` in those colours."""
    return colour.corrected(original_image, correction)


def create_binary_mask(image: Image.Image, round: bool = True) -> Image.Image:
    return masks.as_mask(image, rounded=round)


def uncrop(image: Image.Image, dest_size: tuple[int, int], paste_loc: tuple[int, int, int, int]) -> Image.Image:
    """``image`` in its place (x, y, width, height) on an otherwise transparent sheet."""
    x, y, width, height = paste_loc
    return masks.put_back(image, (x, y, x + width, y + height), dest_size)


def apply_overlay(image: Image.Image, paste_loc: Any, overlay: Image.Image | None) -> tuple[Image.Image, Image.Image]:
    """(the picture under its overlay, the picture alone as it stands there)."""
    if overlay is None:
        return image, image.copy()
    box = None if paste_loc is None else (paste_loc[0], paste_loc[1], paste_loc[0] + paste_loc[2], paste_loc[1] + paste_loc[3])
    alone = image if paste_loc is None else uncrop(image, overlay.size, paste_loc)
    return masks.under_overlay(image, overlay, box), alone.copy()


def fill(image: Image.Image, mask: Image.Image) -> Image.Image:
    return masks.filled(image, mask)
