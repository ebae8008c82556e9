"""A1111's ``infotext_utils``: reading parameters, and what extensions say about pasting."""
from __future__ import annotations

import html
import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.picture_files import texts_of
from modules.application.infotext_styles import pasted_values
from modules.imaging.base64_codec import decode_image
from modules.schema.errors import WebuiError
from modules.schema.infotext_read import read_infotext
from modules.schema.infotext_values import told_of
from modules.schema.setting import Setting
from modules.schema.settings.table import SettingsTable

paste_fields: dict[str, Any] = {}
infotext_to_setting_name_mapping: list[tuple[str, str]] = []  # (infotext key, setting key), put here by extensions from before A1111 1.6
registered_param_bindings: list[ParamBinding] = []
Version = namedtuple("Version", ["major", "minor", "patch"])
v160, v170_tsnr, v180, v180_hr_styles = Version(1, 6, 0), Version(1, 7, 0), Version(1, 8, 0), Version(1, 8, 0)


class ParamBinding:
    """A button that carries parameters, or a picture, to a tab. Wired when the page is complete."""

    def __init__(
        self, paste_button: Any, tabname: str, source_text_component: Any = None, source_image_component: Any = None, source_tabname: str | None = None,
        override_settings_component: Any = None, paste_field_names: list[str] | None = None,
    ) -> None:  # fmt: skip
        self.paste_button = paste_button
        self.tabname = tabname
        self.source_text_component = source_text_component
        self.source_image_component = source_image_component
        self.source_tabname = source_tabname
        self.override_settings_component = override_settings_component
        self.paste_field_names = paste_field_names or []


class PasteField(tuple[Any, ...]):
    """(component, infotext key or function), with the API's name beside it."""

    def __new__(cls, component: Any, target: Any, *, api: str | None = None) -> PasteField:
        return super().__new__(cls, (component, target))

    def __init__(self, component: Any, target: Any, *, api: str | None = None) -> None:
        self.component = component
        self.label = target if isinstance(target, str) else None
        self.function = target if callable(target) else None
        self.api = api


def register_paste_params_button(binding: ParamBinding) -> None:
    registered_param_bindings.append(binding)


def reset() -> None:
    paste_fields.clear()
    registered_param_bindings.clear()


def add_paste_fields(tabname: str, init_img: Any, fields: Any, override_settings_component: Any = None) -> None:
    """Fields of an extension's own tab that parameters are pasted into."""
    paste_fields[tabname] = {"init_img": init_img, "fields": fields, "override_settings_component": override_settings_component}


def paste_fields_of(tabname: str) -> list[Any]:
    return list(paste_fields.get(tabname, {}).get("fields") or [])


def get_infotext_names() -> list[str]:
    """What a picture's text can tell of: settings, and the fields of the tabs, extensions' among them."""
    settings = [each.infotext for each in current().settings.table if each.infotext] if is_occupied() else []
    fields = [field[1] for tab in paste_fields.values() for field in tab.get("fields") or ()]
    return list(dict.fromkeys([*settings, *(each for each in fields if isinstance(each, str))]))


def parse_generation_parameters(x: str, skip_fields: Iterable[str] | None = None) -> dict[str, Any]:
    """Infotext key -> text, and the names of known styles that were in it. skip_fields: keys to leave out; the setting infotext_skip_pasting by default."""
    if not is_occupied():
        return {key: value for key, value in read_infotext(x).items() if key not in (skip_fields or ())}
    app = current()
    return pasted_values(app.settings, app.paths, read_infotext(x, old_behaviour=bool(app.settings.get("auto_backcompat"))), skip_fields)


def settings_by_infotext(table: SettingsTable) -> dict[str, Setting]:
    """By infotext key; those that extensions put into ``infotext_to_setting_name_mapping`` too."""
    return {key: table.by_key[name] for key, name in infotext_to_setting_name_mapping if name in table} | table.by_infotext


def create_override_settings_dict(text_pairs: Iterable[str] | None) -> dict[str, Any]:
    """{setting key: value} of the chips ("Clip skip: 2"). What a setting cannot be is left out."""
    known = settings_by_infotext(current().settings.table)
    found: dict[str, Any] = {}
    for pair in text_pairs or ():
        name, _, value = pair.partition(":")
        setting = known.get(name.strip())
        if setting is not None:
            try:
                found |= told_of(setting, value.strip())
            except WebuiError:
                continue
    return found


