"""ScriptHost: the scripts of one server, and the jobs that run through them. ``webui.py`` puts it into ``App.scripts``."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from modules.a1111 import foreign_jobs
from modules.a1111.app_slot import is_occupied, occupied
from modules.a1111.from_request import from_request
from modules.a1111.patch_points import looked_up
from modules.a1111.picture_batches import batch_drawn, is_replaced
from modules.a1111.postprocessing_scripts import scripts_for_tabs
from modules.a1111.process_images import process_images
from modules.a1111.processed import Processed
from modules.a1111.processing import StableDiffusionProcessing
from modules.a1111.running import RunningWork, working
from modules.a1111.script import Script, ScriptClassData
from modules.a1111.script_arguments import check_scripts, flat_arguments, selectable
from modules.a1111.script_files import built_in_files, is_built_in, load_module
from modules.a1111.script_runner import ScriptRunner
from modules.a1111.settings_of_run import usual_folders
from modules.application.app import App
from modules.application.generation import asked_of, note
from modules.application.img2img_batch import PART, BatchOrder
from modules.application.outcome import Outcome, OutputImage
from modules.application.picture_saver import EarlierPictures
from modules.application.settings_store import OverlaidSettings
from modules.extension_host.registry import HOUSE
from modules.jobs.job import Job
from modules.schema.errors import Busy, InvalidValue
from modules.schema.params_sampling import Scripting
from modules.schema.request import Img2ImgRequest, Request

_HOUSE_MODULES = ("modules.a1111.", "modules.facade.")     # whose classes are there to be subclassed
PATIENCE = 60.0     # seconds for the making of controls elsewhere; a page with many extensions takes ten


class ScriptHost:
    """scripts_data: every script class, built-in ones and extensions' alike. blank_page: where controls are made that no page shows. newcomers: loads what came or was changed since, before a page is built; whether anything was."""

    def __init__(self, app: App, blank_page: Callable[[], AbstractContextManager[Any]] = nullcontext) -> None:
        self.app = app
        self.scripts_data: list[ScriptClassData] = []
        self._of_tabs: list[ScriptClassData] = []
        self.txt2img, self.img2img = ScriptRunner(), ScriptRunner()
        self._blank_page = blank_page
        self.newcomers: Callable[[], bool] = lambda: False
        self._lock = threading.RLock()      # a page that is built may ask for arguments

    def register(self, module: Any, path: str, basedir: str) -> list[ScriptClassData]:
        """Take up the Script classes of ``module``, also those that it imports from elsewhere in its extension. Takes effect with ``initialize``."""
        known = {each.script_class for each in self.scripts_data}
        found = [
            ScriptClassData(each, path, basedir, module)
            for each in dict.fromkeys(filter(inspect.isclass, vars(module).values()))
            if issubclass(each, Script) and each not in known and not each.__module__.startswith(_HOUSE_MODULES)
        ]
        self.scripts_data += found
        self._tell_runners()
        return found

    def forget(self, files: Collection[str]) -> None:
        """These were changed, or are gone: their classes are no more. Takes effect with the next page."""
        self.scripts_data = [each for each in self.scripts_data if each.path not in files]

    def renew(self, modules: Mapping[str, Any]) -> None:
        """These files were read again while the page stays: their new classes stand for the old ones."""
        found = ((each, getattr(modules.get(each.path), each.script_class.__name__, None)) for each in self.scripts_data)
        newer = {each: kind for each, kind in found if inspect.isclass(kind) and issubclass(kind, Script)}
        self.scripts_data = [each._replace(script_class=newer[each], module=modules[each.path]) if each in newer else each for each in self.scripts_data]
        self._tell_runners()
        for runner in (self.txt2img, self.img2img):
            runner.take_for({each.script_class: kind for each, kind in newer.items()})

    def _tell_runners(self) -> None:
        """Extensions call ``initialize_scripts`` themselves, before the page is built, and look for another's script."""
        self.txt2img.data = self.img2img.data = [*self._of_tabs, *self.scripts_data]

    def register_built_in(self) -> None:
        """The scripts that come with the house."""
        for path in built_in_files():
            with self.app.extensions.guarded(HOUSE, path.name):
                self.register(load_module(path), str(path), str(path.parent))

    def initialize(self) -> None:
        """Make the scripts of both tabs, once all are registered."""
        with self.speaking():
            self._of_tabs = [*scripts_for_tabs(self.app)]
            self._tell_runners()
            self.txt2img.initialize_scripts(is_img2img=False)
            self.img2img.initialize_scripts(is_img2img=True)

    def runner_of(self, request: Request) -> ScriptRunner:
        return self.img2img if isinstance(request, Img2ImgRequest) else self.txt2img

    def with_ui(self, runner: ScriptRunner) -> ScriptRunner:
        """``runner``, its scripts' arguments known."""
        with self._alone(), self.speaking():
            runner.ensure_ui(self._blank_page)
        return runner

    def arguments(self, runner: ScriptRunner, asked: Scripting) -> list[Any]:
        """The flat list of ``runner`` for what was asked. Raises InvalidValue; Busy while a page that is built does not come to its end."""
        with self._alone():
            return flat_arguments(self.with_ui(runner), asked)

    @contextmanager
    def building_page(self) -> Iterator[None]:
        """While a page makes its controls: Gradio builds one thing at a time in a program, and half of the controls are nobody's arguments."""
        with self._alone(), self.txt2img.as_before_if_it_fails(), self.img2img.as_before_if_it_fails():
            with self.speaking():
                if self.newcomers():
                    self._of_tabs = [*scripts_for_tabs(self.app)]
                    self._tell_runners()
                self.txt2img.come_and_go()
                self.img2img.come_and_go()
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=PATIENCE):    # not for ever: an extension's tab may wait for a job while it is built
            raise Busy("The controls of scripts are being made, and that does not come to an end.", "Try again; if it stays so, restart the program.")
        try:
            yield
        finally:
            self._lock.release()

    def speaking(self) -> AbstractContextManager[Any]:
        """While scripts' own code is called outside of a job, A1111's names speak for this server."""
        return nullcontext() if is_occupied() else occupied(self.app)

    def check(self, request: Request) -> None:
        runner, asked = self.runner_of(request), request.scripting
        check_scripts(runner, asked)
        script = selectable(runner, asked.script_name or "")
        if script is not None and is_built_in(script.filename):
            args = self.arguments(runner, asked)
            settings = OverlaidSettings(self.app.settings.table, self.app.settings.changed(), request.overrides.override_settings)
            with self.speaking():
                script.check_request(from_request(request), settings, *args[script.args_from : script.args_to])

    def takes_batches(self) -> bool:
        return is_replaced()

    def run(self, job: Job) -> tuple[Outcome, dict[str, Any]]:
        """Carry out ``job``. What is finished when something fails stays in ``job.result``."""
        if job.live is None and job.payload.get("lost"):
            raise InvalidValue("This job waited for a script whose arguments cannot be written to disk, and the server was restarted meanwhile.",
                               "Ask for it again.")
        request = asked_of(job)
        work = RunningWork(
            app=self.app, settings=dict(job.payload["settings"]), checkpoint=job.payload["checkpoint"], progress=job.progress, cancel=job.cancel,
            user=job.payload.get("user", ""), saves=request.output.save_images, noted=lambda made: note(self.app, job, made), earlier=EarlierPictures.of(job),
            part=job.payload.get(PART))
        with working(work), torch_as_before():
            try:
                by_chance = bool(job.payload.get("variation_by_chance"))
                batch = BatchOrder.of(job) if self.takes_batches() else None     # else a part of the house's own batch: one picture of it
                outcome = self._carried_out(request, work, is_api=job.source == "api", by_chance=by_chance, batch=batch)
            except BaseException:
                made = tuple(work.made)
                job.result = Outcome(images=made, shown=made, info={})
                job.summary = job.result.summary()
                raise
        return outcome, outcome.summary()

    def _carried_out(self, request: Request, work: RunningWork, *, is_api: bool, by_chance: bool, batch: BatchOrder | None) -> Outcome:
        p = from_request(request)
        p.drawn_subseed = p.subseed if by_chance else None
        p.is_api, p.user = is_api, work.user or None
        vars(p).update(usual_folders(work, p.table.tab))
        runner = self.runner_of(request)
        p.scripts, p.script_args = runner, self.arguments(runner, request.scripting) if _is_needed(runner, request) else [0]
        try:
            processed = batch_drawn(p, batch) if batch is not None else runner.run(p, *(p.script_args or ()))
            if processed is None:
                processed = looked_up("modules.processing", "process_images", process_images)(p)
        finally:
            p.close()
        return outcome_of(processed, p, work)


