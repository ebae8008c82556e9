"""process_images(p): one run of ``p`` from its prompts to a Processed. On the worker it may be called inside itself, by any script."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from modules.a1111 import prompt_networks
from modules.a1111.app_slot import current
from modules.a1111.bridge import ScriptBridge
from modules.a1111.checkpoint_list import get_closet_checkpoint_match
from modules.a1111.model_view import sd_model
from modules.a1111.patch_points import looked_up
from modules.a1111.processed import Processed
from modules.a1111.processing import StableDiffusionProcessing, StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img, first_of
from modules.a1111.running import RunningWork, running_work, working
from modules.a1111.script_arguments import request_part
from modules.a1111.settings_of_run import SettingsOfRun
from modules.application import generation
from modules.application.generation import CHECKPOINT_KEY, checkpoint_now, chosen_checkpoint, make_pictures
from modules.application.outcome import Outcome
from modules.application.picture_run import PictureWork
from modules.application.room import loaded_with_room
from modules.application.settings_store import OverlaidSettings
from modules.engine.hooks import NeverCancelled
from modules.engine.plan import fixed_seed
from modules.jobs.progress import Progress
from modules.library.model_file import ModelFile
from modules.schema.errors import UnknownName
from modules.schema.param import put

log = logging.getLogger(__name__)
_FROM_SETTINGS = {"restore_faces": "face_restoration", "tiling": "tiling"}


def process_images(p: StableDiffusionProcessing) -> Processed:
    """Make the pictures of ``p``. Outside of a job it waits for the worker and makes them there. Raises WebuiError."""
    work = running_work()
    if work is None:
        return current().jobs.call(lambda: _alone(p))
    if p.scripts is not None:
        p.scripts.before_process(p)
    if not isinstance(p.override_settings.get(CHECKPOINT_KEY, ""), str):
        del p.override_settings[CHECKPOINT_KEY]         # the model itself, or None: for A1111 no name of a checkpoint, so that the one in use draws
    with work.overridden(p.override_settings):
        return looked_up("modules.processing", "process_images_inner", process_images_inner)(p)


def process_images_inner(p: StableDiffusionProcessing) -> Processed:
    """The run itself, after ``before_process``."""
    work = running_work()
    assert work is not None
    settings = SettingsOfRun(work, p, dict(p.override_settings))
    p.job_timestamp = datetime.now().strftime("%Y%m%d%H%M%S")
    for key in p.own_params:
        p.extra_generation_params.pop(key, None)
    p.own_params.clear()
    checkpoint = _checkpoint(work, settings)
    model = chosen_checkpoint(work.app, checkpoint)
    if p.scripts is not None:                       # as in A1111: what scripts ask ``p.sd_model`` in ``process`` is answered by the model of this run
        loaded_with_room(work.app, lambda: generation.load_checkpoint(work.app, model, settings))
    if (view := sd_model()) is not None:
        view.as_loaded()
    _fill(p, settings, model)
    p.setup_prompts()
    set_up_seeds(p)
    if isinstance(p, StableDiffusionProcessingTxt2Img) and p.enable_hr:
        p.calculate_target_resolution()
    if isinstance(p, StableDiffusionProcessingImg2Img) and p.initial_noise_multiplier is None:
        p.initial_noise_multiplier = float(settings.get("initial_noise_multiplier"))   # a replaced p.sample multiplies by it
    tiling = p.tiling                               # as in A1111, ``process`` comes too late for it
    if p.scripts is not None:
        p.scripts.process(p)
    request = put(p.to_request(request_part(p.scripts, p.script_args or ())), p.table.by_api_name("tiling").path, tiling)
    if isinstance(p, StableDiffusionProcessingTxt2Img) and p.enable_hr:
        p.hr_scheduler = p.scheduler if p.hr_scheduler is None else p.hr_scheduler
        p.hr_checkpoint_info = get_closet_checkpoint_match(str(p.hr_checkpoint_name)) if _is_named(p.hr_checkpoint_name) else None
    if isinstance(p, StableDiffusionProcessingImg2Img) or getattr(p, "enable_hr", False):
        p.extra_generation_params["Denoising strength"] = p.denoising_strength
        p.own_params.add("Denoising strength")
    bridge = ScriptBridge(p, settings)
    before = len(work.made)
    outcome = _made(work, p, PictureWork(
        kind=p.table.tab, request=request, settings=settings, checkpoint=checkpoint, user=work.user, progress=work.counter,
        cancel=work.cancel, listener=bridge, say=work.say, noted=lambda done: work.noted([*work.made[:before], *done]), earlier=work.earlier,
    ))  # fmt: skip
    prompt_networks.end(p)
    p.color_corrections = None                      # as in A1111: of this run alone
    processed = _processed(work, p, bridge, outcome, embeds=settings.get("enable_pnginfo"))
    if p.scripts is not None:
        p.scripts.postprocess(p, processed)
        processed.comments = processed.comments or "".join(f"{each}\n" for each in p.comments)
    return processed


def _made(work: RunningWork, p: StableDiffusionProcessing, pictures: PictureWork) -> Outcome:
    """Run the engine; what was made is remembered, also when it fails in the middle."""
    listener = pictures.listener
    with work.nested(listener):
        try:
            return make_pictures(work.app, pictures)
        finally:
            for each in listener.outcome.shown if listener.outcome else ():
                each.picture.already_saved_as = str(each.path) if each.path else None  # type: ignore[attr-defined]  # A1111's word
                work.made.append(each)


def _processed(work: RunningWork, p: Any, bridge: ScriptBridge, outcome: Outcome, *, embeds: bool) -> Processed:
    for sentence in outcome.comments:
        p.comment(sentence)
        work.comments.setdefault(sentence)
    if bridge.facts is not None:
        added = p.changes.writer(bridge.writer).extra_params(p.changes.used(bridge.facts))
        p.extra_generation_params = {**added, **p.extra_generation_params}
        p.own_params.update(added)
    texts = [each.infotext for each in outcome.shown]
    for each in outcome.shown if embeds else ():
        each.picture.info["parameters"] = each.infotext        # as A1111 hands them on to scripts
    processed = Processed(
        p, [each.picture for each in outcome.shown], first_of(p.all_seeds, -1), texts[0] if texts else "", first_of(p.all_subseeds, -1),
        index_of_first_image=outcome.info["index_of_first_image"], infotexts=texts,
    )  # fmt: skip
    processed.prompt, processed.negative_prompt = first_of(p.all_prompts, ""), first_of(p.all_negative_prompts, "")
    return processed


def _fill(p: Any, settings: OverlaidSettings, model: ModelFile) -> None:
    """What nobody chose has the settings' values before scripts see it, and the model its name."""
    app = current()
    p.sd_model_name, p.sd_model_hash = model.stem, None if app.flags.no_hashing else app.catalogue.hash_of_loaded(model)[:10]
    for name, key in _FROM_SETTINGS.items():
        if getattr(p, name) is None:
            setattr(p, name, settings.get(key))
    if _is_named(p.refiner_checkpoint):
        p.refiner_checkpoint_info = get_closet_checkpoint_match(p.refiner_checkpoint)
    p.fill_fields_from_opts()


