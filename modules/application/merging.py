"""The Checkpoint Merger as a job: models by name in, a new checkpoint in the list out, with its recipe as A1111 writes it."""
from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from modules.application.app import App
from modules.application.outcome import Outcome
from modules.engine.hooks import is_over
from modules.files.atomic import write_bytes, write_new_file
from modules.files.resolver import safe_new
from modules.files.storage import StorageError
from modules.jobs.job import Job
from modules.library.hashes import old_hash
from modules.library.model_file import ModelFile
from modules.loading.merge import ADD_DIFFERENCE, METHODS, NO_INTERPOLATION, Merge, MergeRecipe, config_beside, opened_merge
from modules.schema.errors import CannotLoad, InvalidValue, WebuiError

log = logging.getLogger(__name__)
KIND = "merge"
FORMATS = ("ckpt", "safetensors")
CONFIG_SOURCES = ("A, B or C", "B", "C", "Don't")
_GOAL = "goal"                      # of a job's summary: the file that it writes, known to be free when it began
_SPARE_BYTES = 200_000_000          # disk that stays free


class _Stopped(Exception):
    """Interrupted between two tensors; never leaves this file."""


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """A1111's fields, by its names. metadata_json: more metadata for the file, a JSON object."""

    primary_model_name: str = ""
    secondary_model_name: str = ""
    tertiary_model_name: str = ""
    interp_method: str = "Weighted sum"
    multiplier: float = 0.3
    save_as_half: bool = False
    custom_name: str = ""
    checkpoint_format: str = "safetensors"
    config_source: str = "A, B or C"
    bake_in_vae: str = "None"
    discard_weights: str = ""
    save_metadata: bool = True
    add_merge_recipe: bool = True
    copy_metadata_fields: bool = True
    metadata_json: str = "{}"

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> MergeRequest:
        """From the page's values; None is the default. Raises InvalidValue."""
        known = {field.name: field for field in fields(cls)}
        given = {name: value for name, value in values.items() if name in known and value is not None}
        for name, value in given.items():
            kind = type(known[name].default)
            if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
                given[name] = float(value)
            elif not isinstance(value, kind):
                raise InvalidValue(f"{name} cannot be {str(value)[:80]!r}.", field=name)
        made = cls(**given)
        made.check()
        return made

    def check(self) -> None:
        """Raises InvalidValue."""
        if not self.primary_model_name:
            raise InvalidValue("A merge needs a primary model (A).", "Choose one.", field="primary_model_name")
        if not 0 <= self.multiplier <= 1:
            raise InvalidValue(f"The multiplier cannot be {self.multiplier:g}: it must be between 0 and 1.", field="multiplier")
        for name, choices in (("interp_method", METHODS), ("checkpoint_format", FORMATS), ("config_source", CONFIG_SOURCES)):
            if getattr(self, name) not in choices:
                raise InvalidValue(f"{name} cannot be {getattr(self, name)[:80]!r}.", f"Choose one of {', '.join(choices)}.", field=name)
        self.metadata()

    def metadata(self) -> dict[str, str]:
        """The metadata typed by hand, each value as text. Raises InvalidValue."""
        try:
            found = json.loads(self.metadata_json or "{}")
        except (ValueError, RecursionError) as error:
            raise InvalidValue(f"The metadata is no JSON ({error}).", "Correct it, or empty the field.", field="metadata_json") from error
        if not isinstance(found, dict):
            raise InvalidValue("The metadata is no JSON object.", 'Write it as {"name": "text"}.', field="metadata_json")
        return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items() if key != "format"}


def submit(app: App, asked: MergeRequest, *, source: str, task_id: str | None = None, user: str = "") -> Job:
    """Put the merge in line. What can be wrong with it is said now: raises WebuiError, StorageError and PathRefused."""
    asked.check()
    recipe = _recipe(app, asked)
    with opened_merge(recipe) as merge:
        goal = goal_of(app, asked, recipe, merge.plan.picture_kind)
        _check_goal(goal, merge.plan.nbytes)
    return app.jobs.submit(KIND, {"request": asdict(asked), "user": user}, id=task_id or None, source=source)


def runners(app: App) -> dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]]:
    """What the queue runs."""
    return {KIND: lambda job: _run(app, job)}


