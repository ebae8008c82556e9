"""Extensions' scripts are loaded: after the services are there, before the page is built."""
from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from modules.a1111 import callbacks, foreign_packages, older_names, path_words, prompt_networks
from modules.a1111.app_slot import current
from modules.a1111.attention_choice import list_optimizers
from modules.a1111.callback_order import offer_orders
from modules.a1111.face_restorers import offer_restorers
from modules.a1111.options import opts
from modules.a1111.places import script_path
from modules.a1111.sampler_list import take_up_added
from modules.a1111.unet_choice import list_unets
from modules.a1111.upscaler_list import load_upscalers
from modules.extension_host.host import ExtensionHost, file_of
from modules.extension_host.load_scripts import ScriptFile, changed_scripts, list_scripts, load_scripts
from modules.files.atomic import write_json
from modules.files.storage import StorageError, hindrance

log = logging.getLogger(__name__)
Take = Callable[[ModuleType, ScriptFile], Any]


def load_extensions(take: Take, initialize: Callable[[], None]) -> None:
    """Load every script of every extension that is switched on, and let them add their settings.

    take: given each module, to find the Script classes in it. initialize: makes the scripts, whose ``__init__`` may want settings too.
    """
    host, began, computed = current().extensions, time.perf_counter(), time.process_time()
    foreign_packages.install()
    older_names.install()
    path_words.install()
    prompt_networks.register_own()
    if script_path() not in sys.path:
        sys.path.append(script_path())
    _write_ui_config(current().paths.ui_config_file)
    files = list_scripts(host, "scripts", ".py")
    if files:
        _make_folders()
    load_scripts(host, files, lambda file, module: take(module, file))
    take_up_added()
    load_upscalers()
    offer_restorers()
    list_unets()
    list_optimizers()
    callbacks.before_ui_callback()
    take_up_added()
    callbacks.ui_settings_callback()
    asked = callbacks.registry().ordered("ui_settings")
    initialize()
    callbacks.registry().call("ui_settings", without=asked)
    opts.settle()
    offer_orders()
    _tell_of_saving(host)
    if files:
        seconds = (time.perf_counter() - began, time.process_time() - computed)
        log.info("loaded %d scripts of %d extensions in %.2f s (processor: %.2f s)", len(files), len(host.enabled), *seconds)


def _tell_of_saving(host: ExtensionHost) -> None:
    """Whoever encrypts pictures has to know when they are not."""
    replaced = file_of(Image.Image.save)
    if host.owning(replaced):
        host.troubles.note(host.owner_of(replaced), f"scripts/{Path(replaced).name}", "it replaces how Pillow saves a picture to a file, and this program encodes pictures in memory first: "
                           "what it does then, encrypting them say, is not done. Pictures are saved as they are.")


def load_changed(take: Take, forget: Callable[[Collection[str]], None]) -> bool:
    """Before a page is built anew: execute the scripts that came or were changed while the server ran, and end what those did that are no more. Whether there were any.

    forget: told the files whose classes are over. What was not changed stays the objects that it is.
    """
    host, asking = current().extensions, ("before_ui", "ui_settings")
    files, over = changed_scripts(host)
    if not files and not over:
        return False
    _end(host, over)
    forget({*map(str, over)})
    asked = {category: host.registry.ordered(category) for category in asking}
    load_scripts(host, files, lambda file, module: take(module, file))
    take_up_added()
    load_upscalers()
    list_unets()
    list_optimizers()
    for category in asking:
        host.registry.call(category, without=asked[category])
    take_up_added()
    opts.settle()
    offer_orders()
    log.info("loaded %d scripts that came or were changed; %d were there before", len(files), len(over))
    return True


def _end(host: ExtensionHost, over: Collection[Path]) -> None:
    """Their ``on_script_unloaded`` is called, and everything that they registered is forgotten: also what another file of an extension did that is gone."""
    files = {*map(str, over)}
    files |= {each.file for listed in host.registry.categories.values() for each in listed if host.owning(each.file) and not Path(each.file).exists()}
    staying = [each for each in host.registry.ordered("script_unloaded") if each.file not in files]
    host.registry.call("script_unloaded", backwards=True, without=staying)
    for file in files:
        host.registry.remove_file(file)
    for path in over:
        del host.executed[path]
        host.troubles.forget(host.owner_of(path), path.name)
        scripts = host.facts_of(host.owner_of(path)).scripts
        scripts[:] = [each for each in scripts if each != f"{path.parent.name}/{path.name}"]


def _write_ui_config(file: Path) -> None:
    """A1111 always has the file; extensions open it without asking."""
    if not file.exists():
        try:
            write_json(file, {})
        except (StorageError, OSError) as error:        # a full disk, a folder that may only be read
            log.warning("the page's own values have no file: %s", error)


def _make_folders() -> None:
    """A1111 always has these; extensions list what is in them without asking. One that cannot be made is left out."""
    flags = current().flags
    models = Path(flags.models_path)
    for folder in (models / "Stable-diffusion", models / "VAE", models / "ESRGAN", Path(flags.lora_dir), Path(flags.hypernetwork_dir), Path(flags.embeddings_dir)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.info("the folder %s could not be made: %s", folder, hindrance(folder) or error)


def model_was_loaded() -> None:
    """Tell extensions that another checkpoint is loaded."""
    from modules.a1111.model_view import sd_model

    callbacks.model_loaded_callback(sd_model())
