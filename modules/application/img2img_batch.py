"""One img2img job over many pictures: each is drawn by a run of its own, with its mask and, where asked, its own parameters."""
from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from modules.application import generation
from modules.application.app import App
from modules.application.outcome import DONE, Attempt, Outcome, OutputImage
from modules.imaging.base64_codec import open_image
from modules.imaging.formats import SUFFIXES
from modules.imaging.metadata import read_infotext_from
from modules.jobs.job import Job
from modules.jobs.progress import Progress
from modules.schema.errors import InvalidValue, UnknownName, WebuiError, left_out
from modules.schema.infotext_read import read_infotext
from modules.schema.param import put
from modules.schema.request import Img2ImgRequest

BATCH = "batch"             # key in a job's payload
PART = "part"               # likewise, of the run for one picture: its place in the batch, from 0
PNG_INFO_FIELDS = ("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps", "Model hash")
_API_NAMES = {"Seed": "seed", "CFG scale": "cfg_scale", "Sampler": "sampler_name", "Steps": "steps"}
_LISTS = ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds", "infotexts")
_LIMIT = "img2img_batch_show_results_limit"
_CELL = 8                   # pixels; the least side
Run = Callable[[Job], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """files: the pictures. masks: for each of them, or one for all, or none. output: folder, "" for the usual one.

    png_info: keys of ``PNG_INFO_FIELDS`` that are taken from each picture's own text, which is that of the picture of the same
    name in ``png_info_folder`` where one is given. scale: side over side; None: as the request says.
    folder, mask_folder: where files and masks were found, "" for those that were sent.
    """

    files: tuple[str, ...]
    masks: tuple[str, ...] = ()
    output: str = ""
    png_info: tuple[str, ...] = ()
    png_info_folder: str = ""
    scale: float | None = None
    folder: str = ""
    mask_folder: str = ""

    @classmethod
    def of(cls, job: Job) -> BatchOrder | None:
        """What ``job`` asks for; None for one that is no batch."""
        if BATCH not in job.payload:
            return None
        given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in job.payload[BATCH].items()}
        return cls(**given)


def submit_batch(app: App, request: Img2ImgRequest, order: BatchOrder, *, source: str, task_id: str | None = None) -> Job:
    """Put the batch in line. request: without pictures. Raises WebuiError for what is wrong with it as a whole."""
    if not order.files:
        raise InvalidValue("There are no pictures in this batch.", "Choose files, or a folder that has some.", field="init_images")
    if order.output and app.paths.is_code_folder(Path(order.output)):
        raise InvalidValue(f"{order.output} is a folder of programs: pictures are not written there.", "Choose another output directory.", field="init_images")
    blank = Image.new("RGB", (_CELL, _CELL))        # stands for each of them while the request is checked
    request = put(put(request, ("init", "init_images"), (blank,)), ("output", "do_not_save_grid"), True)
    return generation.submit(app, request, source=source, task_id=task_id, extra={BATCH: asdict(order)})


def named_folder(app: App, text: str, label: str) -> Path:
    """A folder of this machine that the page names. Raises InvalidValue where folders may not be named, or this is none."""
    if app.flags.hide_ui_dir_config:
        raise InvalidValue(f"{label}: folders cannot be named, the server was started with --hide-ui-dir-config.", "Send files.", field="init_images")
    folder = app.paths.output_folder(text.strip())
    if not folder.is_dir():
        raise InvalidValue(f"{label}: there is no folder {folder} on the server's machine.", "Name one that is there.", field="init_images")
    return folder