def metadata_of(app: App, names: list[str]) -> dict[str, Any]:
    """What the files of these checkpoints carry, later ones over earlier ones; JSON inside is opened. Raises UnknownName and CannotLoad."""
    found: dict[str, Any] = {}
    for name in names:
        if name:
            found |= {key: _opened(text) for key, text in app.catalogue.metadata_of(app.catalogue.find_checkpoint(name)).items()}
    return found


def goal_of(app: App, asked: MergeRequest, recipe: MergeRecipe, picture_kind: str) -> Path:
    """Where the result goes: under the name asked for, or A1111's for the recipe. Raises PathRefused and InvalidValue."""
    own_name = asked.custom_name.strip()
    stem = own_name or _name_of(asked, recipe)
    ending = (f".{picture_kind}" if picture_kind else "") + f".{asked.checkpoint_format}"
    if not own_name and len((stem + ending).encode()) > 255:        # merges of merges double their names each time
        raise InvalidValue("The name made of the models' names would be longer than 255 bytes.", "Write one as Custom Name.", field="custom_name")
    folder = Path(app.flags.ckpt_dir).absolute() if app.flags.ckpt_dir else app.paths.checkpoints_dir
    return safe_new(folder, stem + ending)


def _name_of(asked: MergeRequest, recipe: MergeRecipe) -> str:
    a, b, c = (model.model_name if model else "" for model in (recipe.primary, recipe.secondary, recipe.tertiary))
    if recipe.method == NO_INTERPOLATION:
        return a
    if recipe.method == ADD_DIFFERENCE:
        return f"{a} + {round(asked.multiplier, 2)}({b} - {c})"
    return f"{round(1 - asked.multiplier, 2)}({a}) + {round(asked.multiplier, 2)}({b})"


def _recipe(app: App, asked: MergeRequest) -> MergeRecipe:
    def named(name: str) -> ModelFile | None:
        return app.catalogue.find_checkpoint(name) if name else None

    interpolates, adds = asked.interp_method != NO_INTERPOLATION, asked.interp_method == ADD_DIFFERENCE
    return MergeRecipe(
        primary=app.catalogue.find_checkpoint(asked.primary_model_name), secondary=named(asked.secondary_model_name) if interpolates else None,
        tertiary=named(asked.tertiary_model_name) if adds else None, method=asked.interp_method, multiplier=asked.multiplier, half=asked.save_as_half,
        vae=None if asked.bake_in_vae in ("", "None") else app.catalogue.find_vae(asked.bake_in_vae), discard=asked.discard_weights.strip())


