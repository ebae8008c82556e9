"""build_app: the one place where the services of a server are wired together."""
from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from modules.application import extras, generation, merging, training
from modules.application.app import App
from modules.application.builtin_network_pages import register_builtin_pages
from modules.application.describing import Describer
from modules.application.downloads import Downloads, download_folders
from modules.application.estimates import Estimates
from modules.application.faces import Faces
from modules.application.img2img_batch import with_batches
from modules.application.paths import Paths, paths_from_flags, styles_files
from modules.application.picture_index import PictureIndex
from modules.application.quick_vaes import QuickVaes
from modules.application.settings_rules import FOLDERS
from modules.application.settings_store import SettingsStore
from modules.application.unsaved_checkpoints import UnsavedCheckpoints, folder_of_unsaved
from modules.application.upscalers import Upscalers
from modules.compute.hardware import probe
from modules.compute.policy import policy_from_flags
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.describe_tools import DescribeTools
from modules.engine.restore_faces import FaceTools
from modules.engine.styles import set_aside_damaged
from modules.extension_host.host import ExtensionHost
from modules.extension_host.install import clear_abandoned
from modules.files.atomic import sweep_temporaries, sweep_trees
from modules.imaging.save import NumberBook
from modules.jobs.job import Job
from modules.jobs.queue import JobQueue
from modules.jobs.store import open_store
from modules.launching.startup_times import StartupTimes
from modules.library.cache import FileCache
from modules.library.catalogue import Catalogue
from modules.library.roots import roots_from_flags
from modules.loading.checkpoints import Checkpoints
from modules.loading.embeddings import EmbeddingShelf
from modules.loading.hypernetwork import HypernetworkShelf
from modules.loading.lora import LoraShelf
from modules.loading.upscalers import PictureModelShelf
from modules.schema.errors import Busy, NoCheckpoint, WebuiError
from modules.schema.flags import Flags
from modules.schema.settings.table import SETTINGS

log = logging.getLogger(__name__)


def build_app(flags: Flags, extensions: ExtensionHost | None = None, *, start: bool = True, given: frozenset[str] = frozenset(), times: StartupTimes | None = None) -> App:
    """Everything a server needs, with its worker waiting. Loads no model: ``preload`` does, on the worker.

    given: names of the flags that the user gave, for the policy's sentences.
    times: what the start takes, where somebody measures it.
    start: False where more is to be put in before the worker begins, perhaps with jobs of a former server; then ``app.jobs.start()`` is the caller's.

    Nothing that is found in the data folder stops it: what is damaged is set aside and said in ``notices``.
    """
    paths = paths_from_flags(flags)
    sweep_temporaries(_folders_written_to(paths))
    settings = SettingsStore(paths.config_file, SETTINGS)
    store, store_notices = open_store(paths.jobs_file)
    hardware = probe(measures_bfloat16=flags.precision == "half")
    policy = policy_from_flags(flags, hardware, given)
    facts = FileCache(paths.cache_dir / "models.json")
    catalogue = Catalogue(roots_from_flags(flags), facts, hashing=not flags.no_hashing, list_hidden=lambda: settings.get("list_hidden_files"))
    _take_up_named_checkpoint(flags, settings, catalogue)
    for sentence in (notices := (*settings.notices, *store_notices, *set_aside_damaged(styles_files(paths)))):
        log.warning(sentence)
    runners: dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]] = {}
    checkpoints, jobs = Checkpoints(catalogue, policy, fixed_vae=Path(flags.vae_path) if flags.vae_path else None), JobQueue(store, runners)
    picture_models = PictureModelShelf(policy)
    app = App(
        flags=flags,
        paths=paths,
        hardware=hardware,
        policy=policy,
        settings=settings,
        catalogue=catalogue,
        checkpoints=checkpoints,
        jobs=jobs,
        unsaved=UnsavedCheckpoints(folder_of_unsaved(paths.data_dir), settings=settings, catalogue=catalogue, checkpoints=checkpoints, jobs=jobs),
        numbers=NumberBook(),
        embeddings=EmbeddingShelf(catalogue.embeddings_now, catalogue.hash_of),
        hypernetworks=HypernetworkShelf(catalogue.hypernetworks),
        loras=LoraShelf(catalogue.loras, metadata_of=catalogue.metadata_of, refresh=catalogue.refresh,
                        at_least=lambda: settings.get("lora_in_memory_limit"), facts=facts),
        conditionings=ConditioningCache(),
        upscalers=Upscalers(catalogue=catalogue, shelf=picture_models, models_dir=paths.models_dir, on_cpu=flags.use_cpu),
        quick_vaes=QuickVaes(models_dir=paths.models_dir, policy=policy),
        faces=Faces(
            catalogue=catalogue, tools=FaceTools(policy, picture_models), gfpgan_model=flags.gfpgan_model, on_cpu=flags.use_cpu,
        ),
        describer=Describer(models_dir=paths.models_dir, lists=paths.data_dir / "interrogate", pair_folders=_clip_folders(flags, paths), tools=DescribeTools(policy)),
        downloads=Downloads(
            folders=download_folders(catalogue.roots, paths.models_dir / "ControlNet"), when_done=catalogue.refresh,
            local_allowed=lambda: not settings.get("api_forbid_local_requests"),
        ),
        estimates=Estimates(path=paths.cache_dir / "job_costs.json"),
        pictures=PictureIndex(paths.cache_dir / "pictures.sqlite3", lambda: _picture_folders(paths, settings)),
        extensions=extensions or ExtensionHost(),
        startup_times=times or StartupTimes(),
        notices=(*notices, *(extensions.notices if extensions else ())),
    )
    runners |= with_batches(app, generation.runners(app)) | extras.runners(app) | merging.runners(app) | training.runners(app)
    app.downloads.published += [each.published for each in (app.upscalers, app.faces, app.describer, app.quick_vaes)]
    register_builtin_pages(app)
    settings.on_change("list_hidden_files", lambda _value: catalogue.refresh())
    _sweep_all_later([*_picture_folders(paths, settings), paths.models_dir, *catalogue.roots.folders, paths.data_dir / "config_states"], paths.data_dir / "extensions", app.downloads)
    if start:
        app.jobs.start()
    return app


