"""Submit a request, run it as a job, hand back its pictures. Both front doors come through here."""
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from PIL import Image

from modules.application.amount import check_amount, warning_of
from modules.application.app import App
from modules.application.compute_settings import job_policy
from modules.application.engine_inputs import SettingsView, resolve
from modules.application.estimates import kind_of
from modules.application.init_images import keep_init_images
from modules.application.init_inputs import SOFT_INPAINTING
from modules.application.outcome import Outcome, OutputImage, processed_info
from modules.application.paths import styles_files
from modules.application.payload import request_as_json
from modules.application.picture_run import PictureListener, PictureWork
from modules.application.picture_saver import EarlierPictures, PictureSaver, SavePlan, save_plan
from modules.application.room import loaded_with_room, make_room
from modules.application.run_facts import FactsWriter, ModelFacts
from modules.application.settings_rules import check_overrides
from modules.application.settings_store import OverlaidSettings
from modules.application.vae_in_use import vae_left_out, with_vae
from modules.engine.adapters import NetworkSwitch
from modules.engine.cost import work_of
from modules.engine.extra_networks import take_out_tags
from modules.engine.generate import generate
from modules.engine.plan import fixed_seed
from modules.engine.profile import ProfileOptions, profiled
from modules.engine.prompt_comments import strip_comments
from modules.engine.resolved import ResolvedRequest
from modules.engine.styles import apply_styles, prompts_of_styles, read_styles
from modules.files.resolver import safe_join
from modules.jobs.job import Job, JobState
from modules.library.model_file import ModelFile
from modules.schema.errors import InvalidValue, JobSetAside, NoCheckpoint, UnknownName
from modules.schema.param import put
from modules.schema.request import Img2ImgRequest, Request, Txt2ImgRequest

if TYPE_CHECKING:
    from modules.loading.components import Components

log = logging.getLogger(__name__)
CHECKPOINT_KEY, HASH_KEY = "sd_model_checkpoint", "sd_checkpoint_hash"
KINDS: dict[str, type[Txt2ImgRequest] | type[Img2ImgRequest]] = {"txt2img": Txt2ImgRequest, "img2img": Img2ImgRequest}


