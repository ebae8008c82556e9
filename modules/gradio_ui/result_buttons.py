"""The buttons below the gallery: save the chosen picture once more, pack all of them, open their folder."""

from __future__ import annotations

import csv
import errno
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.application.paths import styles_files
from modules.application.picture_saver import save_options
from modules.engine.styles import prompt_without, prompts_of_styles
from modules.extension_host.install import way_from_elsewhere
from modules.files.archive import write_archive
from modules.files.atomic import write_bytes
from modules.files.file_manager import show_folder
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.finished import Finished, finished_job
from modules.gradio_ui.messages import message_html
from modules.gradio_ui.output_panel import OutputPanel
from modules.gradio_ui.shown_files import ShownFiles
from modules.imaging.filenames import NameFacts, apply_pattern, clean_part, fit_name
from modules.imaging.save import save_file
from modules.schema.errors import WebuiError
from modules.schema.own_hosts import is_own_host

LOG_COLUMNS = (
    "prompt",
    "seed",
    "width",
    "height",
    "sampler",
    "cfgs",
    "steps",
    "filename",
    "negative_prompt",
    "sd_model_name",
    "sd_model_hash",
)


@dataclass(frozen=True, kw_only=True)
class ResultButtons:
    """The functions behind them. A picture is named by its job and its place in the gallery, never by a path from the browser."""

    app: App
    tab: str
    files: ShownFiles

    def save(self, job_id: str, chosen: str) -> tuple[Any, str]:
        """Copy the chosen picture into the Save folder, with a line in log.csv. All of them by the setting, and where none or the sheet is chosen."""
        finished = finished_job(self.app, job_id)
        if finished is None:
            return gr.skip(), message_html("There is no picture to save yet.")
        return _told(self._folder, *self._save(finished, self._meant(finished, chosen)))

    def save_zip(self, job_id: str) -> tuple[Any, str]:
        """Save all pictures of the shown job, and beside them an archive of them, which is offered first."""
        finished = finished_job(self.app, job_id)
        if finished is None or not finished.images:
            return gr.skip(), message_html("There are no pictures to pack yet.")
        folder, (saved, problem) = self._folder, self._save(finished, range(len(finished.images)))
        try:
            return _told(folder, [self._archive(finished, folder, saved), *saved] if saved else [], problem)
        except (StorageError, OSError) as error:
            return _told(folder, saved, f"The archive could not be written: {error}")

    @property
    def _folder(self) -> Path:
        return self.app.paths.output_folder(self.app.settings.get("outdir_save"))

    def _meant(self, finished: Finished, chosen: str) -> Sequence[int]:
        """The places of the pictures that the Save button means, ``chosen`` being the one that the gallery shows large, if it does."""
        place = int(chosen) if chosen.isdigit() else -1
        only = self.app.settings.get("save_selected_only") and int(finished.info.get("index_of_first_image") or 0) <= place < len(finished.images)
        return [place] if only else range(len(finished.images))

    def _save(self, finished: Finished, indexes: Sequence[int]) -> tuple[list[Path], str]:
        """Their files in the Save folder, and what went wrong."""
        folder, saved, problem = self._folder, list[Path](), ""
        try:
            for index in indexes:
                saved.append(self._save_one(finished, index, folder, saved))
                self._log_one(finished, index, folder, saved[-1].name)
        except _LogFailed as error:
            problem = f"The picture was saved, but {error}"
        except (WebuiError, StorageError, PathRefused, OSError) as error:
            problem = f"The picture could not be saved: {error}"
        return saved, problem

    def _archive(self, finished: Finished, folder: Path, paths: Sequence[Path]) -> Path:
        """``paths`` in one file in ``folder``. Raises StorageError and OSError."""
        name = Path(self._archive_name(finished))
        archive = next(path for number in count() if not (path := folder / (f"{name.stem}-{number}.zip" if number else name.name)).exists())
        write_archive(archive, [(path, os.path.relpath(path.resolve(), folder.resolve())) for path in paths])
        return archive

    def open_folder(self, job_id: str, chosen: str, request: gr.Request) -> str:
        """Open the shown job's folder in the server's file manager, if the browser is on the same machine: the chosen picture's, for a grid has another."""
        finished = finished_job(self.app, job_id)
        images = finished.images if finished else ()
        saved = [image.path.parent for image in (*images[_index(chosen) :], *images) if image.path]
        root = self.app.paths.output_folder(self.app.settings.get("outdir_samples") or self.app.settings.get(f"outdir_{self.tab}_samples"))
        in_root = not saved or self.app.settings.get("open_dir_button_choice") == "Output Root"
        folder = root if in_root else saved[0]
        if not _is_local(request):
            return message_html("The folder is on the server's machine: it can be opened from there only.")
        if not folder.is_dir():
            return message_html(f"The folder {folder} does not exist yet: it is made with the first picture.")
        try:
            show_folder(folder)
        except OSError as error:
            return message_html(f"The pictures are in {folder}; it could not be opened from here ({error}).")
        return message_html(f"Opened {folder}.")

    def _archive_name(self, finished: Finished) -> str:
        """By ``grid_zip_filename_pattern``; empty: A1111's, when, by which model and of which seed."""
        pattern = self.app.settings.get("grid_zip_filename_pattern") or "[datetime]_[[model_name]]_[seed]-[seed_last]"
        name = clean_part(apply_pattern(pattern, replace(self._name_facts(finished), for_zip=True)), replace_spaces=False)
        return fit_name(name or f"{self.tab}-{len(finished.images)}-pictures", "zip")

    def _name_facts(self, finished: Finished, index: int | None = None) -> NameFacts:
        """Of the job, or of the picture at ``index`` in its gallery."""
        info, size = finished.info, int(finished.info.get("batch_size") or 1)
        place = -1 if index is None else index - int(info.get("index_of_first_image") or 0)     # -1: the sheet, which is named as the first picture is

        def of_picture(word: str) -> Any:
            each = info.get(f"all_{word}s") or ()
            return each[place] if 0 <= place < len(each) else info.get(word)

        prompt, styles = str(of_picture("prompt") or ""), tuple(info.get("styles") or ())
        return NameFacts(
            prompt=prompt,
            prompt_without_styles=prompt_without(prompt, prompts_of_styles(styles, styles_files(self.app.paths)).values()),
            asked_prompt=str(info.get("prompt") or ""),
            negative_prompt=str(info.get("negative_prompt") or ""),
            styles=styles,
            seed=info.get("seed") if index is None else finished.images[index].seed,
            seeds=tuple(info.get("all_seeds") or ()),
            steps=int(info.get("steps") or 0),
            guidance_scale=float(info.get("cfg_scale") or 0),
            sampler=str(info.get("sampler_name") or ""),
            schedule=str((info.get("extra_generation_params") or {}).get("Schedule type") or ""),
            model_name=str(info.get("sd_model_name") or ""),
            model_hash=str(info.get("sd_model_hash") or ""),
            vae_stem=str(info.get("sd_vae_name") or "").split(".")[0],
            batch_size=size,
            batch_count=-(-len(info.get("all_seeds") or ()) // size) or 1,
            batch_index=max(place, 0) % size,
            iteration=max(place, 0) // size,
            strength=info.get("denoising_strength"),
            clip_skip=int(info.get("clip_skip") or 1),
            user=str(finished.job.payload.get("user") or ""),
            job_started=_moment(info.get("job_timestamp")),
            max_prompt_words=self.app.settings.get("directories_max_prompt_words"),
            max_part_length=self.app.flags.filenames_max_length,
        )

    def _save_one(self, finished: Finished, index: int, folder: Path, kept: Sequence[Path]) -> Path:
        """Under the name that its kind of picture gets, ``use_save_to_dirs_for_ui`` saying whether in subfolders too; the file itself stays as it is."""
        image, get = finished.images[index], self.app.settings.get
        source = next(iter(self.files.of(finished.job.id, [image])), None)
        if source is None or not source.is_file():
            raise WebuiError(f"the file {image.path or 'of it'} is gone.", "Make the picture again: its seed is in the line below it.")
        options = save_options(self.app.settings)
        pattern = options.pattern or ("[seed]" if options.in_subfolders else "[seed]-[prompt_spaces]")
        options = replace(options, pattern=pattern, in_subfolders=get("use_save_to_dirs_for_ui"))
        facts, numbers = self._name_facts(finished, index), self.app.numbers
        return save_file(source.read_bytes(), source.suffix.lstrip("."), folder, facts, options, numbers, infotext=image.infotext, kept=kept)

    def _log_one(self, finished: Finished, index: int, folder: Path, name: str) -> None:
        try:
            if self.app.settings.get("save_write_log_csv"):
                _append_log(folder / "log.csv", finished, index, name)
        except (OSError, StorageError, csv.Error) as error:
            raise _LogFailed(f"log.csv has no line for it: {error}") from error


class _LogFailed(Exception):
    """The picture is there, its line is not."""


def wire_result_buttons(app: App, tab: str, output: OutputPanel, files: ShownFiles) -> None:
    """Connect the buttons of one tab."""
    act = ResultButtons(app=app, tab=tab, files=files)
    chosen_js = f"(job, chosen) => [job, String(webui.galleryIndex('{tab}'))]"
    large_js = f"(job, chosen) => [job, String(selected_gallery_index_id('{tab}_gallery'))]"     # -1 where none is
    output.buttons.save.click(act.save, inputs=[output.shown_job, output.chosen], outputs=[output.files, output.log], js=large_js, **QUICK)
    output.buttons.save_zip.click(act.save_zip, inputs=[output.shown_job], outputs=[output.files, output.log], **QUICK)
    output.buttons.open_folder.click(act.open_folder, inputs=[output.shown_job, output.chosen], outputs=[output.log], js=chosen_js, **QUICK)


def _told(folder: Path, saved: Sequence[Path], problem: str) -> tuple[Any, str]:
    """The files to offer, and the words below them."""
    words = "" if not saved else f"Saved: {saved[0]}" if len(saved) == 1 else f"Saved {len(saved)} files into {folder}"
    files = gr.update(value=[str(path) for path in saved], visible=True) if saved else gr.skip()
    return files, message_html(f"{words}. {problem}" if words and problem else words or problem, "error") if problem else message_html(words)


def _moment(stamp: Any) -> datetime:
    """When a job began, of A1111's words for it."""
    try:
        return datetime.strptime(str(stamp), "%Y%m%d%H%M%S")
    except ValueError:
        return datetime.now()


def _index(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _is_local(request: gr.Request) -> bool:
    host = request.client.host if request.client else ""
    return is_own_host(host) and not way_from_elsewhere(dict(request.headers))


def _append_log(path: Path, finished: Finished, index: int, filename: str) -> None:
    """One line in A1111's columns; the header when the file is new."""
    text = io.StringIO()
    writer = csv.writer(text)
    if not path.exists():
        writer.writerow(LOG_COLUMNS)
    else:
        _give_newer_columns(path)
    writer.writerow(_log_row(finished, index, filename))
    line = text.getvalue().encode("utf-8", errors="backslashreplace")
    with path.open("ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if file.write(line) < len(line):                # a disk that is full takes a part: half a line would swallow the next one
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _give_newer_columns(path: Path) -> None:
    """A log that an older A1111 began has fewer columns; its rows are filled up with nothing, as A1111 does, so that each stands below its name."""
    def rows() -> Iterator[list[str]]:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from csv.reader(file)

    heads = next(rows(), [])
    if not heads or tuple(heads) == LOG_COLUMNS or tuple(heads) != LOG_COLUMNS[: len(heads)]:
        return
    text = io.StringIO()
    csv.writer(text).writerows([LOG_COLUMNS, *([*row, *[""] * (len(LOG_COLUMNS) - len(row))] for row in islice(rows(), 1, None))])
    write_bytes(path, text.getvalue().encode("utf-8", errors="surrogateescape"), backup=True)


def _log_row(finished: Finished, index: int, filename: str) -> Sequence[Any]:
    info, image = finished.info, finished.images[index]
    numbers = (image.seed, info.get("width"), info.get("height"), info.get("sampler_name"), info.get("cfg_scale"), info.get("steps"))
    return (info.get("prompt"), *numbers, filename, info.get("negative_prompt"), info.get("sd_model_name"), info.get("sd_model_hash"))
