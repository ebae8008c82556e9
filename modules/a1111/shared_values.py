"""What else stands in A1111's ``shared`` and its neighbours: lists, small functions, and values that change while the server runs."""
from __future__ import annotations

import logging
import os
import platform
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import ImageFont

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.callbacks import caller_file
from modules.a1111.checkpoint_list import checkpoint_tiles, list_models
from modules.a1111.face_restorers import face_restorers
from modules.a1111.infotext_names import paste_fields_of
from modules.a1111.model_view import sd_model
from modules.a1111.options import opts
from modules.a1111.places import NAMES, command_line
from modules.a1111.sampler_list import SamplerData, all_samplers
from modules.a1111.stubs import UNKNOWN
from modules.a1111.style_names import StyleDatabase
from modules.a1111.upscaler_list import sd_upscalers
from modules.a1111.upscaling import load_file_from_url
from modules.application.translations import read_translation
from modules.application.version import INFOTEXT_VERSION, VERSION
from modules.engine.upscale import LATENT_UPSCALERS
from modules.files.file_manager import show_folder
from modules.launching.restart import ask_for_restart, can_restart

__all__ = ["checkpoint_tiles", "face_restorers", "load_file_from_url", "sd_upscalers"]
log = logging.getLogger("webui")
latent_upscale_default_mode = LATENT_UPSCALERS[0].name
latent_upscale_modes = {each.name: {"mode": each.mode, "antialias": each.antialias} for each in LATENT_UPSCALERS}
_prompt_styles = StyleDatabase()


class TotalTQDM:
    """A1111's second progress bar in the console: here the log and the page tell, and the bar, which extensions write on, is not shown."""

    _tqdm: Any = None

    def reset(self) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm(desc="Total progress", total=0, disable=True)

    def update(self) -> None:
        if self._tqdm is None:
            self.reset()

    def updateTotal(self, new_total: int) -> None:
        self.update()
        self._tqdm.total = new_total

    def clear(self) -> None:
        self._tqdm = None


total_tqdm = TotalTQDM()


class MemUsageMonitor(threading.Thread):
    """A1111's watcher of GPU memory; it measures nothing here."""

    def __init__(self, name: str = "MemMon", device: Any = None, opts: Any = None) -> None:
        super().__init__(name=name, daemon=True)
        self.disabled = True
        self.data: dict[str, int] = {}

    def monitor(self) -> None: ...

    def read(self) -> dict[str, int]:
        return self.data

    def stop(self) -> dict[str, int]:
        return self.data


mem_mon = MemUsageMonitor()


def shared_value(name: str) -> Any:
    """Values of ``modules.shared`` that are asked for anew each time."""
    table: dict[str, Callable[[], Any]] = {
        "cmd_opts": command_line, "sd_model": sd_model, "prompt_styles": lambda: _prompt_styles, "options_templates": lambda: opts.data_labels,
        "device": _device, "demo": lambda: current().extensions.demo, "config_filename": lambda: command_line().ui_settings_file,
        "styles_filename": lambda: command_line().styles_file, "batch_cond_uncond": lambda: opts.batch_cond_uncond,
        "weight_load_location": lambda: None if command_line().lowram else "cpu", "restricted_opts": lambda: opts.restricted_opts,
        "ui_reorder_categories": lambda: ui_reorder_categories, "list_checkpoint_tiles": lambda: list_checkpoint_tiles,
        "state_update": lambda: None, "server_start": lambda: 0.0,
        "hf_endpoint": lambda: os.environ.get("HF_ENDPOINT", "https://huggingface.co"),
        **{each: NAMES[each] for each in ("data_path", "models_path", "script_path", "sd_model_file", "default_sd_model_file", "sd_configs_path", "extensions_dir", "cwd")},
    }  # fmt: skip
    return table[name]() if name in table else UNKNOWN


def _device() -> Any:
    from modules.a1111.device_names import get_optimal_device

    return get_optimal_device()


def list_checkpoint_tiles(use_short: bool = False) -> list[str]:
    return checkpoint_tiles(use_short)


def refresh_checkpoints() -> None:
    list_models()


def list_samplers() -> list[SamplerData]:
    """All, extensions' too: what has a ``name``."""
    return all_samplers


def sd_vae_items() -> list[str]:
    return ["Automatic", "None", *(each.path.name for each in current().catalogue.vaes())]


def realesrgan_models_names() -> list[str]:
    return []


def callbacks_order_settings() -> dict[str, Any]:
    return {}


ui_reorder_categories_builtin_items = (
    "prompt", "image", "inpaint", "sampler", "accordions", "checkboxes", "dimensions", "cfg", "denoising", "seed", "batch", "override_settings",
)  # fmt: skip


def ui_reorder_categories() -> Iterator[str]:
    yield from (*ui_reorder_categories_builtin_items, "scripts")


class OptionsCategory:
    def __init__(self, id: str, label: str) -> None:
        self.id = id
        self.label = label


class OptionsCategories:
    """Headings over the sections of the Settings page."""

    def __init__(self) -> None:
        self.mapping: dict[str, OptionsCategory] = {}

    def register_category(self, category_id: str, label: str) -> str:
        self.mapping.setdefault(category_id, OptionsCategory(category_id, label))
        return category_id


categories = OptionsCategories()
for _id, _label in (("saving", "Saving images"), ("sd", "Stable Diffusion"), ("ui", "User Interface"), ("system", "System"), ("postprocessing", "Postprocessing"), ("training", "Training")):
    categories.register_category(_id, _label)


# -- util -----------------------------------------------------------------------------------------------------------------


def natural_sort_key(s: str, regex: re.Pattern[str] = re.compile(r"([0-9]+)")) -> list[Any]:
    return [int(text) if text.isdigit() else text.lower() for text in regex.split(s)]