def submit(
    app: App, request: Request, *, source: str, task_id: str | None = None, user: str = "", in_place_of: tuple[str, int] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Job:
    """Put ``request`` in line and return its job at once. source: "page" or "api". user: who asked, where passwords are set.

    extra: more for the job's payload, as JSON. in_place_of: (job id, index in its gallery) of the picture that this job's pictures are shown instead of, among that job's others.

    All that can be wrong with it is said here, before it waits: raises WebuiError. A random seed is drawn now, and
    the settings of this moment go with it, so that a job that waits, or is tried again after a crash, makes the picture that was asked for.
    """
    overrides = request.overrides.override_settings
    check_overrides(app.flags, app.paths, app.settings, overrides, kept=not request.overrides.override_settings_restore_afterwards)
    settings = OverlaidSettings(app.settings.table, app.settings.changed(), overrides)
    app.scripts.check(request, _built_in(request))
    model = chosen_checkpoint(app, settings.get(CHECKPOINT_KEY), strict=CHECKPOINT_KEY in overrides)
    resolved = resolve(request, settings, app.upscalers.known())
    check_amount(app, resolved, model, settings, by_script=bool(request.scripting.script_name))
    if warning := warning_of(app, resolved, model, settings):
        log.warning("%s", warning)
    with_checkpoints(app, resolved)
    if not request.overrides.override_settings_restore_afterwards and overrides:
        app.settings.update(overrides)
    chance = request.seed.variation_seed == -1      # scripts' numbers may depend on whether one was asked for
    if not request.scripting.script_name:           # a script may want to draw one for each of its pictures
        request = put(request, ("seed", "seed"), fixed_seed(request.seed.seed))
        request = put(request, ("seed", "variation_seed"), fixed_seed(request.seed.variation_seed))
    kind = "img2img" if isinstance(request, Img2ImgRequest) else "txt2img"
    values, lost = request_as_json(request)
    payload: dict[str, Any] = {"request": values, "lost": lost, "settings": app.settings.changed(), "checkpoint": model.name, "user": user,
                               "variation_by_chance": chance, **(extra or {})}
    if in_place_of is not None:
        payload["in_place_of"] = list(in_place_of)
    return app.jobs.submit(kind, payload, id=task_id or request.task.force_task_id or None, source=source, live=request)


def generate_blocking(app: App, request: Request, *, source: str = "api", task_id: str | None = None) -> Outcome:
    """``submit`` and wait for the pictures. Raises what made the job fail."""
    return outcome_of(app.jobs.wait(submit(app, request, source=source, task_id=task_id)))


def outcome_of(job: Job) -> Outcome:
    """The outcome of a job that is over; an interrupted job has what was finished. Raises what made it fail."""
    if job.failure is not None:
        raise job.failure
    if job.state is JobState.SET_ASIDE:
        raise JobSetAside(job.error or "The job was set aside.")
    if isinstance(job.result, Outcome):
        return job.result
    return Outcome(images=(), shown=(), info={}, comments=(job.error,) if job.error else ())


def chosen_checkpoint(app: App, name: str | None, *, strict: bool = False, looks: bool = True) -> ModelFile:
    """The checkpoint of that name. No name, or (not ``strict``) one that is gone: see ``DefaultCheckpoint``.

    looks: where it is not in the list and the folders changed, they are listed anew; not for who must see the list change.
    Raises NoCheckpoint when there is none at all, UnknownName.
    """
    available = app.catalogue.checkpoints()
    try:
        if not available:
            raise NoCheckpoint(app.catalogue.roots.checkpoint_folders)
        if name:
            return app.catalogue.find_checkpoint(name)
    except (NoCheckpoint, UnknownName) as error:
        if looks and app.catalogue.look_again():
            return chosen_checkpoint(app, name, strict=strict)
        if strict or isinstance(error, NoCheckpoint):
            raise
        return app.default_checkpoint.in_place_of(name or "", available)
    return app.default_checkpoint.among(available)


def checkpoint_now(app: App) -> ModelFile:
    """The checkpoint that the settings choose at this moment. Raises NoCheckpoint."""
    return chosen_checkpoint(app, app.settings.get(CHECKPOINT_KEY))


def settings_in_use(app: App, *, looks: bool = True) -> dict[str, Any]:
    """All settings, with the checkpoint that is really in use under its full title, also where none was chosen. looks: see ``chosen_checkpoint``."""
    values = app.settings.as_dict()
    try:
        model = chosen_checkpoint(app, values[CHECKPOINT_KEY], looks=looks)
    except (NoCheckpoint, UnknownName):
        return values                   # no checkpoint at all: said where a picture is asked for
    return values | {CHECKPOINT_KEY: model.title, HASH_KEY: model.sha256 or ""}


def load_checkpoint(app: App, model: ModelFile, settings: SettingsView) -> Components:
    """``model`` with the VAE that the settings ask for, or its own where that cannot be used; on the worker thread only. Raises CannotLoad, OutOfMemory."""
    def load(vae: str, setting_beats_card: bool) -> Components:
        return app.quick_vaes.put_in(app.checkpoints.load(
            model, vae=vae, setting_beats_card=setting_beats_card, keep=settings.get("sd_checkpoints_limit"),
            others_in_ram=settings.get("sd_checkpoints_keep_in_cpu"), policy=job_policy(app, settings)), settings)

    return with_vae(app, model, settings, load)


def load_checkpoint_now(app: App) -> Components:
    """The checkpoint that the settings choose at this moment; on the worker thread only. Raises NoCheckpoint, CannotLoad, OutOfMemory."""
    return load_checkpoint(app, checkpoint_now(app), app.settings)


def with_checkpoints(app: App, resolved: ResolvedRequest, *, hashing: bool = False) -> ResolvedRequest:
    """The request with its second checkpoints under the catalogue's names; with ``hashing`` their texts' names as well, which may take seconds.

    Raises UnknownName, which names what there is.
    """
    def found(name: str) -> tuple[str, str]:
        if not name:
            return "", ""
        model = app.catalogue.find_checkpoint(name)
        if hashing:
            app.catalogue.hash_of(model)
        return model.name, app.catalogue.newest(model).short_title

    name, title = found(resolved.hires.checkpoint_name)
    hires = replace(resolved.hires, checkpoint_name=name, checkpoint_title=title)
    name, title = found(resolved.refiner.checkpoint_name)
    return replace(resolved, hires=hires, refiner=replace(resolved.refiner, checkpoint_name=name, title=title))


def _source(app: App, work: PictureWork, settings: SettingsView) -> Callable[[str], Components]:
    """Where the engine gets a job's other checkpoints from."""
    def load(name: str) -> Components:
        model = chosen_checkpoint(app, name, strict=True)
        work.say(f"Loading {model.stem}")
        components = load_checkpoint(app, model, settings)
        work.say("")
        return components

    return load


def runners(app: App) -> dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]]:
    """What the queue runs for each kind of job."""
    return {kind: lambda job: _run(app, job) for kind in KINDS}


