"""The Extras tab as jobs: pictures in, operations on each, saved under A1111's rules with what they told before."""
from __future__ import annotations

import html
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from modules.application.app import App
from modules.application.describing import CLIP, DEEPDANBOORU
from modules.application.extras_operations import ExtrasTools, check_result_size, operations
from modules.application.outcome import DONE, Attempt, Outcome, OutputImage
from modules.application.picture_saver import save_options
from modules.application.postprocess_door import Values
from modules.application.settings_store import OverlaidSettings
from modules.application.upscalers import tile_settings
from modules.engine.hooks import is_over
from modules.engine.postprocess import PostPicture, infotext_of, run_operations
from modules.files.atomic import write_text
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.imaging.base64_codec import decode_bytes, encode_image, open_image
from modules.imaging.filenames import NameFacts
from modules.imaging.formats import SUFFIXES as PICTURE_SUFFIXES
from modules.imaging.metadata import read_infotext_from
from modules.imaging.save import NotBeside, save_image
from modules.jobs.job import Job
from modules.schema.errors import InvalidValue, WebuiError, left_out
from modules.schema.params_extras import ExtrasRequest

log = logging.getLogger(__name__)
KIND = "extras"
DESCRIBED_BY = {"Deepbooru": DEEPDANBOORU, "BLIP": CLIP}        # captioners by their names on the page


@dataclass(frozen=True, kw_only=True)
class Source:
    """One picture to work on: base64 of a file (``data``), or a file on the server (``path``). name: "" where it has none of its own."""

    name: str = ""
    data: str = ""
    path: str = ""

    def read(self) -> bytes:
        """The file's bytes. Raises InvalidValue."""
        if not self.path:
            return decode_bytes(self.data, self.name or "image")
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise InvalidValue(f"{self.path} cannot be read: {error.strerror or error}.", "Choose another file.", field="image") from error


def submit(
    app: App, asked: ExtrasRequest, sources: Sequence[Source], *, source: str, save: bool, folder: Path | None = None, task_id: str | None = None,
    user: str = "", added: Values | None = None,
) -> Job:
    """Put the work in line. save: the results are files; folder: where, else where the settings say.

    added: what is asked of extensions' operations; it does not outlive the server. Raises WebuiError for what cannot be done."""
    if not sources:
        raise InvalidValue("There is no picture to work on.", "Choose one first.", field="image")
    operations(asked, _tools(app, app.settings))
    for each in sources:
        if each.data:
            check_result_size(open_image(each.read(), each.name or "image"), asked)
    payload = {
        "request": asked.to_flat(), "pictures": [vars(each) for each in sources], "settings": app.settings.changed(), "save": save,
        "folder": str(folder) if folder else None, "user": user,
    }
    return app.jobs.submit(KIND, payload, id=task_id or None, source=source, live=added)


def pictures_in(app: App, text: str) -> list[Source]:
    """The picture files of a folder, by name. Raises InvalidValue: no folder, not allowed here, or nothing in it."""
    folder = folder_named(app, text, "Input directory")
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix.lower() in PICTURE_SUFFIXES and each.is_file() and not each.name.startswith("."))
    except OSError as error:
        raise InvalidValue(f"The input directory {folder} cannot be read: {error.strerror or error}.", "Name a folder with pictures.") from error
    if not files:
        raise InvalidValue(f"There are no pictures in {folder}.", f"Known kinds are {', '.join(PICTURE_SUFFIXES)}.")
    return [Source(name=each.name, path=str(each)) for each in files]


def folder_named(app: App, text: str, label: str) -> Path:
    """A folder as the page names it. Raises InvalidValue where folders may not be named (--hide-ui-dir-config), or hold programs."""
    if app.flags.hide_ui_dir_config:
        raise InvalidValue(f"{label}: this server lets nobody name folders (--hide-ui-dir-config).", "Upload the pictures instead.")
    if not text.strip() or "\0" in text:
        raise InvalidValue(f"{label} is empty.", "Name a folder on the server.")
    return app.paths.output_folder(text.strip())


def runners(app: App) -> dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]]:
    """What the queue runs."""
    return {KIND: lambda job: _run(app, job)}


