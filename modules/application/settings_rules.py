"""Which settings may be changed, and by whom: frozen ones not at all, places and names not from outside."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modules.application.paths import Paths
from modules.files.resolver import allowed, refusal
from modules.schema.errors import InvalidValue, shortened

if TYPE_CHECKING:
    from modules.schema.flags import Flags
    from modules.schema.setting import Setting

# Where files are written and what they are called: A1111 lets neither page nor API change these under --hide-ui-dir-config.
PLACES = frozenset({
    "samples_filename_pattern", "directories_filename_pattern", "grid_zip_filename_pattern", "outdir_samples", "outdir_txt2img_samples",
    "outdir_img2img_samples", "outdir_extras_samples", "outdir_grids", "outdir_txt2img_grids", "outdir_img2img_grids", "outdir_save",
    "outdir_init_images", "temp_dir", "clean_temp_dir_at_start", "font",
})
FOLDERS = frozenset(key for key in PLACES if key.startswith("outdir_"))
PATTERNS = frozenset(key for key in PLACES if key.endswith("_pattern"))
# What decides over strangers' programs, over whom this server asks and over what it deletes: on the page or in config.json, never by a request.
NOT_BY_REQUEST = frozenset({
    "disabled_extensions", "disable_all_extensions", "restore_config_state_file", "api_enable_requests", "api_forbid_local_requests", "api_useragent",
    "temp_dir", "clean_temp_dir_at_start", "font",
})
_NAMES_A_PLACE = re.compile(r"(^|_)(out)?(dirs?|directory|folder|path|filename|file)$")     # settings of extensions too
_PROFILE = "profiling_filename"


def is_frozen(flags: Flags, setting: Setting) -> bool:
    """Whether the command line forbids changing it (--freeze-settings and its relatives, --hide-ui-dir-config)."""
    keys = {each.strip() for each in (flags.freeze_specific_settings or "").split(",")}
    sections = {each.strip() for each in (flags.freeze_settings_in_sections or "").split(",")} - {""}  # settings without a page have no section
    hidden = flags.hide_ui_dir_config and setting.key in PLACES
    return flags.freeze_settings or hidden or setting.key in keys or setting.section in sections


def check_change(flags: Flags, paths: Paths, setting: Setting, value: Any) -> None:
    """Refuse a frozen setting, and a folder or pattern that would put pictures where programs are. Raises InvalidValue."""
    if is_frozen(flags, setting):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be changed: the command line freezes it.",
                           "Ask whoever runs this server.", field=setting.key)
    if not isinstance(value, str) or not value:
        return
    named = names_place(setting) or setting.key == _PROFILE
    if named and not _can_name_a_file(value):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be {shortened(ascii(value))}: no file can be called so.", field=setting.key)
    if names_place(setting) and ("\0" in value or paths.is_code_folder(paths.output_folder(value))):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be {value[:200]!r}: programs are loaded from there.",
                           "Choose a folder of its own, such as outputs/pictures.", field=setting.key)
    if setting.key in PATTERNS and (".." in value or "\0" in value):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot hold '..'.", "Use plain names and [tokens].", field=setting.key)
    if setting.key == _PROFILE and (not value.lower().endswith(".json") or paths.output_folder(value) in (paths.config_file, paths.ui_config_file)):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be {value[:200]!r}: a profile is a JSON file of its own.",
                           "Call it trace.json.", field=setting.key)


def _can_name_a_file(value: str) -> bool:
    """Not with half a character (of two that stand for one in JSON), unless it is how Python shows a byte of a file's name."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def names_place(setting: Setting) -> bool:
    """Whether its value is a folder or file that somebody writes to, by its name; extensions' settings are known by theirs."""
    return setting.key in FOLDERS or (setting.key not in PATTERNS and isinstance(setting.default, str) and bool(_NAMES_A_PLACE.search(setting.key)))


def check_outside_change(flags: Flags, paths: Paths, setting: Setting, value: Any) -> None:
    """``check_change`` for a value that came with a request: places must also stay inside the data folder. Raises InvalidValue."""
    if setting.key in NOT_BY_REQUEST:
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be changed over the API.", "Set it on the Settings page or in config.json.",
                           field=setting.key)
    check_change(flags, paths, setting, value)
    if not names_place(setting) or not isinstance(value, str) or not value:
        return
    folder, data_dir = paths.output_folder(value), paths.data_dir
    inside = data_dir in folder.parents
    if not inside or refusal(str(folder.relative_to(data_dir))) or not allowed(folder, [data_dir]):
        raise InvalidValue(f"Setting {setting.key} ({setting.label}) cannot be set to {value[:200]!r} over the API: it lies outside {data_dir}.",
                           "Set it on the Settings page or in config.json.", field=setting.key)


def check_overrides(flags: Flags, paths: Paths, settings: Any, overrides: Mapping[str, Any], *, kept: bool) -> None:
    """A request may put its pictures only where the API could have them put, and not change for good what is frozen. kept: the values stay after it.

    Raises UnknownName and InvalidValue.
    """
    for key, value in overrides.items():
        setting = settings.table.find(key)
        if _is_guarded(setting, kept=kept) and setting.checked(value) != settings.get(key):     # clients send all settings that they were told
            check_outside_change(flags, paths, setting, setting.checked(value))


def _is_guarded(setting: Setting, *, kept: bool) -> bool:
    return kept or setting.key in PLACES or setting.key in NOT_BY_REQUEST or names_place(setting)
