"""A1111's folders, by its names. They are known before a server runs, for preload.py and install.py ask too."""
from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.files.atomic import write_bytes
from modules.files.storage import StorageError
from modules.schema.errors import WebuiError
from modules.schema.flag_table import SCRIPT_PATH
from modules.schema.flags import Flags, parse_flags


@cache
def _flags_of_command_line() -> Flags:
    arguments = sys.argv[1:] if Path(sys.argv[0]).name in ("launch.py", "webui.py") else []
    try:
        return parse_flags(arguments, os.environ).flags
    except WebuiError:
        return parse_flags([], {}).flags


def flags() -> Flags:
    return current().flags if is_occupied() else _flags_of_command_line()


def command_line() -> Namespace:
    """``cmd_opts``: a plain Namespace with every flag of A1111, and those of extensions. One per server; extensions may write to it."""
    if not is_occupied():
        return namespace_of(flags())
    host = current().extensions
    if host.command_line is None:
        host.command_line = namespace_of(current().flags, host.extra_flags)
    return host.command_line


def namespace_of(ours: Flags, extra: Mapping[str, Any] | None = None) -> Namespace:
    values = {each.name: getattr(ours, each.name) for each in dataclasses.fields(ours)}
    plain = {name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    plain["styles_file"] = list(ours.styles_file)
    missing = {"lora_dir": str(Path(ours.models_path) / "Lora"), "lyco_dir_backcompat": str(Path(ours.models_path) / "LyCORIS")}
    return Namespace(**{**missing, **plain, **(extra or {})})


def data_path() -> str:
    return str(Path(flags().data_dir).absolute())


def models_path() -> str:
    return str(Path(flags().models_path).absolute())


def script_path() -> str:
    return SCRIPT_PATH


def below_script(name: str) -> str:
    return os.path.join(SCRIPT_PATH, name)


def extensions_dir() -> str:
    return os.path.join(data_path(), "extensions")


def cwd() -> str:
    return os.getcwd()


NAMES = {
    "script_path": script_path, "modules_path": lambda: below_script("modules"), "data_path": data_path, "models_path": models_path,
    "extensions_dir": extensions_dir, "extensions_builtin_dir": lambda: below_script("extensions-builtin"), "cwd": cwd,
    "config_states_dir": lambda: os.path.join(data_path(), "config_states"), "default_output_dir": lambda: os.path.join(data_path(), "outputs"),
    "sd_configs_path": lambda: below_script("configs"), "sd_default_config": lambda: below_script("configs/v1-inference.yaml"),
    "sd_model_file": lambda: below_script("model.ckpt"), "default_sd_model_file": lambda: below_script("model.ckpt"),
    "roboto_ttf_file": lambda: _font(), "sd_path": script_path, "paths": dict,
}  # fmt: skip


def _font() -> str:
    """A file, as scripts want one: they hand it to ``ImageFont.truetype``. Pillow has its font in memory only."""
    from PIL import ImageFont

    file = Path(data_path()) / "cache" / "font.ttf"
    try:
        if not file.is_file():
            write_bytes(file, getattr(ImageFont.load_default(10), "font_bytes", b""))
    except (StorageError, OSError):
        return ""           # a data folder that may only be read
    return str(file)


def is_gradio_temp_path(path: str | Path) -> bool:
    """Whether a file lies where the page keeps what was uploaded, or what it shows for a while."""
    folders = [os.environ.get("GRADIO_TEMP_DIR") or os.path.join(tempfile.gettempdir(), "gradio")]
    if is_occupied() and current().settings.get("temp_dir"):
        folders.append(current().settings.get("temp_dir"))
    return any(Path(os.path.realpath(path)).is_relative_to(os.path.realpath(each)) for each in folders)
