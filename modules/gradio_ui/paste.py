"""Infotext -> fields: the paste button, and "send to" buttons. What has no field but is a setting becomes an override chip."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.infotext_names import settings_by_infotext
from modules.application.app import App
from modules.application.infotext_fill import with_samplers_split
from modules.application.infotext_loras import with_loras_of_add_net, with_loras_of_here
from modules.application.infotext_styles import STYLES, with_styles_found
from modules.engine.sampler_registry import samplers
from modules.gradio_ui.checkpoint_choice import shown_title
from modules.gradio_ui.form import Form
from modules.gradio_ui.param_component import Choices, choices_of
from modules.schema.errors import WebuiError, shortened
from modules.schema.infotext_read import read_infotext
from modules.schema.infotext_values import told_of
from modules.schema.param import ParamEntry
from modules.schema.setting import Setting
from modules.schema.settings.table import SettingsTable
from modules.schema.widgets import Checkbox, Dropdown, Number, Radio, Slider, TextArea

NOT_PASTED = frozenset({"batch_size", "styles"})  # they say how the picture was made, not what it is
HIRES_MARKS = ("Hires upscale", "Hires resize-1", "Hires resize-2")  # written by hires fix alone; 0 where it is only filled in
SEED_EXTRAS, VARIATION_MARKS = "_subseed_show", ("Variation seed", "Seed resize from-1")
_SAMPLERS = ("sampler_name", "hr_sampler_name")
CHECKPOINT = "sd_model_checkpoint"
MOST = 2**64 - 1  # no whole number beyond it goes to the browser


@dataclass(frozen=True, kw_only=True)
class Paster:
    """Fills one tab's fields. scripts: the values of scripts' fields, by name, from an infotext. script_keys: what they read of it."""

    app: App
    form: Form
    choices: Choices
    scripts: Callable[[Mapping[str, str]], Mapping[str, Any]] = lambda infotext: {}
    script_keys: Container[str] = ()

    def from_text(self, text: str) -> list[Any]:
        """Updates for the override chips, then for all fields, then words for static/form_tools.js (``told``). An empty text stands for the last picture's."""
        return self.from_picture((text or "").strip() or self._last_infotext())

    def from_shown_picture(self, text: str) -> list[Any]:
        """As ``from_picture``, for a button that sends nothing else: an empty text is told."""
        updates = self.from_picture(text)
        return updates if (text or "").strip() else [*updates[:-1], said("This picture carries no generation parameters: the fields stay as they are.")]

    def from_picture(self, text: str, *, without: Container[str] = ()) -> list[Any]:
        """As ``from_text``; an empty text changes nothing. without: infotext keys that do not count."""
        text = (text or "").strip()
        if not text:
            return [gr.skip()] * (2 + len(self.form.fields))
        read = with_styles_found(read_infotext(text, old_behaviour=self.app.settings.get("auto_backcompat")), self.app.settings, self.app.paths)
        if is_occupied():
            callbacks.infotext_pasted_callback(text, read)  # extensions may change what was read
        if "AddNet Module 1" not in self.script_keys:
            read = with_loras_of_add_net(read)
        styles = read.pop(STYLES, None)
        values = with_loras_of_here(self.app, {key: value for key, value in read.items() if key not in without})
        missing: dict[str, str] = {}
        skipped: set[str] = set(self.app.settings.get("infotext_skip_pasting") or ())
        wanted = self._values({key: value for key, value in values.items() if key not in skipped}, missing)
        if isinstance(styles, list) and STYLES not in skipped:
            wanted["styles"] = styles
        chips = self._chips(values, skipped, missing)
        return [gr.update(choices=chips, value=chips, visible=True if chips else "hidden"), *self._updates(wanted), told(missing)]

    def _updates(self, wanted: Mapping[str, Any]) -> list[Any]:
        return [self._update(each.name, wanted[each.name]) if each.name in wanted else gr.skip() for each in self.form.fields]

    def _update(self, name: str, value: Any) -> Any:
        """A sampler that the settings hide is shown where a picture was made with it, as in A1111."""
        if name not in _SAMPLERS or value in (offered := choices_of(self.form.table.by_api_name(name).info.widget, self.choices)):
            return gr.update(value=value)
        return gr.update(value=value, choices=[*offered, value])

    def _values(self, infotext: Mapping[str, str], missing: dict[str, str]) -> dict[str, Any]:
        """By field. missing: takes up what is not among a field's choices, by the key of the text."""
        found: dict[str, Any] = {}
        infotext = with_samplers_split(infotext)
        for entry in self.form.table:
            key = entry.info.infotext
            if key is None or key not in infotext or entry.api_name in NOT_PASTED:
                continue
            value = self._typed(entry, infotext[key])
            if value is not None:
                found[entry.api_name] = value
            elif isinstance(entry.info.widget, Dropdown | Radio) and infotext[key].strip():
                missing[key] = infotext[key]
        for field in self.form.fields:
            if field.infotext in infotext:
                text = infotext[field.infotext]
                value = _fitting(field.component, text)
                if value is not None:
                    found[field.name] = value
                elif isinstance(field.component, gr.Dropdown | gr.Radio) and text.strip():
                    missing[str(field.infotext)] = text
            elif field.infotext and isinstance(field.component, gr.Checkbox):
                found[field.name] = False
        if "Prompt" in infotext:
            found.setdefault("negative_prompt", "")
        found["enable_hr"] = any(infotext.get(key, "0") != "0" for key in HIRES_MARKS)
        found[f"{self.form.table.tab}_enable-checkbox"] = "Refiner" in infotext and "Refiner" not in missing
        found[f"{self.form.table.tab}{SEED_EXTRAS}"] = any(key in infotext for key in VARIATION_MARKS)
        return found | dict(self.scripts(infotext))

    def _typed(self, entry: ParamEntry, text: str) -> Any:
        """``text`` as the field holds it; None when the field cannot show it."""
        widget = entry.info.widget
        match widget:
            case Slider() | Number():
                return _number(text)
            case Checkbox():
                return text not in ("", "False", "None")
            case Dropdown(choices="checkpoints") if text not in widget.first:
                return self._checkpoint(text)
            case Dropdown() | Radio():
                return text if text in choices_of(widget, self.choices) or (entry.api_name in _SAMPLERS and any(each.name == text for each in samplers())) else None
            case TextArea():
                return text
            case _:
                return None

    def _checkpoint(self, text: str) -> str | None:
        """The dropdown's name for the checkpoint that a picture's text means; None for one that is not here."""
        try:
            return shown_title(self.app, self.app.catalogue.find_checkpoint(text)) if text.strip() else None
        except WebuiError:
            return None

    def _chips(self, infotext: Mapping[str, str], skipped: set[str], missing: dict[str, str]) -> list[str]:
        settings = self.app.settings
        known = settings_by_infotext(settings.table)
        chips = []
        for key, text in infotext.items():
            setting = known.get(key)
            has_field = self.form.table.by_infotext(key) is not None or any(field.infotext == key for field in self.form.fields)
            if setting is None or key in skipped or has_field:
                continue
            if setting.key == CHECKPOINT and settings.get("disable_weights_auto_swap"):
                continue
            try:
                differs = any(value != settings.get(name) for name, value in told_of(setting, text).items())
            except WebuiError:
                missing[key] = text  # written by another version: not a value that this setting can have
                continue
            if differs and not self._is_here(setting, text):
                known_as = "Model" if setting.key == CHECKPOINT and "Model" in infotext else key
                missing[known_as] = infotext[known_as]
            elif differs:
                chips.append(f"{key}: {text}")
        return chips

    def _is_here(self, setting: Setting, text: str) -> bool:
        """Whether the file that ``text`` names is there, where the setting's choices are files."""
        finders: dict[str, Callable[[str], object]] = {CHECKPOINT: self.app.catalogue.find_checkpoint, "sd_vae": self.app.catalogue.find_vae}
        if setting.key not in finders or text in choices_of(setting.widget, self.choices):
            return True
        try:
            return bool(finders[setting.key](text))
        except WebuiError:
            return False

    def _last_infotext(self) -> str:
        try:
            return self.app.paths.params_txt.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""