def _run(app: App, job: Job) -> tuple[Outcome, dict[str, Any]]:
    """On the worker. What is finished when something fails stays in ``job.result``."""
    if app.scripts.host is not None:
        return app.scripts.host.run(job)
    request = asked_of(job)
    app.scripts.check(request, _built_in(request))
    work = PictureWork(
        kind=job.kind, request=request, settings=job_settings(app, job, request.overrides.override_settings), checkpoint=job.payload["checkpoint"],
        user=job.payload.get("user", ""), progress=job.progress, cancel=job.cancel, listener=PictureListener(), say=lambda text: say(job, text),
        noted=lambda done: note(app, job, done), earlier=EarlierPictures.of(job))
    try:
        outcome = make_pictures(app, work)
    finally:
        if (made := work.listener.outcome) is not None:
            job.result, job.summary = made, made.summary()
    return outcome, outcome.summary()


def _built_in(request: Request) -> tuple[str, ...]:
    """The always-on scripts that the engine itself carries out."""
    return (SOFT_INPAINTING,) if isinstance(request, Img2ImgRequest) else ()


def asked_of(job: Job) -> Request:
    """The request that a job carries: as it was handed over, or after a restart as it was written down."""
    return job.live if isinstance(job.live, Txt2ImgRequest | Img2ImgRequest) else KINDS[job.kind].from_flat(job.payload["request"])


def job_settings(app: App, job: Job, overrides: Mapping[str, Any]) -> OverlaidSettings:
    """The settings at the moment when the job was asked for, with ``overrides`` on top."""
    return OverlaidSettings(app.settings.table, job.payload["settings"], overrides)


def say(job: Job, text: str) -> None:
    """What the job does now, for a person."""
    job.progress.text = text