def _tools(app: App, settings: Any, job: Job | None = None) -> ExtrasTools:
    captions: dict[str, Any] = {
        "captions": lambda picture, kind: app.describer.one_of_many(picture, DESCRIBED_BY[kind], settings).words,
        "check_captions": lambda kind: app.describer.check(DESCRIBED_BY[kind]),
    }
    if job is None:
        return ExtrasTools(upscalers=app.upscalers.known(), faces=app.faces.for_job(settings), **captions)

    def say(text: str) -> None:
        job.progress.text = text

    return ExtrasTools(
        upscalers=app.upscalers.for_job(settings, say, job.cancel, job.progress.step),
        faces=app.faces.for_job(settings, say=say, cancel=job.cancel),
        **captions,
        from_page=job.source == "page",
        name_as_suffix=settings.get("use_upscaler_name_as_suffix"),
        again=lambda picture, wanted, make: app.upscalers.recent.get(
            picture, (wanted, tile_settings(settings)), make, most=settings.get("upscaling_max_images_in_cache"),
            whole=lambda: not (job.cancel.interrupted or job.cancel.skipped)))


def _run(app: App, job: Job) -> tuple[Outcome, dict[str, Any]]:
    """On the worker. What is finished when something fails stays in ``job.result``."""
    asked = ExtrasRequest.from_flat(job.payload["request"])
    settings = OverlaidSettings(app.settings.table, job.payload["settings"])
    work = _Work(app=app, job=job, asked=asked, settings=settings, tools=_tools(app, settings, job))
    sources = [Source(**each) for each in job.payload["pictures"]]
    names = _file_names(sources) if settings.get("use_original_name_batch") else [""] * len(sources)
    job.progress.begin(len(sources), len(sources))
    try:
        for index, each in enumerate(sources):
            if index < work.done:
                continue                            # before the server died
            job.cancel.hold()
            if job.cancel.interrupted or job.cancel.stopping:
                break
            job.progress.begin_batch(index)
            job.cancel.clear_skip()
            work.do(each, names[index], alone=len(sources) == 1)
            work.done = index + 1
            job.result = work.outcome()
            job.summary = {**job.result.summary(), DONE: work.done, "finished": len(work.images)}
            app.jobs.keep(job)
    finally:
        app.describer.rest(settings)
    outcome = work.outcome()
    return outcome, outcome.summary()


