"""Saves each picture as it comes, beside the worker: the model goes on while a file is written."""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from modules.application.engine_inputs import SettingsView
from modules.application.outcome import OutputImage, read_again
from modules.application.paths import Paths
from modules.application.run_facts import FactsWriter
from modules.engine.hooks import BatchPlan, GeneratedImage, ImagePlan
from modules.engine.styles import prompt_without
from modules.files.atomic import write_text
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.imaging.filenames import NameFacts
from modules.imaging.grids import grid_rows, image_grid
from modules.imaging.save import BeforeSaving, NotBeside, NumberBook, SaveOptions, save_image
from modules.jobs.job import Job
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)
_MOST_WAITING = 4               # pictures; more would only fill the memory of a machine with a slow disk


@dataclass(frozen=True, kw_only=True)
class SavePlan:
    """Where and whether pictures of one job are saved. folder None: not at all; incomplete: those of an interrupted batch too.

    styles: the texts of those that were chosen, by name; "" where there is no such style.
    """

    folder: Path | None
    grid_folder: Path | None
    options: SaveOptions
    grid_options: SaveOptions
    incomplete: bool
    params_txt: Path | None
    max_part_length: int
    styles: Mapping[str, str] = field(default_factory=dict)


class EarlierPictures:
    """What a former attempt at a job had saved before the server died: the same picture is not saved twice.

    paths: by the text inside, which names everything that a picture is made from. summaries: as the job's store has them, by their index in the run.
    """

    def __init__(self, paths: Mapping[str, Sequence[Path]], summaries: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        self._paths = {text: list(each) for text, each in paths.items()}
        self._summaries = dict(summaries or {})

    @classmethod
    def of(cls, job: Job) -> EarlierPictures:
        """Those of ``job``, if this is not the first time that it is begun. To be asked before it notes pictures of its own."""
        paths: dict[str, list[Path]] = {}
        summaries: dict[int, Mapping[str, Any]] = {}
        for image in (job.summary or {}).get("images", ()) if job.attempts > 1 else ():
            if image.get("path") and image.get("complete", True) and not image.get("grid") and image.get("infotext"):
                paths.setdefault(image["infotext"], []).append(Path(image["path"]))
                if isinstance(index := image.get("index"), int):
                    summaries[index] = {} if index in summaries else image      # of two runs: which one is meant is not known
        return cls(paths, summaries)

    def made(self, planned: ImagePlan) -> OutputImage | None:
        """The picture that was planned, once, from its file, if that has all that was in the picture."""
        summary = self._summaries.pop(planned.index, None) or {}
        if summary.get("seed") != planned.seed or not summary["infotext"].startswith(planned.prompt) or Path(summary["path"]).suffix.lower() != ".png":
            return None
        return read_again(summary)

    def take(self, infotext: str) -> Path | None:
        """The file of the picture with this text, once; None when there is none, or it was taken away."""
        found = self._paths.get(infotext)
        while found:
            path = found.pop(0)
            if path.is_file():
                return path
        return None


@dataclass(frozen=True, kw_only=True)
class Saving:
    """A picture that is about to get its file. suffix: behind the name. short_name: without what its pattern makes."""

    output: OutputImage
    folder: Path
    options: SaveOptions
    names: NameFacts
    basename: str = ""
    short_name: bool = False
    suffix: str = ""


class SavingEars:
    """Whoever wants a say in how pictures are saved; this one leaves all as it is."""

    def about_to_save(self, picture: Image.Image, path: Path, texts: dict[str, Any]) -> BeforeSaving | None:
        """A picture gets its file: another picture, name or texts for it, or None to leave all as it is. On the saving thread."""
        return None

    def was_saved(self, picture: Image.Image, path: Path, texts: dict[str, Any]) -> None:
        """The house has written a file. On the saving thread."""

    def grid_of(self, pictures: list[Image.Image], rows: int) -> tuple[list[Image.Image], int]:
        """The pictures of a grid that is about to be made, and its rows."""
        return pictures, rows

    def text_of(self, image: GeneratedImage, own: Callable[[GeneratedImage], str]) -> str:
        """The picture's parameters text. own: what the house writes."""
        return own(image)

    def writer_of(self, writer: FactsWriter) -> FactsWriter:
        """Who knows what the batch at work is made from, for its pictures' names. writer: who knew it as the run began."""
        return writer

    def saves_itself(self) -> bool:
        """Whether ``save`` is to be asked, on the job's own thread."""
        return False

    def save(self, asked: Saving) -> OutputImage | None:
        """The picture with its path; None when it is left to the house."""
        return None


class PictureSaver:
    """One job's pictures on their way to disk. ``take`` on the worker; ``finish`` waits. A failure becomes a comment, never a lost picture."""

    def __init__(
        self, plan: SavePlan, writer: FactsWriter, numbers: NumberBook, began: datetime, saved: Callable[[list[OutputImage]], None],
        *, earlier: EarlierPictures | None = None, ears: SavingEars | None = None,
    ) -> None:
        """saved: told, on the saving thread, all pictures so far whenever one more is safe. earlier: those of a former attempt at the job."""
        self._earlier = earlier or EarlierPictures({})
        self._plan, self._writer, self._numbers, self._began, self._saved = plan, writer, numbers, began, saved
        self._ears = ears or SavingEars()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._room = threading.Semaphore(_MOST_WAITING)
        self._futures: list[Future[OutputImage]] = []
        self._done: list[OutputImage] = []
        self._own_paths: set[Path] = set()
        self.plans: tuple[BatchPlan, ...] = ()
        self.comments: list[str] = []

    def follow(self, plan: SavePlan) -> None:
        """Pictures that are taken from now on, and the grid, are saved by ``plan``."""
        self._plan = replace(plan, styles=self._plan.styles)

    def take(self, image: GeneratedImage) -> None:
        """A picture is finished."""
        infotext = self._ears.text_of(image, self._writer.infotext)
        is_first = not self._futures
        self._tell(image, infotext)
        try:
            plan, names = self._plan, self._names(image, image.picture)
            self._futures.append(self._submit(lambda: self._save(image, infotext, plan, names)))
        finally:                                    # while the picture is being saved, or though it could not be
            if is_first:
                self._remember_prompt(infotext)

    def take_beside(self, image: GeneratedImage, suffix: str, *, saved: bool = True, shown: bool = False) -> None:
        """A picture that belongs to ``image``'s: another stage of it, or its mask. suffix: behind the file's name. shown: it is one of the job's pictures."""
        saved = saved and self._plan.folder is not None and (image.complete or self._plan.incomplete)
        if saved or shown:
            infotext = self._ears.text_of(image, self._writer.infotext)
            plan, names = self._plan, self._names(image, image.picture)
            future = self._submit(lambda: self._save_beside(image, infotext, suffix, plan, names, saved=saved, shown=shown))
            if shown:
                self._futures.append(future)

    def known(self, plan: BatchPlan) -> Sequence[GeneratedImage] | None:
        """A batch that a former attempt at the job has saved, as if it had just been taken; None where a picture of it is missing."""
        found = [self._earlier.made(each) for each in plan.images]
        if self._plan.folder is None or None in found:
            return None
        outputs = [each for each in found if each is not None]
        if not self._futures:
            self._remember_prompt(outputs[0].infotext)
        for each in outputs:
            self._futures.append(self._submit(partial(self._have, replace(each, path=self._earlier.take(each.infotext) or each.path))))
        return [GeneratedImage(picture=each.picture, index=image.index, seed=image.seed, variation_seed=image.variation_seed, prompt=image.prompt,
                               negative_prompt=image.negative_prompt) for each, image in zip(outputs, plan.images)]

    def _have(self, output: OutputImage) -> OutputImage:
        """It is as safe as it will be."""
        if output.path is not None:
            self._own_paths.add(output.path)
        self._done.append(output)
        self._saved(list(self._done))
        return output

    def _submit(self, save: Callable[[], OutputImage]) -> Future[OutputImage]:
        """On the saving thread, or here and now where strangers' code does the saving: it expects the job's own thread."""
        if not self._ears.saves_itself():
            self._room.acquire()
            return self._pool.submit(self._and_make_room, save)
        done: Future[OutputImage] = Future()
        done.set_result(save())
        return done

    def _and_make_room(self, save: Callable[[], OutputImage]) -> OutputImage:
        try:
            return save()
        finally:
            self._room.release()

    def _tell(self, image: GeneratedImage, infotext: str) -> None:
        """To the console, by the settings."""
        get = self._writer.settings.get
        if get("samples_log_stdout"):
            log.info("%s", infotext)
        elif get("enable_console_prompts"):
            log.info("prompt: %s\nnegative prompt: %s", image.prompt, image.negative_prompt)

    def finish(self) -> list[OutputImage]:
        """Wait for the disk; every picture taken, in order, with its path where it was saved."""
        self._pool.shutdown(wait=True)
        return [future.result() for future in self._futures]

    def save_grid(self, images: list[OutputImage], *, batch_size: int, settings: SettingsView) -> OutputImage | None:
        """Make the sheet of ``images`` if the settings want one, save it if they want that; None when there is to be none."""
        wanted = settings.get("return_grid") or settings.get("grid_save")
        if not wanted or not images or (len(images) < 2 and settings.get("grid_only_if_multiple")):
            return None
        rows = grid_rows(len(images), n_rows=settings.get("n_rows"), batch_size=batch_size, prevent_empty=settings.get("grid_prevent_empty_spots"))
        pictures, rows = self._ears.grid_of([image.picture for image in images], rows)
        sheet = image_grid(pictures, rows, settings.get("grid_background_color"))
        grid = OutputImage(picture=sheet, infotext=images[0].infotext, seed=images[0].seed, is_grid=True)
        if self._plan.grid_folder is None or not settings.get("grid_save"):
            return grid
        short = not settings.get("grid_extended_filename")
        return self._write(grid, self._plan.grid_folder, self._plan.grid_options, self._names(None, sheet), basename="grid", short_name=short)

    def _save(self, image: GeneratedImage, infotext: str, plan: SavePlan, names: NameFacts) -> OutputImage:
        output = OutputImage(picture=image.picture, infotext=infotext, seed=image.seed, complete=image.complete, index=image.index)
        if image.complete and (path := self._earlier.take(infotext)) is not None:
            output = replace(output, path=path)
        elif plan.folder is not None and (image.complete or plan.incomplete):
            output = self._write(output, plan.folder, plan.options, names)
        return self._have(output)

    def _save_beside(self, image: GeneratedImage, infotext: str, suffix: str, plan: SavePlan, names: NameFacts, *, saved: bool, shown: bool) -> OutputImage:
        output = OutputImage(picture=image.picture, infotext=infotext, seed=image.seed, complete=image.complete, is_beside=True)
        if saved and plan.folder is not None:
            output = self._write(output, plan.folder, plan.options, names, suffix=suffix)
        if shown:
            self._done.append(output)
        return output

    def _write(
        self, output: OutputImage, folder: Path, options: SaveOptions, names: NameFacts, *, basename: str = "", short_name: bool = False, suffix: str = "",
    ) -> OutputImage:
        changed: list[BeforeSaving] = []

        def before(picture: Image.Image, path: Path, texts: dict[str, Any]) -> BeforeSaving | None:
            named = self._ears.about_to_save(picture, path, texts)
            changed.extend([named] if named is not None else [])
            return named

        try:
            if self._ears.saves_itself():
                asked = Saving(output=output, folder=folder, options=options, names=names, basename=basename, short_name=short_name, suffix=suffix)
                if (answer := self._ears.save(asked)) is not None:
                    return answer
            path = save_image(
                output.picture, folder, names, options, self._numbers, infotext=output.infotext, basename=basename, short_name=short_name, suffix=suffix,
                before=before, kept=self._own_paths)
        except NotBeside as error:
            log.error("%s", error)
            self.comments.append(str(error))
            path = error.path
        except (StorageError, PathRefused, InvalidValue) as error:
            log.error("a picture was not saved: %s", error)
            self.comments.append(f"A picture was not saved. {error}")
            return output
        except Exception as error:      # Pillow raises what it likes; the picture itself must reach its user
            log.exception("a picture was not saved")
            self.comments.append(f"A picture was not saved: {type(error).__name__}: {error}")
            return output
        self._own_paths.add(path)
        written = replace(output, path=path, picture=changed[-1].image if changed else output.picture)
        self._ears.was_saved(written.picture, path, dict(changed[-1].texts) if changed else {"parameters": written.infotext})
        return written

    def _names(self, image: GeneratedImage | None, picture: Image.Image) -> NameFacts:
        writer = self._ears.writer_of(self._writer)
        request, models, asked = writer.request, writer.models, writer.asked.prompt
        planned = [each for plan in self.plans for each in plan.images]
        index = image.index if image else 0
        used, prompt = image.facts if image else None, image.prompt if image else request.prompt
        return NameFacts(
            prompt=prompt,
            prompt_without_styles=prompt_without(prompt, self._plan.styles.values()),
            styles=tuple(self._plan.styles),
            asked_prompt=asked.prompt,
            negative_prompt=asked.negative_prompt,
            seed=image.seed if image else (planned[0].seed if planned else None),
            seeds=tuple(each.seed for each in planned),
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            sampler=request.sampler_name,
            schedule=used.schedule_name if used else request.schedule_name,
            model_name=models.model.stem,
            model_hash=models.model_hash or "",
            vae_stem=(models.vae_name or "").split(".")[0],
            batch_size=request.batch_size,
            batch_count=request.batch_count,
            batch_index=index % request.batch_size,
            iteration=index // request.batch_size,
            strength=request.strength_used,
            clip_skip=request.options.clip_skip,
            user=self._writer.user,
            job_started=self._began,
            max_prompt_words=self._writer.settings.get("directories_max_prompt_words"),
            max_part_length=self._plan.max_part_length,
        )

    def _remember_prompt(self, infotext: str) -> None:
        """params.txt: what the paste button restores when the prompt is empty."""
        if self._plan.params_txt is None:
            return
        try:
            write_text(self._plan.params_txt, infotext, lasting=False)      # the picture's answer would wait for the disk twice
        except StorageError as error:
            log.warning("the last prompt is not remembered: %s", error)


def save_plan(
    paths: Paths, settings: SettingsView, tab: str, *, save_samples: bool, save_grid: bool, prompt_history: bool, max_part_length: int,
) -> SavePlan:
    """The plan for a job of ``tab`` ("txt2img" or "img2img"). A folder setting of its own beats the common one's emptiness, as in A1111."""
    samples = settings.get("outdir_samples") or settings.get(f"outdir_{tab}_samples")
    grids = settings.get("outdir_grids") or settings.get(f"outdir_{tab}_grids")
    options = save_options(settings)
    return SavePlan(
        folder=paths.output_folder(samples) if save_samples else None,
        grid_folder=paths.output_folder(grids) if save_grid else None,
        options=options,
        grid_options=replace(options, file_format=settings.get("grid_format"), in_subfolders=settings.get("grid_save_to_dirs")),
        incomplete=settings.get("save_incomplete_images"),
        params_txt=paths.params_txt if prompt_history else None,
        max_part_length=max_part_length,
    )


def save_options(settings: SettingsView) -> SaveOptions:
    """How pictures are saved, by the settings."""
    return SaveOptions(
        file_format=settings.get("samples_format"),
        pattern=settings.get("samples_filename_pattern"),
        add_number=settings.get("save_images_add_number"),
        replace_existing=settings.get("save_images_replace_action") == "Replace",
        in_subfolders=settings.get("save_to_dirs"),
        subfolder_pattern=settings.get("directories_filename_pattern"),
        embed_infotext=settings.get("enable_pnginfo"),
        save_txt=settings.get("save_txt"),
        quality=settings.get("jpeg_quality"),
        webp_lossless=settings.get("webp_lossless"),
        copy_large_as_jpeg=settings.get("export_for_4chan"),
        copy_above_megabytes=settings.get("img_downscale_threshold"),
        copy_above_side=settings.get("target_side_length"),
        copy_below_megapixels=settings.get("img_max_size_mp"),
    )