def make_pictures(app: App, work: PictureWork) -> Outcome:
    """Run the engine once for ``work`` and save what it makes; on the worker thread. May be called inside itself, by a hook.

    When it raises, ``work.listener.outcome`` has what was finished.
    """
    request, settings, listener = work.request, work.settings, work.listener
    work.say("Loading the checkpoint")
    model = chosen_checkpoint(app, work.checkpoint, strict=True)
    components, tight = loaded_with_room(app, lambda: load_checkpoint(app, model, settings))
    models, no_vae = _model_facts(app, model, components, settings), vae_left_out(app, model, settings, components)
    work.say("")
    upscalers = app.upscalers.for_job(settings, work.say, work.cancel)
    resolved = with_checkpoints(app, resolve(request, settings, upscalers), hashing=True)
    resolved, comments = _with_styles(app, request, resolved, strip=settings.get("enable_prompt_comments"))
    resolved, no_faces = _with_faces(app, with_usual_networks(app, resolved, settings))
    writer = FactsWriter(
        asked=request, request=resolved, settings=settings, models=models, user=work.user, added=listener.extra,
        init_image_hash=keep_init_images(app.paths, resolved, settings) if settings.get("save_init_img") else None)
    comments += tuple(sentence for sentence in (no_vae, no_faces, tight, *app.quick_vaes.missing(components, settings, chosen=app.settings.changed())) if sentence)
    began = datetime.now()
    saved = request.output
    plan = save_plan_of(app, settings, work.kind, samples=saved.save_images and not saved.do_not_save_samples and settings.get("samples_save"), grid=saved.save_images and not saved.do_not_save_grid)
    plan = replace(plan, styles=prompts_of_styles(request.prompt.styles, styles_files(app.paths)))
    saver = PictureSaver(plan, writer, app.numbers, began, work.noted, earlier=work.earlier, ears=listener)
    listener.saver, listener.writer, listener.networks = saver, writer, NetworkSwitch(components, app.loras, app.hypernetworks)
    try:
        policy = job_policy(app, settings)
        kind, amount = kind_of(model, policy), work_of(resolved, from_picture=resolved.is_img2img)
        with profiled(_profile(app, settings)), app.estimates.measured(kind, amount, app.policy.device) as measured:
            result = generate(
                resolved, components, source=_source(app, work, settings), policy=policy, hooks=listener, progress=work.progress, cancel=work.cancel,
                embeddings=app.embeddings, networks=listener.networks, cache=app.conditionings if settings.get("persistent_cond_cache") else None,
                upscalers=upscalers, restore_faces=_restorer(app, work, resolved, settings), precautions=app.precautions,
                make_room=lambda: make_room(app), quick=app.quick_vaes.preview)
            measured.counts = not (work.cancel.interrupted or work.cancel.stopping or result.comments)
        comments += result.comments
        listener.facts = result.facts
    finally:
        images = saver.finish()
        listener.outcome = _outcome(request, writer, saver, listener, images, comments, settings, began)
    return listener.outcome


def save_plan_of(app: App, settings: SettingsView, tab: str, *, samples: bool, grid: bool) -> SavePlan:
    """By the settings and the flags. samples: whether they are saved. grid: whether, if the settings want it too."""
    return save_plan(app.paths, settings, tab, save_samples=samples, save_grid=grid, prompt_history=not app.flags.no_prompt_history,
                     max_part_length=app.flags.filenames_max_length)


def _profile(app: App, settings: SettingsView) -> ProfileOptions | None:
    """None unless the settings want each run profiled."""
    if not settings.get("profiling_enable"):
        return None
    return ProfileOptions(
        file=safe_join(app.paths.data_dir, settings.get("profiling_filename") or "trace.json"), activities=settings.get("profiling_activities"),
        shapes=settings.get("profiling_record_shapes"), memory=settings.get("profiling_profile_memory"), stack=settings.get("profiling_with_stack"))


def _with_faces(app: App, resolved: ResolvedRequest) -> tuple[ResolvedRequest, str]:
    """As A1111 without weights for faces: the picture is made without them, and a sentence says so."""
    try:
        if resolved.face_restoration:
            app.faces.check(resolved.face_restoration)
    except InvalidValue as error:
        return replace(resolved, face_restoration=""), f"{error} The picture was made without it."
    return resolved, ""


def _restorer(app: App, work: PictureWork, resolved: ResolvedRequest, settings: OverlaidSettings) -> Callable[[Image.Image], Image.Image] | None:
    """What restores the faces of this run's pictures; None where nobody asked for it."""
    if not resolved.face_restoration:
        return None
    faces = app.faces.for_job(settings, say=work.say, cancel=work.cancel)
    return lambda picture: faces.restored(picture, resolved.face_restoration)