class _Work:
    """One job on its way through its pictures."""

    def __init__(self, *, app: App, job: Job, asked: ExtrasRequest, settings: OverlaidSettings, tools: ExtrasTools) -> None:
        self.app, self.job, self.asked, self.settings, self.tools = app, job, asked, settings, tools
        earlier = Attempt.before(job)
        self.done = earlier.done
        self.images: list[OutputImage] = list(earlier.images)
        self.comments: list[str] = list(earlier.comments)
        self.infotext = ""

    def outcome(self) -> Outcome:
        shown = tuple(self.images)
        info = {"html_info": paragraph(self.infotext), "infotexts": [each.infotext for each in shown], "index_of_first_image": 0}
        return Outcome(images=shown, shown=shown, info=info, comments=tuple(self.comments))

    def do(self, source: Source, own_name: str, *, alone: bool) -> None:
        """All operations on one picture, saved under ``own_name``. One of many that cannot be read or worked on is a comment; the only one is an error."""
        try:
            data = source.read()
            picture = open_image(data, source.name or "image")
            check_result_size(picture, self.asked)
            parameters, texts = read_infotext_from(data)
            made = self._made(picture)
        except Exception as error:      # whatever it is, the pictures after this one are not to blame
            if alone:
                raise
            if not isinstance(error, WebuiError):
                log.exception("one picture of several failed")
            self.comments.append(left_out(source.name or "A picture", error))
            return
        used: set[str] = set()
        for each in made:
            self._deliver(each, own_name, parameters or "", {key: str(text) for key, text in texts.items()}, _suffix(each, used))

    def _made(self, picture: Image.Image) -> list[PostPicture]:
        get, cancel = self.settings.get, self.job.cancel
        added = self.app.postprocessing.operations(self.job.live or {}, self.comments.append)
        return run_operations(
            PostPicture(picture=picture.convert("RGBA" if picture.has_transparency_data else "RGB")), [*operations(self.asked, self.tools, disabled=get("postprocessing_disable_in_extras")), *added],
            order=get("postprocessing_operation_order"), stopped=lambda: is_over(cancel))

    def _deliver(self, made: PostPicture, own_name: str, parameters: str, texts: dict[str, str], suffix: str) -> None:
        """Take one result. What the picture told before goes on with it; a PNG keeps the texts apart, as A1111 does."""
        self.infotext = infotext_of(made.facts)
        told = f"{parameters}, {self.infotext}" if parameters and self.infotext else parameters or self.infotext
        more = {**({"parameters": parameters} if parameters else {}), **texts}
        more |= {"postprocessing": self.infotext, "extras": self.infotext} if self.infotext else {}
        image = OutputImage(picture=made.picture, infotext=told, seed=-1, texts=more)
        if self.job.payload["save"]:
            image = self._saved(image, made, own_name, suffix)
        if self.asked.show_results:
            self.images.append(image)

    def _saved(self, image: OutputImage, made: PostPicture, own_name: str, suffix: str) -> OutputImage:
        """The picture as a file; a failure becomes a comment, for the picture itself is there."""
        get = self.settings.get
        options = replace(save_options(self.settings), in_subfolders=False, add_number=not own_name)
        folder = Path(self.job.payload["folder"]) if self.job.payload["folder"] else self.app.paths.output_folder(
            get("outdir_samples") or get("outdir_extras_samples"))
        try:
            path = save_image(
                image.picture, folder, NameFacts(), options, self.app.numbers, infotext=image.infotext, texts=image.texts, basename=own_name,
                is_whole_name=bool(own_name), short_name=True, suffix=suffix)
            if made.caption:
                _write_caption(path, made.caption, get("postprocessing_existing_caption_action"))
            return replace(image, path=path)
        except NotBeside as error:
            log.error("%s", error)
            self.comments.append(str(error))
            return replace(image, path=error.path)
        except (StorageError, PathRefused, WebuiError) as error:
            log.error("a picture was not saved: %s", error)
            self.comments.append(f"A picture was not saved. {error}")
        return image


def _file_names(sources: Sequence[Source]) -> list[str]:
    """What the results are called: as the pictures, without their endings. Of cat.jpg and cat.png the second is "cat (2)", or it would replace the first."""
    plain = [Path(each.name).stem for each in sources]
    taken = {each.casefold() for each in plain}
    found: list[str] = []
    given: set[str] = set()
    for name in plain:
        free, number = name, 1
        while name and free.casefold() in (given if number == 1 else taken):
            number += 1
            free = f"{name} ({number})"
        given.add(free.casefold())
        taken.add(free.casefold())
        found.append(free)
    return found


def _suffix(made: PostPicture, used: set[str]) -> str:
    """What goes behind the name: the tags, and a number where another picture has the same."""
    plain = "".join(f"-{tag}" for tag in made.nametags)
    found, number = plain, 0
    while found in used:
        number += 1
        found = f"{plain}-{number}"
    used.add(found)
    return found


def _write_caption(picture: Path, caption: str, action: str) -> None:
    """A1111's text file beside the picture. Raises StorageError."""
    path = picture.with_suffix(".txt")
    try:
        existing = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        existing = ""
    both = {"Prepend": f"{existing} {caption}", "Append": f"{caption} {existing}", "Keep": existing}
    write_text(path, both.get(action, caption).strip() if existing else caption.strip())


def paragraph(text: str) -> str:
    """Plain text as A1111 shows it in HTML."""
    lines = "<br>\n".join(html.escape(line) for line in text.split("\n"))
    return f"<p>{lines}</p>"


def encoded_pictures(app: App, outcome: Outcome) -> Iterator[str]:
    """Base64 of the results, in the format that pictures are saved in, with what they tell."""
    get = app.settings.get
    embed = get("enable_pnginfo")
    for image in outcome.shown:
        yield encode_image(
            image.picture, image.infotext if embed else "", get("samples_format"), quality=get("jpeg_quality"), lossless=get("webp_lossless"),
            texts=image.texts if embed else None)