def listfiles(dirname: str) -> list[str]:
    """The files of a folder, "a2" before "a10", hidden ones left out."""
    paths = [os.path.join(dirname, name) for name in sorted(os.listdir(dirname), key=natural_sort_key) if not name.startswith(".")]
    return [path for path in paths if os.path.isfile(path)]


def walk_files(path: str, allowed_extensions: Iterable[str] | None = None) -> Iterator[str]:
    """Every file below a folder, in natural order; of the given suffixes only."""
    wanted = None if allowed_extensions is None else {each.lower() for each in allowed_extensions}
    hidden = bool(is_occupied() and current().settings.get("list_hidden_files"))
    for folder, _, names in sorted(os.walk(path, followlinks=True), key=lambda each: natural_sort_key(each[0])):
        if not hidden and any(part.startswith(".") for part in Path(folder).relative_to(path).parts):
            continue
        for name in sorted(names, key=natural_sort_key):
            if wanted is None or os.path.splitext(name)[1].lower() in wanted:
                yield os.path.join(folder, name)


def walk_image_files(path: str, allowed_extensions: Iterable[str] = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")) -> Iterator[str]:
    return walk_files(path, allowed_extensions)


class MassFileLister:
    """File facts of many files."""

    def find(self, path: str) -> tuple[str, float, float] | None:
        try:
            found = os.stat(path)
        except OSError:
            return None
        return os.path.basename(path), found.st_mtime, found.st_ctime

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def mctime(self, path: str) -> tuple[float, float]:
        found = self.find(path)
        return found[1:] if found else (0, 0)

    def reset(self) -> None: ...


def html_path(filename: str) -> str:
    return os.path.join(NAMES["script_path"](), "html", filename)


def html(filename: str) -> str:
    """A template of A1111's html folder; "" for one that is not here."""
    try:
        return Path(html_path(filename)).read_text(encoding="utf-8")
    except OSError:
        return ""


def truncate_path(target_path: str, base_path: str | None = None) -> str:
    base = os.path.abspath(base_path or NAMES["cwd"]())
    try:
        found = os.path.relpath(target_path, base)
    except ValueError:
        return os.path.abspath(target_path)
    return os.path.abspath(target_path) if found.startswith("..") else found


def ldm_print(*_: Any) -> None: ...


class GenerationParametersList(list[Any]):
    """A list of generation parameters."""


def compare_sha256(file_path: str, hash_prefix: str) -> bool:
    from modules.a1111.file_facts import calculate_sha256

    return calculate_sha256(file_path).startswith(hash_prefix.strip().lower())


def topological_sort(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    from modules.extension_host.registry import sorted_by_need

    known = list(dependencies)
    return sorted_by_need(known, {name: [each for each in needed if each in dependencies] for name, needed in dependencies.items()})


def open_folder(path: str) -> None:
    """In the file manager of this machine; not where the page is others' too."""
    folder, flags = Path(path), current().flags
    if flags.listen or flags.share:
        log.info("the folder %s is on the server's machine: it can be opened from there only", folder)
        return
    try:
        show_folder(folder.resolve(strict=True))
    except OSError as error:
        log.warning("the folder %s could not be opened: %s", folder, error)


def get_font(fontsize: int) -> Any:
    return ImageFont.load_default(fontsize)


# -- errors ---------------------------------------------------------------------------------------------------------------


def report(message: str, *, exc_info: bool = False) -> None:
    """To the log, with the extension's name."""
    owner = current().extensions.owner_of(caller_file()) if is_occupied() else "base"
    log.error("%s: %s", owner, message, exc_info=exc_info)


def display(e: BaseException, task: str, *, full_traceback: bool = False) -> None:
    log.error("%s: %s", task, e, exc_info=e)


def display_once(e: BaseException, task: str) -> None:
    display(e, task)


def print_error_explanation(message: str) -> None:
    log.error("%s", message)


def run(code: Callable[[], Any], task: str) -> None:
    try:
        code()
    except Exception as error:
        display(error, task)


def check_versions() -> None: ...


def record_exception() -> None: ...


def get_exceptions() -> list[Any]:
    return []


def report_exception(c: Any, job: str) -> None:
    report(f"Error executing callback {job} for {getattr(c, 'script', c)}", exc_info=True)


def setup_logging(loglevel: Any) -> None: ...


# -- the server -----------------------------------------------------------------------------------------------------------


def program_version() -> str:
    return INFOTEXT_VERSION


def is_restartable() -> bool:
    return can_restart(os.environ)


def restart_program() -> None:
    """End the server; where somebody waits for it, it begins anew."""
    from modules.a1111.state import state

    state.request_restart()
    if can_restart(os.environ):
        ask_for_restart(os.environ)


def stop_program() -> None:
    restart_program()


def system_info() -> str:
    import json

    facts = {"Platform": platform.platform(), "Python": platform.python_version(), "Version": VERSION, "Commandline": sys.argv}
    facts["Extensions"] = [{"name": each.name, "path": str(each.path)} for each in current().extensions.enabled]
    return json.dumps(facts, indent=4)


def list_localizations(dirname: str) -> None:
    """Translations are looked up when the page opens."""


def localization_js(current_localization_name: str) -> str:
    import json

    return f"window.localization = {json.dumps(read_translation(current(), current_localization_name))}"


def paste_field_values(name: str) -> Any:
    """``modules.ui.txt2img_paste_fields`` and img2img's: (component, infotext key) of the page that was built last, the prompt first."""
    tab = name.removesuffix("_paste_fields")
    return paste_fields_of(tab) if tab != name and tab in ("txt2img", "img2img") else UNKNOWN
