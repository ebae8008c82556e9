"""A1111's ``scripts``: where the file that is being loaded lies, and lists of files."""
from __future__ import annotations

from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.extension_list import ScriptFile, files_with_name
from modules.a1111.places import script_path
from modules.a1111.stubs import UNKNOWN
from modules.extension_host import load_scripts


def basedir() -> str:
    """The folder of the extension whose file is being loaded; the program's where none is."""
    folder = current().extensions.base_folder if is_occupied() else None
    return str(folder) if folder is not None else script_path()


def list_scripts(scriptdirname: str, extension: str, *, include_extensions: bool = True) -> list[ScriptFile]:
    """The files of that kind in all extensions, in the order of their load."""
    if not include_extensions:
        return []
    return [ScriptFile(str(each.basedir), each.filename, str(each.path)) for each in load_scripts.list_scripts(current().extensions, scriptdirname, extension)]


def list_files_with_name(filename: str) -> list[str]:
    return files_with_name(filename)


def script_value(name: str) -> Any:
    host = current().scripts.host if is_occupied() else None
    known = {"scripts_data": "scripts_data", "scripts_txt2img": "txt2img", "scripts_img2img": "img2img"}
    if name in known:
        return getattr(host, known[name]) if host is not None else [] if name == "scripts_data" else None
    if name == "current_basedir":
        return basedir()
    if name == "scripts_current":
        return current().extensions.current_scripts if is_occupied() else None
    return UNKNOWN
