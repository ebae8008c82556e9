"""The settings table as one HTML form. Plain HTML and not 323 Gradio components: it loads at once and is one event to store.

The form holds names, kinds and choices; the values come from the scripts' ``opts`` when the page opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from html import escape

from modules.a1111.option_info import ExtensionSetting
from modules.gradio_ui.param_component import Choices, choices_of
from modules.gradio_ui.settings_extra_pages import EXTRA_PAGES, extra_pages_html
from modules.schema.setting import Section, Setting
from modules.schema.settings.table import SettingsTable
from modules.schema.widgets import Checkbox, CheckboxGroup, ColorPicker, Dropdown, Hidden, Number, Radio, Slider, TextArea

NEEDS_WORDS = {
    "reload page": "acts after Reload UI",
    "reload model": "reloads the checkpoint",
    "restart": "acts after a restart of the program",
}

# What a section is about, by its id: (the words' elem_id, words).
INTRODUCTIONS = {
    "settings_in_ui": ("setting_settings_in_ui", "Settings chosen here stand in the row above the tabs, where one change reaches all of them."),
    "infotext": ("setting_infotext_explanation", "Infotext is the text with all parameters below a picture. It is kept inside the picture's file, and PNG Info and the arrow button read it back."),
    "vae": ("setting_sd_vae_explanation", "A VAE turns what the model draws into the picture you see. Most checkpoints bring a good one; another one changes colours and small detail."),
    "hypertile": ("setting_hypertile_explanation", "Hypertile lets attention look at tiles instead of the whole picture: large pictures are drawn faster, and differ a little."),
    "profiler": ("setting_profiling_explanation", "A profile tells which part of drawing takes how long. It is written for each run while it is switched on, and slows it down."),
}


def settings_form_html(
    table: SettingsTable, choices: Choices, is_frozen: Callable[[Setting], bool], *, elsewhere: Container[str] = (), policy: str = ""
) -> str:
    """The form: a list of sections, and a page for each of them. Settings that nothing reads yet stand apart on their page.

    elsewhere: keys that have their field in another place of the page (the quick settings): an id stands there once.
    policy: what the system's page says of this machine, HTML.
    """
    sections = [replace(each, settings=tuple(one for one in each.settings if one.key not in elsewhere)) for each in table.sections]
    shown = [section for section in sections if section.id and any(_is_shown(each) for each in section.settings)]
    shown = _with_ids_of_their_own(shown)
    links = "".join(f'<button type="button" data-section="{escape(each.id)}">{escape(each.title)}</button>' for each in shown)
    links += "".join(f'<button type="button" data-section="tab_{name}" class="extra">{title}</button>' for name, title in EXTRA_PAGES)
    pages = "".join(_page(each, choices, is_frozen) for each in shown) + extra_pages_html(policy)
    return f'<div id="settings"><nav class="settings-sections" aria-label="Sections">{links}</nav><div class="settings-pages"><p class="settings-none" hidden>No setting matches.</p>{pages}</div></div>'


def _with_ids_of_their_own(sections: Iterable[Section]) -> list[Section]:
    """A1111 has two sections with the id "ui"; a page's ids must differ."""
    found: dict[str, Section] = {}
    for section in sections:
        own = section.id if section.id not in found else f"{section.id}-{len(found)}"
        found[own] = replace(section, id=own)
    return list(found.values())


def _is_shown(setting: Setting) -> bool:
    return not isinstance(setting.widget, Hidden)


def _page(section: Section, choices: Choices, is_frozen: Callable[[Setting], bool]) -> str:
    shown = [each for each in section.settings if _is_shown(each)]
    acting = _rows((each for each in shown if each.honoured), choices, is_frozen)
    waiting = [each for each in shown if not each.honoured]
    rest = ""
    if waiting:
        words = f"Kept for you, without effect here: {len(waiting)}"
        rest = f"<details><summary>{words}</summary>{_rows(waiting, choices, is_frozen)}</details>"
    title = f"<h3>{escape(section.title)}</h3>"
    if section.id in INTRODUCTIONS:
        elem_id, words = INTRODUCTIONS[section.id]
        title += f'<p id="{elem_id}" class="settings-info">{escape(words)}</p>'
    return (
        f'<section id="settings_{escape(section.id)}"><div id="column_settings_{escape(section.id)}">{title}{acting}{rest}</div></section>'
    )


def _rows(settings: Iterable[Setting], choices: Choices, is_frozen: Callable[[Setting], bool]) -> str:
    return "".join(_row(each, choices, is_frozen(each)) for each in settings)