def files_of(folder: Path) -> tuple[str, ...]:
    """Its files, as a person counts: 2 before 10."""
    return tuple(str(folder / name) for name in sorted((each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")), key=_counted))


def pictures_of(folder: Path) -> tuple[str, ...]:
    """Its pictures and those of the folders in it, each folder's together; captions, notes and thumbnails' lists beside them are none."""
    found: list[str] = []
    for path, folders, _ in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_counted)
        found += [file for file in files_of(Path(path)) if file.lower().endswith(SUFFIXES)]
    return tuple(found)


def _counted(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


def with_batches(app: App, runners: Mapping[str, Run]) -> dict[str, Run]:
    """``runners``, able to carry out batches too."""
    def either(run: Run) -> Run:
        return lambda job: _Batch(app, job, run).carried_out() if BATCH in job.payload and not app.scripts.takes_batches() else run(job)

    return {kind: either(run) for kind, run in runners.items()}


class _PartOfProgress(Progress):
    """What one run says of itself, told as a part of the whole batch."""

    def __init__(self, whole: Progress, part: int, parts: int) -> None:
        super().__init__()
        self._whole, self._part, self._parts, self._own = whole, part, parts, 1

    def begin(self, batches: int, images: int) -> None:
        super().begin(batches, images)
        self._own = max(1, batches)
        self._whole.begin(self._parts * self._own, self._parts * images)
        self.begin_batch(0)

    def begin_batch(self, index: int) -> None:
        super().begin_batch(index)
        self._whole.begin_batch(self._part * self._own + min(index, self._own - 1))

    def step(self, done: int, total: int) -> None:
        super().step(done, total)
        self._whole.step(done, total)

    def offer_preview(self, make: Callable[[], bytes]) -> None:
        self._whole.offer_preview(make)


class _Batch:
    """A batch at work, on the worker thread."""

    def __init__(self, app: App, job: Job, run: Run) -> None:
        self._app, self._job, self._run = app, job, run
        order = BatchOrder.of(job)
        assert order is not None
        self._order = order
        request = generation.asked_of(job)
        if not isinstance(request, Img2ImgRequest):
            raise InvalidValue("Only img2img works through batches of pictures.", "Send them to img2img.")
        self._request = request
        self._most_shown = int(job.payload["settings"].get(_LIMIT, app.settings.table.by_key[_LIMIT].default))
        earlier = Attempt.before(job)
        self._done = earlier.done
        self._shown: list[OutputImage] = list(earlier.images)
        self._info: dict[str, Any] = dict(earlier.info)
        self._comments: list[str] = list(earlier.comments)
        # those of the file that was at work, saved before the server died
        self._earlier = {"images": job.summary.get("images", [])[job.summary.get("finished", 0) :]} if job.attempts > 1 and job.summary else {}

    def carried_out(self) -> tuple[Outcome, dict[str, Any]]:
        """What is finished when something fails stays in ``job.result``. A picture that cannot be used is told and left out."""
        cancel = self._job.cancel
        for index, file in enumerate(self._order.files):
            if index < self._done:
                continue                            # before the server died
            cancel.hold()
            if cancel.interrupted or cancel.stopping:
                break
            self._job.progress.text = f"{index + 1} out of {len(self._order.files)}: {Path(file).name}"
            try:
                part = self._part(index, Path(file))
            except WebuiError as error:
                self._comments.append(left_out(Path(file).name, error))
                self._done = index + 1
                continue
            try:
                outcome, _ = self._run(part)
            except BaseException:
                self._take(part.result)
                raise
            self._done = index + 1
            self._take(outcome)
        if not self._shown and self._comments:
            raise InvalidValue(" ".join(self._comments[:5]))
        outcome = self._outcome()
        return outcome, outcome.summary()

    def _summary(self) -> dict[str, Any]:
        """What the store keeps while the batch goes on."""
        return {**self._outcome().summary(), DONE: self._done, "finished": len(self._shown)}

    def _part(self, index: int, file: Path) -> Job:
        """The job of one picture: the batch's own in all but what it draws."""
        picture = _opened(file)
        request = self._with_text(self._request, picture, file)
        request = put(request, ("init", "init_images"), (picture,))
        if self._order.masks:
            request = put(request, ("inpaint", "mask"), _opened(self._mask_of(file)))
        if self._order.scale is not None:
            width, height = (max(_CELL, int(side * self._order.scale)) for side in picture.size)
            request = request.changed({"width": width, "height": height})
        payload = {**self._job.payload, PART: index, "settings": {**self._job.payload["settings"], **self._saving(file)}}
        checkpoint = request.overrides.override_settings.get(generation.CHECKPOINT_KEY)
        if checkpoint:
            payload["checkpoint"] = checkpoint
        progress = _PartOfProgress(self._job.progress, index, len(self._order.files))
        before, earlier, self._earlier = self._summary(), self._earlier, {}
        return replace(self._job, live=request, payload=payload, progress=progress, result=None, summary=earlier, before=before, _listeners=[])

    def _saving(self, file: Path) -> dict[str, Any]:
        """Settings with which the results lie in the output folder under their pictures' names."""
        if not self._order.output:
            return {}
        batch = self._request.batch
        several = batch.batch_size * batch.batch_count > 1
        pattern = f"{file.stem}-[generation_number]" if several else file.stem
        folder = self._order.output
        return {
            "samples_save": True, "outdir_samples": folder, "outdir_img2img_samples": folder, "save_to_dirs": False,
            "save_images_add_number": False, "samples_filename_pattern": pattern, "save_images_replace_action": "Add number suffix",
        }

    def _mask_of(self, file: Path) -> Path:
        masks = [Path(each) for each in self._order.masks]
        if len(masks) == 1:
            return masks[0]
        for mask in masks:
            if mask.stem == file.stem:
                return mask
        raise InvalidValue(f"there is no mask called {file.stem} for it.", "Put one into the mask directory.")

    def _with_text(self, request: Img2ImgRequest, picture: Image.Image, file: Path) -> Img2ImgRequest:
        """``request`` with what the picture's own text says. A text that cannot be read says nothing, as in A1111."""
        if not self._order.png_info:
            return request
        source: Image.Image | Path = picture
        if self._order.png_info_folder:
            source = Path(self._order.png_info_folder) / file.name
        try:
            text = read_infotext_from(source)[0] or ""
        except (WebuiError, OSError):
            text = ""
        found = {key: value for key, value in read_infotext(text).items() if key in self._order.png_info} if text else {}
        wanted: dict[str, Any] = {name: found[key] for key, name in _API_NAMES.items() if key in found}
        for key, own in (("Prompt", request.prompt.prompt), ("Negative prompt", request.prompt.negative_prompt)):
            if found.get(key):
                wanted[key.lower().replace(" ", "_")] = f"{own} {found[key]}".strip()
        if found.get("Model hash"):
            wanted["override_settings"] = {**request.overrides.override_settings, **self._checkpoint(found["Model hash"])}
        return request.changed(wanted)

    def _checkpoint(self, named: str) -> dict[str, str]:
        try:
            return {generation.CHECKPOINT_KEY: self._app.catalogue.find_checkpoint(named).name}
        except UnknownName as error:
            self._comments.append(str(error))
            return {}

    def _take(self, outcome: Any) -> None:
        """Remember what one run made, as far as it is shown."""
        if not isinstance(outcome, Outcome):
            return
        room = len(outcome.images) if self._most_shown < 0 else max(0, self._most_shown - len(self._shown))
        images = outcome.images[:room]
        self._shown += images
        self._comments += [each for each in outcome.comments if each not in self._comments]
        first = outcome.info.get("index_of_first_image", 0)
        lists = {name: list(outcome.info.get(name, ()))[first if name == "infotexts" else 0 :][: len(images)] for name in _LISTS}
        kept = self._info or {**outcome.info, **{name: [] for name in _LISTS}, "index_of_first_image": 0}
        self._info = {**kept, **{name: kept.get(name, []) + lists[name] for name in _LISTS}}
        made = self._outcome()
        self._job.result, self._job.summary = made, self._summary()
        self._app.jobs.keep(self._job)

    def _outcome(self) -> Outcome:
        shown = tuple(self._shown)
        info = self._info | ({"comments": "\n".join(self._comments)} if self._comments else {})
        return Outcome(images=shown, shown=shown, info=info, comments=tuple(self._comments))


def _opened(file: Path) -> Image.Image:
    """Raises InvalidValue."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidValue(f"it cannot be read ({error.strerror or error}).") from error
    return open_image(data, file.name)