def told(missing: Mapping[str, str]) -> Any:
    """An update of the text by which the page is told what of a pasted text is not here."""
    if not missing:
        return gr.skip()
    named = ", ".join(f"{key} {shortened(text)!r}" for key, text in missing.items())
    return said(f"Not here: {named}. What stood there stays.")


def said(words: str) -> Any:
    """An update of the text by which the page shows a message. The time makes the same words new to Gradio."""
    return gr.update(value=json.dumps({"words": words, "at": time.time()}))


def override_values(table: SettingsTable, chips: Sequence[str] | None) -> dict[str, Any]:
    """Chips such as "Clip skip: 2" -> settings by key. Raises InvalidValue for a value that the setting cannot have."""
    found: dict[str, Any] = {}
    known = settings_by_infotext(table)
    for chip in chips or ():
        key, _, text = chip.partition(": ")
        setting = known.get(key)
        if setting is not None:
            found |= told_of(setting, text)
    return found


def _fitting(component: Component, text: str) -> Any:
    """``text`` as a field of the page holds it; None when it cannot."""
    match component:
        case gr.Checkbox():
            return text not in ("", "False")
        case gr.Slider() | gr.Number():
            return _number(text)
        case gr.Dropdown() | gr.Radio():
            return text if text in [value for _, value in component.choices] else None
    return text


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    exact = int(text) if text.lstrip("-").isdecimal() else number
    return exact if abs(exact) <= MOST else None
