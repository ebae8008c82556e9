"""One picture to disk under A1111's folders and numbers: never over an existing file, never half of one."""
from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from modules.files.atomic import write_bytes, write_new
from modules.files.long_paths import room_below, room_for_folders
from modules.files.resolver import PathRefused, safe_join
from modules.files.storage import DISK, Storage, StorageError, hindrance
from modules.imaging.filenames import NameFacts, apply_pattern, clean_folder, fit_name, folders_named
from modules.imaging.metadata import WITHOUT_TEXT, encode

_FOR_NUMBERS = 24       # characters: a number in front, one behind where the name is taken, the extension
_FOR_A_NAME = 60        # characters: a picture's name without words; a temporary file's
_JPEG_SIDE, _WEBP_SIDE = 65_535, 16_383     # pixels; what the formats can hold


@dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """How pictures of one kind are saved; the defaults are A1111's.

    pattern: "" gives "[seed]" in subfolders and "[seed]-[prompt_spaces]" without. subfolder_pattern: "" gives "[prompt_words]".
    replace_existing: without numbers, a picture of the same name makes way; else the new one gets a suffix.
    copy_*: the extra JPEG for a picture above so many MB or pixels a side.
    """

    file_format: str = "png"
    pattern: str = ""
    add_number: bool = True
    replace_existing: bool = False
    in_subfolders: bool = True
    subfolder_pattern: str = "[date]"
    embed_infotext: bool = True
    save_txt: bool = False
    quality: int = 80
    webp_lossless: bool = False
    copy_large_as_jpeg: bool = True
    copy_above_megabytes: float = 4.0
    copy_above_side: int = 4000
    copy_below_megapixels: float = 200.0


@dataclass(frozen=True, kw_only=True)
class BeforeSaving:
    """What somebody made of a picture that is about to be written. texts: what its file carries, by key, "parameters" first.

    path: where it goes; only below the folder of its kind, otherwise the name stays.
    """

    image: Image.Image
    path: Path
    texts: Mapping[str, str]


class NotBeside(StorageError):
    """The picture at ``path`` is saved; what belongs beside it, its text or its smaller copy, is not."""

    def __init__(self, path: Path, cause: StorageError) -> None:
        super().__init__(f"The picture itself is saved. {cause.message}", cause.remedy)
        self.path = path