@contextmanager
def torch_as_before() -> Iterator[None]:
    """A script that sets torch's own number type or device does so for its job: every later one would fail."""
    import torch

    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        yield
    finally:
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None)


def _is_needed(runner: ScriptRunner, request: Request) -> bool:
    """Whether a script of this job has arguments: their number is known when its controls are made, with --nowebui now and not before."""
    asked = request.scripting
    return bool(asked.script_name or asked.alwayson_scripts or any(not script.in_request and not script.page_has_it for script in runner.alwayson_scripts))


def outcome_of(processed: Processed, p: StableDiffusionProcessing, work: RunningWork) -> Outcome:
    """What both front doors show, from a script's Processed."""
    made = [*processed.images, *getattr(processed, "extra_images", ())]
    shown = tuple(_output(work, processed, number, picture) for number, picture in enumerate(made) if not isinstance(picture, str))
    first = processed.index_of_first_image
    comments = tuple(line for line in dict.fromkeys((*work.comments, *p.comments, *processed.comments.splitlines())) if line)
    info = processed.facts() | ({"comments": "\n".join(comments)} if comments else {})
    return Outcome(images=shown[first:], shown=shown, grid=shown[0] if first else None, info=info, comments=comments, words=tuple(each for each in made if isinstance(each, str)))


def _output(work: RunningWork, processed: Processed, number: int, picture: Any) -> OutputImage:
    known = work.output_of(picture)
    own = (known and known.infotext) or str(getattr(picture, "info", {}).get("parameters") or "")
    # what a script adds at the very end, detected maps for instance, has no text but its own
    text = processed.infotexts[number] if number < len(processed.infotexts) else own
    if number and text == processed.info:       # a script that gives its pictures one text, as Loopback does: each tells its own seed and strength
        text = own or text
    if known is not None:
        return replace(known, infotext=text or known.infotext)
    if not isinstance(picture, Image.Image):        # Gradio's gallery takes NumPy's as well
        picture = Image.fromarray(np.asarray(picture).astype(np.uint8))
    seed = processed.all_seeds[min(max(number - processed.index_of_first_image, 0), len(processed.all_seeds) - 1)] if processed.all_seeds else processed.seed
    return OutputImage(picture=picture, infotext=text, seed=int(seed))


def install_scripts(app: App, blank_page: Callable[[], AbstractContextManager[Any]] = nullcontext) -> ScriptHost:
    """A host with the built-in scripts in ``app.scripts``; extensions' are registered next, then ``initialize`` is called."""
    host = ScriptHost(app, blank_page)
    host.register_built_in()
    host.initialize()
    app.scripts.host = host
    app.jobs.also_run(foreign_jobs.runners(app))
    return host