def get_override_settings(params: Mapping[str, Any], *, skip_fields: Iterable[str] | None = None) -> list[tuple[str, str, Any]]:
    """(infotext key, setting key, value) of what in ``params`` is a setting that now has another value."""
    settings = current().settings
    skipped = set(skip_fields or ())
    found = []
    for key, setting in settings_by_infotext(settings.table).items():
        if key not in params or key in skipped:
            continue
        if setting.key == "sd_model_checkpoint" and settings.get("disable_weights_auto_swap"):
            continue
        try:
            value = told_of(setting, str(params[key]))[setting.key]
        except WebuiError:
            continue
        if value != settings.get(setting.key):
            found.append((key, setting.key, value))
    return found


def create_override_settings_list(text_pairs: Iterable[str]) -> list[str]:
    return [f"{key}: {value}" for key, value in create_override_settings_dict(text_pairs).items()]


def restore_old_hires_fix_params(res: dict[str, Any]) -> None:
    """Read with the infotext itself."""


def backcompat(d: dict[str, Any]) -> None:
    """Read with the infotext itself."""


def quote(text: Any) -> Any:
    """A value as infotexts hold it: in quotation marks where it would be mistaken."""
    if "," not in str(text) and "\n" not in str(text) and ":" not in str(text):
        return text
    return json.dumps(text, ensure_ascii=False)


def unquote(text: str) -> Any:
    if len(text) == 0 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def image_from_url_text(filedata: Any) -> Image.Image | None:
    """A picture from what the page hands over: a gallery entry, a path, a data URL, or bare base64."""
    if not filedata:
        return None
    if isinstance(filedata, Image.Image):
        return filedata
    if isinstance(filedata, list | tuple):
        return image_from_url_text(filedata[0])
    if isinstance(filedata, dict):
        return image_from_url_text(filedata.get("name") or filedata.get("path") or filedata.get("image"))
    if filedata.startswith(("data:image/", "iVBORw0KGgo", "/9j/", "UklGR")):      # how PNG, JPEG and WebP begin in base64
        return decode_image(filedata)
    path = Path(filedata.rsplit("?", 1)[0])
    inside = any(root in path.resolve().parents for root in (current().paths.outputs_dir.resolve(), current().paths.data_dir.resolve()))
    return Image.open(path) if inside and path.is_file() else None


def send_image_and_dimensions(x: Any) -> tuple[Any, Any, Any]:
    """(picture, its width, its height); sizes as no change where the setting says so."""
    picture = x if isinstance(x, Image.Image) else image_from_url_text(x)
    if picture is None or not current().settings.get("send_size"):
        return picture, {"__type__": "update"}, {"__type__": "update"}
    return picture, picture.width, picture.height


def run_pnginfo(image: Image.Image | None) -> tuple[str, str, str]:
    """("", parameters text, everything as HTML)."""
    if image is None:
        return "", "", ""
    text, items = texts_of(image)
    shown = {**({"parameters": text} if text else {}), **{key: value for key, value in items.items() if key != "parameters"}}
    rows = [f"<div><p><b>{html.escape(str(key))}</b></p><p>{html.escape(str(value))}</p></div>" for key, value in shown.items()]
    return "", text or "", "\n".join(rows) or "<div><p>Nothing found in the image.</p></div>"


@dataclass
class ParametricFields:
    """Unused by A1111's extensions, but imported by some."""

    fields: Any = None


parametric_fields = ParametricFields()


def paste_value(target: Callable[..., Any] | str, params: Mapping[str, Any], value: Any) -> Any:
    """What a field becomes: by a function of all parameters, or the text of its key in the kind of its present value; None: no change."""
    found = target(params) if callable(target) else params.get(target)
    if found is None or callable(target):
        return found
    try:
        if isinstance(value, bool):
            return str(found).lower() not in ("false", "0", "")
        return type(value)(float(found)) if isinstance(value, int | float) else str(found)
    except (TypeError, ValueError):
        return None