def preload(app: App) -> None:
    """``load_chosen`` at the start, unless the flags forbid it."""
    if not app.flags.skip_load_model_at_start:
        with suppress(Busy):  # the server was told to end while it started
            load_chosen(app)


def load_chosen(app: App) -> None:
    """Load the chosen checkpoint on the worker, so that the next picture comes quickly. Returns at once.

    Trouble is logged here, and said again by the next job.
    """
    if app.flags.ui_debug_mode:
        return

    def load() -> None:
        try:
            generation.load_checkpoint_now(app)
            if app.settings.get("textual_inversion_print_at_load"):
                log.info("embeddings: %s", ", ".join(sorted(each.stem for each in app.catalogue.embeddings())) or "none")
        except NoCheckpoint as error:
            log.warning("%s", error)
        except WebuiError as error:
            log.error("the chosen checkpoint was not loaded: %s", error)

    app.jobs.call_soon(load)


def _take_up_named_checkpoint(flags: Flags, settings: SettingsStore, catalogue: Catalogue) -> None:
    """--ckpt chooses for this run, whatever was chosen before."""
    if not flags.named_checkpoint:
        return
    named = Path(flags.named_checkpoint).absolute()
    model = next((each for each in catalogue.checkpoints() if each.path == named), None)
    if model is None:
        log.warning("--ckpt names %s, which is not there", named)
    else:
        settings.set(generation.CHECKPOINT_KEY, model.title)


def _clip_folders(flags: Flags, paths: Paths) -> tuple[Path, ...]:
    """Where the CLIP that Interrogate asks may lie; the last one is where OpenAI's own package keeps it."""
    if flags.clip_models_path:
        return (Path(flags.clip_models_path),)
    return (paths.models_dir / "CLIP", Path(os.path.expanduser("~/.cache/clip")))      # not Path.home(): a container's user may have none, and that raises


def _picture_folders(paths: Paths, settings: SettingsStore) -> list[Path]:
    """Where pictures of this server may lie."""
    return [paths.outputs_dir, *(paths.output_folder(text) for key in sorted(FOLDERS) if (text := settings.get(key)))]


def _sweep_all_later(roots: list[Path], extensions: Path, downloads: Downloads) -> None:
    """What a killed server may have left anywhere below the folders that it writes to; 100,000 pictures there do not make the start longer."""
    outermost = [each for each in dict.fromkeys(roots) if not any(each != other and each.is_relative_to(other) for other in roots)]
    threading.Thread(target=_swept, args=(outermost, extensions, downloads), name="sweep", daemon=True).start()


def _swept(roots: list[Path], extensions: Path, downloads: Downloads) -> None:
    downloads.take_up_broken_off()
    sweep_trees(roots)
    clear_abandoned(extensions)


def _folders_written_to(paths: Paths) -> list[Path]:
    """Where a killed server may have left temporary files of settings, styles and caches. Those among pictures are ``_sweep_all_later``'s."""
    beside = [paths.config_file.parent, paths.ui_config_file.parent, *(each.parent for each in styles_files(paths))]
    return list(dict.fromkeys([paths.data_dir, paths.cache_dir, folder_of_unsaved(paths.data_dir), *beside]))