class NumberBook:
    """The next number of each folder, as A1111 counts: the highest there plus one. A folder is read again only when somebody else changed it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[int, int]] = {}    # (folder, prefix) -> (folder's mtime in ns, next number)

    def next(self, folder: Path, prefix: str) -> int:
        """The number to try first for ``prefix`` in ``folder``."""
        with self._lock:
            known = self._known.get((str(folder), prefix))
            if known is not None and known[0] == _changed(folder):
                return known[1]
            return highest_number(folder, prefix) + 1

    def used(self, folder: Path, prefix: str, number: int) -> None:
        """A file with ``number`` was just made."""
        with self._lock:
            if len(self._known) > 1000:
                self._known.clear()     # a folder per prompt must not fill the memory
            self._known[(str(folder), prefix)] = (_changed(folder), number + 1)


def save_image(
    image: Image.Image, folder: Path, facts: NameFacts, options: SaveOptions, numbers: NumberBook, *,
    infotext: str = "", basename: str = "", is_whole_name: bool = False, short_name: bool = False, suffix: str = "", texts: Mapping[str, str] | None = None, storage: Storage = DISK,
    before: Callable[[Image.Image, Path, dict[str, Any]], BeforeSaving | None] | None = None, kept: Container[Path] = (),
) -> Path:
    """Save ``image`` below ``folder`` and return its path.

    The name is NUMBER-PATTERN.EXTENSION, or basename-NUMBER-PATTERN for a grid (``short_name``: without the pattern).
    is_whole_name: ``basename`` is one picture's own, and needs no number.
    suffix: put behind the stem, as "-mask". texts: what a PNG carries instead of ``infotext``, by key.
    before: asked with the picture, its file's name and its texts. kept: paths that are never replaced, whatever the options say: a job's
    pictures do not overwrite each other. Raises StorageError (NotBeside when only what belongs beside it failed), PathRefused and InvalidValue.
    """
    facts = replace(facts, basename=basename)
    extension = _extension(image, options)
    target, decoration = _place(image, folder, facts, options, short_name=short_name)
    options = _numbered_if_nameless(options, (basename if is_whole_name else "") + decoration + suffix)
    prefix = f"{basename}-" if basename else ""
    used: list[int] = []

    def make_name(number: int) -> str:
        used.append(number)
        return fit_name(_stem(number, basename, decoration, options.add_number, room=min(200 - len(suffix), _room_for_words(target, basename + suffix))) + suffix, extension)

    start = numbers.next(target, prefix) if options.add_number else 0
    named, own_name = before(image, target / make_name(start), dict(texts or {"parameters": infotext})) if before is not None else None, None
    if named is not None:
        image, texts, infotext = named.image, named.texts, str(named.texts.get("parameters", infotext))
        own_name = _own_name(named.path, target / make_name(start), folder)
    data = _encoded(image, infotext, extension, options, texts)
    if options.replace_existing and not options.add_number:
        wanted = own_name or target / make_name(0)
        path = next(each for number in count() if (each := _numbered(wanted, number)) not in kept)
        write_bytes(path, data, storage=storage)
    elif own_name is not None:
        path = write_new(own_name.parent, lambda number: _numbered(own_name, number).name, data, 0, storage=storage)
    else:
        path = write_new(target, make_name, data, start, storage=storage)
    if options.add_number:
        numbers.used(target, prefix, used[-1])
    try:
        _write_companions(image, path, infotext, options, len(data), storage)
    except StorageError as error:
        raise NotBeside(path, error) from error
    return path


def save_file(data: bytes, extension: str, folder: Path, facts: NameFacts, options: SaveOptions, numbers: NumberBook, *,
              infotext: str = "", kept: Container[Path] = ()) -> Path:
    """Save a picture's file as it is, under the name that ``save_image`` would give the picture; the same is raised.

    infotext: for the text beside it, where the options want one.
    """
    with Image.open(io.BytesIO(data)) as image:
        target, decoration = _place(image, folder, facts, options)
    options = _numbered_if_nameless(options, decoration)
    used: list[int] = []

    def make_name(number: int) -> str:
        used.append(number)
        return fit_name(_stem(number, "", decoration, options.add_number, room=min(200, _room_for_words(target))), extension)

    if options.replace_existing and not options.add_number:
        path = next(each for number in count() if (each := target / make_name(number)) not in kept)
        write_bytes(path, data)
    else:
        path = write_new(target, make_name, data, numbers.next(target, "") if options.add_number else 0)
    if options.add_number:
        numbers.used(target, "", used[-1])
    if infotext and _has_text_beside(path, options):
        _write_text(path, infotext, DISK)
    return path


def _place(image: Image.Image, folder: Path, facts: NameFacts, options: SaveOptions, *, short_name: bool = False) -> tuple[Path, str]:
    """The folder below ``folder``, and what a name has beside its number. Raises StorageError where ``folder`` cannot be one.

    That is asked first: the real place of a folder that is a link to a disk which is not there would simply be made.
    """
    if why := hindrance(folder):
        raise StorageError(f"{folder} is not a usable folder ({why}).", "If it is on another disk, connect that; or choose another folder in Settings.")
    target = folder
    if options.in_subfolders:
        name = apply_pattern(options.subfolder_pattern or "[prompt_words]", facts, image).strip(" ").rstrip("\\/ ")
        target = safe_join(folder, _short(folders_named(name), folder)) if name else folder
    decoration = "" if short_name or facts.seed is None else apply_pattern(
        options.pattern or ("[seed]" if options.in_subfolders else "[seed]-[prompt_spaces]"), facts, image)
    return _split_folders(target, decoration)


def _numbered_if_nameless(options: SaveOptions, name: str) -> SaveOptions:
    """A picture with no name of its own is numbered whatever the options say: the next one, a grid above all, would take its place."""
    return options if name else replace(options, add_number=True)


def _numbered(path: Path, number: int) -> Path:
    """``path`` itself for 0, else with the number behind its stem."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}") if number else path


def highest_number(folder: Path, prefix: str) -> int:
    """The highest number at the start of a name in ``folder``, behind ``prefix``; -1 when there is none."""
    pattern = re.compile(re.escape(prefix) + r"(\d{1,12})(?:[-.]|$)")
    try:
        with os.scandir(folder) as entries:
            return max((int(found.group(1)) for entry in entries if (found := pattern.match(entry.name)) and not entry.is_dir()), default=-1)
    except OSError:
        return -1