def _is_named(checkpoint: Any) -> bool:
    return checkpoint not in (None, "", "None", "none", "Use same checkpoint")


def set_up_seeds(p: Any) -> None:
    """``p.seed`` fixed, ``p.all_seeds`` and ``p.all_subseeds`` counted up for each picture."""
    fix_seed(p)
    count, varied = len(p.all_prompts), bool(p.subseed_strength)
    p.all_seeds = list(p.seed) if isinstance(p.seed, list) else [p.seed + (0 if varied else n) for n in range(count)]
    p.all_subseeds = list(p.subseed) if isinstance(p.subseed, list) else [p.subseed + n for n in range(count)]


def fix_seed(p: Any) -> None:
    """Random seeds drawn."""
    p.seed, p.subseed = get_fixed_seed(p.seed), get_fixed_seed(p.subseed)


def get_fixed_seed(seed: Any) -> Any:
    """``seed`` as a number, a random one for -1, None and ""; a list stays one."""
    if isinstance(seed, list):
        return [get_fixed_seed(each) for each in seed]
    try:
        number = int(seed)
    except (TypeError, ValueError):     # None, "" or words
        number = -1
    return fixed_seed(-1) if number == -1 else number


def _checkpoint(work: RunningWork, settings: OverlaidSettings) -> str:
    asked = settings.get(CHECKPOINT_KEY)
    if not asked or asked == OverlaidSettings(work.app.settings.table, work.settings).get(CHECKPOINT_KEY):
        return work.checkpoint
    try:
        return chosen_checkpoint(work.app, asked, strict=True).name
    except UnknownName as error:                # as in A1111, what scripts and extensions wish for in vain changes nothing
        log.warning("%s %s is used instead.", error.message, work.checkpoint)
        return work.checkpoint


def _alone(p: StableDiffusionProcessing) -> Processed:
    """A run that no job asked for: an extension's own route, for instance."""
    app = current()
    work = RunningWork(app=app, settings=app.settings.changed(), checkpoint=checkpoint_now(app).name,
                       progress=Progress(), cancel=NeverCancelled())
    with working(work):
        return process_images(p)