def _outcome(
    request: Request, writer: FactsWriter, saver: PictureSaver, listener: PictureListener, images: list[OutputImage],
    comments: tuple[str, ...], settings: OverlaidSettings, began: datetime,
) -> Outcome:
    resolved, models = writer.request, writer.models
    grid = None
    if request.output.save_images and not request.output.do_not_save_grid:
        grid = saver.save_grid(images, batch_size=resolved.batch_size, settings=settings)
    grid_first = grid is not None and settings.get("return_grid")
    shown = (grid, *images) if grid is not None and grid_first else tuple(images)
    info = processed_info(
        resolved, saver.plans, shown, model=models.model, model_hash=models.model_hash, vae_name=models.vae_name, vae_hash=models.vae_hash,
        sampler_name=resolved.sampler_name, styles=request.prompt.styles, extra=writer.extra_params(listener.facts) if listener.facts else {},
        grid_first=bool(grid_first), began=began, is_inpainting_model=models.is_inpainting)
    for sentence in comments:  # the saver has logged its own
        log.warning("%s", sentence)
    said = (*comments, *saver.comments)
    info |= {"comments": "\n".join(said)} if said else {}  # a key that A1111 has not, so only when there is something to say
    return Outcome(images=tuple(images), shown=shown, grid=grid, info=info, comments=said)


def note(app: App, job: Job, done: list[OutputImage]) -> None:
    """One more picture is safe: a server that dies now still knows of it."""
    summary = Outcome(images=tuple(done), shown=tuple(done), info={}).summary()
    job.summary = {**summary, **job.before, "images": [*job.before.get("images", ()), *summary["images"]]}
    app.jobs.keep(job)


def _model_facts(app: App, model: ModelFile, components: Components, settings: SettingsView) -> ModelFacts:
    hashing = not app.flags.no_hashing
    vae = components.vae_file
    return ModelFacts(
        model=model,
        model_hash=app.catalogue.hash_of_loaded(model)[:10] if hashing else None,
        vae_name=vae.path.name if vae else None,
        vae_hash=app.catalogue.hash_of_loaded(vae)[:10] if vae and hashing else None,
        is_inpainting=components.family.is_inpainting,
        is_pix2pix=components.family.is_pix2pix,
        quick_vae=app.quick_vaes.used(components, settings),
        is_float8=components.policy is not None and components.policy.float8_weights,
    )


def _with_styles(app: App, request: Request, resolved: ResolvedRequest, *, strip: bool) -> tuple[ResolvedRequest, tuple[str, ...]]:
    """The prompts with styles applied and comments taken out, and a sentence for each style that does not exist."""
    names, hires = request.prompt.styles, resolved.hires
    styles = read_styles(styles_files(app.paths)) if names else {}
    clean = strip_comments if strip else str
    prompt, negative, unknown = apply_styles(resolved.prompt, resolved.negative_prompt, names, styles)
    if hires.enabled:
        own, own_negative = hires.prompt or resolved.prompt, hires.negative_prompt or resolved.negative_prompt
        own, own_negative, _ = apply_styles(own, own_negative, names, styles)
        hires = replace(hires, prompt=clean(own), negative_prompt=clean(own_negative))
    comments = tuple(f"There is no style called {name[:80]!r}; it was left out." for name in unknown if name != "None")
    return replace(resolved, prompt=clean(prompt), negative_prompt=clean(negative), hires=hires), comments


def with_usual_networks(app: App, resolved: ResolvedRequest, settings: SettingsView) -> ResolvedRequest:
    """The prompts with the networks that the settings add to every one, where they do not name them themselves."""
    strength = settings.get("extra_networks_default_multiplier")
    known = {"lora": app.catalogue.loras, "hypernet": app.catalogue.hypernetworks}
    for kind, key in (("hypernet", "sd_hypernetwork"), ("lora", "sd_lora")):
        name = settings.get(key)
        if not resolved.use_networks or name in ("", "None", None) or not any(file.stem == name for file in known[kind]()):
            continue

        def added(prompt: str, kind: str = kind, name: str = name) -> str:
            named = any(tag.kind == kind and tag.positional[:1] == (name,) for tag in take_out_tags(prompt)[1])
            return prompt if named else f"{prompt}<{kind}:{name}:{strength}>"

        hires = replace(resolved.hires, prompt=added(resolved.hires.prompt)) if resolved.hires.prompt else resolved.hires
        resolved = replace(resolved, prompt=added(resolved.prompt), hires=hires)
    return resolved