def _check_goal(goal: Path, nbytes: int) -> None:
    if goal.exists():
        raise InvalidValue(f"There is a checkpoint called {goal.name} already.", "Choose another name, or delete it first.", field="custom_name")
    folder = next(each for each in (goal.parent, *goal.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if free < nbytes + _SPARE_BYTES:
        raise StorageError(f"The result needs {nbytes / 1e9:.1f} GB in {goal.parent}; {free / 1e9:.1f} GB are free.", "Free some space, or save as float16.")


def _run(app: App, job: Job) -> tuple[Outcome, dict[str, Any]]:
    asked = MergeRequest(**job.payload["request"])
    recipe = _recipe(app, asked)
    job.progress.begin(1, 1)
    job.progress.text = "Reading hashes"
    with opened_merge(recipe) as merge:
        goal = goal_of(app, asked, recipe, merge.plan.picture_kind)
        if not _is_written(job, goal, merge.plan.nbytes):
            _check_goal(goal, merge.plan.nbytes)
            job.summary = {**job.summary, _GOAL: str(goal)}
            app.jobs.keep(job)
            metadata = _metadata(app, asked, recipe, merge.plan.picture_kind)
            job.progress.text = "Merging"
            try:
                write_new_file(goal, lambda file: _write(merge, file, asked, metadata, job))
            except _Stopped:
                return _told("The merge was stopped; nothing was written.")
    _copy_config(asked, recipe, goal)
    app.catalogue.refresh()
    made = next((each for each in app.catalogue.checkpoints() if each.path == goal), None)
    if made is not None:
        app.catalogue.hash_later(made)
    log.info("merged a checkpoint: %s, %.0f MB", goal, goal.stat().st_size / 1e6)
    return _told(f"Checkpoint saved to {goal}", name=made.name if made else goal.name)


def _is_written(job: Job, goal: Path, nbytes: int) -> bool:
    """Whether this job, before the server died, wrote its file already; files get their names when they are whole."""
    return job.summary.get(_GOAL) == str(goal) and goal.is_file() and goal.stat().st_size >= nbytes


def _write(merge: Merge, file: Any, asked: MergeRequest, metadata: Mapping[str, str], job: Job) -> None:
    def report(done: int, total: int) -> None:
        if is_over(job.cancel):
            raise _Stopped
        job.progress.step(done, total)

    if asked.checkpoint_format == "safetensors":
        merge.write_safetensors(file, metadata, report)
    else:
        merge.write_ckpt(file, report)


def _told(message: str, **more: Any) -> tuple[Outcome, dict[str, Any]]:
    outcome = Outcome(images=(), shown=(), info={"message": message, **more})
    return outcome, outcome.summary()


def _metadata(app: App, asked: MergeRequest, recipe: MergeRecipe, picture_kind: str) -> dict[str, str]:
    """What the file carries: copied from its parents, typed by hand, and how it was made."""
    if not asked.save_metadata or asked.checkpoint_format != "safetensors":
        return {}
    parents = [model for model in (recipe.primary, recipe.secondary, recipe.tertiary) if model is not None]
    found: dict[str, str] = {}
    if asked.copy_metadata_fields:
        for model in parents:
            found |= _texts(app, model)
    found |= asked.metadata()
    found["format"] = "pt"
    if asked.add_merge_recipe:
        found["sd_merge_recipe"] = json.dumps(_written_recipe(app, asked, recipe, picture_kind))
        models: dict[str, Any] = {}
        for model in parents:
            own = {key: _opened(text) for key, text in _texts(app, model).items()}
            models[app.catalogue.hash_of(model) or model.name] = {
                "name": model.name, "legacy_hash": old_hash(model.path), "sd_merge_recipe": own.get("sd_merge_recipe")}
            earlier = own.get("sd_merge_models")
            models |= earlier if isinstance(earlier, dict) else {}
        found["sd_merge_models"] = json.dumps(models)
    return found


def _written_recipe(app: App, asked: MergeRequest, recipe: MergeRecipe, picture_kind: str) -> dict[str, Any]:
    def digest(model: ModelFile | None) -> str | None:
        return (app.catalogue.hash_of(model) or None) if model is not None else None

    return {
        "type": "webui",
        "primary_model_hash": digest(recipe.primary),
        "secondary_model_hash": digest(recipe.secondary),
        "tertiary_model_hash": digest(recipe.tertiary),
        "interp_method": asked.interp_method,
        "multiplier": asked.multiplier,
        "save_as_half": asked.save_as_half,
        "custom_name": asked.custom_name,
        "config_source": CONFIG_SOURCES.index(asked.config_source),
        "bake_in_vae": asked.bake_in_vae,
        "discard_weights": asked.discard_weights,
        "is_inpainting": picture_kind == "inpainting",
        "is_instruct_pix2pix": picture_kind == "instruct-pix2pix",
    }


def _texts(app: App, model: ModelFile) -> dict[str, str]:
    try:
        return app.catalogue.metadata_of(model)
    except CannotLoad:
        return {}


def _opened(text: str) -> Any:
    """JSON inside a metadata text, or the text."""
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _copy_config(asked: MergeRequest, recipe: MergeRecipe, goal: Path) -> None:
    """The config beside a parent goes beside the result. A failure is logged: the checkpoint itself is there."""
    wanted = {"A, B or C": (recipe.primary, recipe.secondary, recipe.tertiary), "B": (recipe.secondary,), "C": (recipe.tertiary,)}
    for model in wanted.get(asked.config_source, ()):
        config = config_beside(model.path) if model is not None else None
        if config is not None:
            try:
                write_bytes(goal.with_suffix(".yaml"), config.read_bytes())
            except (OSError, StorageError, WebuiError) as error:
                log.warning("the config %s was not copied: %s", config, error)
            return