def _row(setting: Setting, choices: Choices, frozen: bool) -> str:
    field_id = f"{setting.elem_id}-field"
    kind, field = _field(setting, choices, field_id, " disabled" if frozen else "")
    notes = [
        each for each in (setting.why_without_effect or setting.description, NEEDS_WORDS.get(setting.needs, ""), "frozen by the command line" if frozen else "") if each
    ]
    if isinstance(setting, ExtensionSetting):
        notes = [f"{setting.words_html}", *(escape(each) for each in notes if each != setting.description)]
        small = f"<small>{' '.join(notes)}</small>"
    else:
        small = f"<small>{escape('; '.join([*(each.removesuffix('.') for each in notes[:-1]), notes[-1]]))}</small>" if notes else ""
    default = escape(json.dumps(setting.fresh_default()), quote=True)
    reset = '<button type="button" class="setting-reset" title="Back to the default" aria-label="Back to the default">↺</button>'
    return (
        f'<div id="{escape(setting.elem_id)}" class="setting gradio-{kind}" data-key="{escape(setting.key)}" data-kind="{kind}"'
        f' data-default="{default}"><label for="{field_id}">{escape(setting.label)}{small}</label><div class="setting-field">{field}{reset}</div></div>'
    )


def _field(setting: Setting, choices: Choices, field_id: str, disabled: str) -> tuple[str, str]:
    """(kind, HTML) of the input itself; kinds are what the script knows how to read."""
    begin = f'id="{field_id}"{disabled}'
    match setting.widget:
        case Checkbox():
            return "checkbox", f'<input type="checkbox" {begin}>'
        case Slider() as slider:
            bounds = f'min="{slider.minimum:g}" max="{slider.maximum:g}" step="{slider.step:g}"'
            pair = f'<input type="range" {bounds} aria-hidden="true" tabindex="-1"{disabled}><input type="number" {bounds} {begin}>'
            return "slider", pair
        case Number():
            return "number", f'<input type="number" step="any" {begin}>'
        case Dropdown(multiple=True):
            texts = choices_of(setting.widget, choices)
            options = _options(texts, choices("setting_labels") if setting.widget.choices == "settings" else ())
            select = f'<select class="setting-add" {begin}><option value="">Add...</option>{options}</select>'
            return "multiselect", f'<div class="setting-tokens" role="list"></div>{select}{_refresh_button(setting)}'
        case Radio() if not _refresh_button(setting):
            return "radio", _radios(choices_of(setting.widget, choices), setting, disabled)
        case Dropdown() | Radio():
            shown = '<input type="hidden" class="setting-chosen">'     # Gradio 3's lists were an input, where A1111's extensions read and write
            return "dropdown", f"<select {begin}>{_options(choices_of(setting.widget, choices))}</select>{shown}{_refresh_button(setting)}"
        case CheckboxGroup():
            return "checkboxgroup", _boxes(choices_of(setting.widget, choices), disabled)
        case ColorPicker():
            return "colorpicker", f'<input type="color" {begin}>'
        case TextArea() as area if area.lines > 1:
            return "textbox", f'<textarea rows="{area.lines}" {begin}></textarea>'
        case _:
            # a textarea, for A1111's extensions look for one in their own settings
            return "textbox", f'<textarea rows="1" spellcheck="false" {begin}></textarea>{_refresh_button(setting)}'


def _refresh_button(setting: Setting) -> str:
    """For choices that come from the program or its folders."""
    from_program = isinstance(setting.widget, Dropdown) and isinstance(setting.widget.choices, str)
    if not from_program and not (isinstance(setting, ExtensionSetting) and setting.option.refresh):
        return ""
    return f'<button type="button" id="refresh_{escape(setting.key)}" class="setting-refresh" title="Look again" aria-label="Look again">🔄</button>'


def _options(texts: Sequence[str], labels: Sequence[str] = ()) -> str:
    """labels: what stands behind each text, where the texts alone are names that only programs know."""
    words = (f"{text}: {label}" for text, label in zip(texts, labels)) if labels else texts
    return "".join(f'<option value="{escape(text, quote=True)}">{escape(shown)}</option>' for text, shown in zip(texts, words))


def _radios(texts: Sequence[str], setting: Setting, disabled: str) -> str:
    """As Gradio 3 makes them, for A1111's extensions look for the label that is selected."""
    name = escape(setting.elem_id, quote=True)
    buttons = "".join(f'<label><input type="radio" name="{name}" value="{escape(text, quote=True)}"{disabled}><span>{escape(text)}</span></label>' for text in texts)
    return f'<div class="wrap" role="radiogroup" aria-label="{escape(setting.label, quote=True)}">{buttons}</div>'


def _boxes(texts: Sequence[str], disabled: str) -> str:
    return "".join(f'<label><input type="checkbox" value="{escape(text, quote=True)}"{disabled}> {escape(text)}</label>' for text in texts)