def _stem(number: int, basename: str, decoration: str, add_number: bool, room: int) -> str:
    decoration = decoration.encode("utf-8")[:room].decode("utf-8", errors="ignore")
    if add_number:
        front = f"{basename}-{number:04}" if basename else f"{number:05}"
        return f"{front}-{decoration}" if decoration else front
    stem = decoration or basename or "image"
    return stem if number == 0 else f"{stem}-{number}"      # no number was asked for, but this name is taken


def _split_folders(folder: Path, decoration: str) -> tuple[Path, str]:
    """A pattern may hold slashes of its own: what is before the last one is folders."""
    *folders, name = re.split(r"[\\/]+", decoration)
    inner = "/".join(part for each in folders if (part := clean_folder(each, replace_spaces=True)))
    return (safe_join(folder, _short(inner, folder)) if inner else folder), name


def _short(inner: str, folder: Path) -> str:
    """Subfolders that leave room for a file's name, which is temporary at first, where the system limits the whole path."""
    return inner[: room_for_folders(folder, _FOR_A_NAME)].rstrip("/. ")


def _room_for_words(folder: Path, more: str = "") -> int:
    """Bytes that a pattern's words may take in a name; more: what the name has beside them, its number aside."""
    return max(0, room_below(folder) - _FOR_NUMBERS - len(more.encode()))


def _own_name(asked: Path, usual: Path, folder: Path) -> Path | None:
    """``asked`` where it is another name that may be written: below ``folder`` and of the same format."""
    if asked == usual or asked.suffix.lower() != usual.suffix.lower():
        return None
    try:
        return safe_join(folder, asked.resolve().relative_to(folder.resolve()).as_posix())
    except (ValueError, PathRefused):
        return None


def _extension(image: Image.Image, options: SaveOptions) -> str:
    """The file's extension; a picture too large for its format becomes a PNG."""
    extension = options.file_format.lower().lstrip(".") or "png"
    side = max(image.size)
    if (extension in ("jpg", "jpeg", "jfif") and side > _JPEG_SIDE) or (extension == "webp" and side > _WEBP_SIDE):
        extension = "png"
    return extension


def _encoded(image: Image.Image, infotext: str, extension: str, options: SaveOptions, texts: Mapping[str, str] | None) -> bytes:
    text = infotext if options.embed_infotext else ""
    more = texts if options.embed_infotext else None
    return encode(image, text, extension, quality=options.quality, lossless=options.webp_lossless, texts=more)


def _write_companions(image: Image.Image, path: Path, infotext: str, options: SaveOptions, size: int, storage: Storage) -> None:
    """The text file and the smaller JPEG beside a picture. The picture is saved already: a failure here is a StorageError about them alone."""
    if infotext and _has_text_beside(path, options):
        _write_text(path, infotext, storage)
    too_long = 0 < options.copy_above_side < max(image.size)
    if not options.copy_large_as_jpeg or path.suffix != ".png" or not (too_long or size > options.copy_above_megabytes * 1024 * 1024):
        return
    if image.width * image.height / 1e6 >= options.copy_below_megapixels:
        return
    small = image.convert("RGB")
    if too_long:
        small.thumbnail((options.copy_above_side, options.copy_above_side), Image.Resampling.LANCZOS)
    try:
        data = encode(small, infotext if options.embed_infotext else "", "jpg", quality=options.quality)
    except (OSError, ValueError) as error:
        raise StorageError(f"The JPEG copy of {path.name} was not made: {error}.", "Switch the copy off in Settings.") from error
    _write_beside(path, "jpg", data, storage)


def _has_text_beside(path: Path, options: SaveOptions) -> bool:
    """Where it is wanted, and where the picture's own format cannot hold it."""
    return options.save_txt or (options.embed_infotext and path.suffix[1:].lower() in WITHOUT_TEXT)


def _write_text(path: Path, infotext: str, storage: Storage) -> None:
    _write_beside(path, "txt", (infotext + "\n").encode("utf-8", errors="replace"), storage)


def _write_beside(path: Path, extension: str, data: bytes, storage: Storage) -> None:
    write_new(path.parent, lambda number: f"{path.stem}-{number}.{extension}" if number else f"{path.stem}.{extension}", data, storage=storage)


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return -1
