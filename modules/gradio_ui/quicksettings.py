"""The row above the tabs: settings that are changed often, stored as soon as they are changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.layouts.form import Form as Frame

from modules.a1111.options import refresh_choices
from modules.application.app import App
from modules.application.build import load_chosen
from modules.extension_host.registry import HOUSE
from modules.gradio_ui.checkpoint_choice import CHECKPOINT, chosen_checkpoint, shown_title, start_size
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.components import bridge_button, bridge_text, tool_button
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form import Form
from modules.gradio_ui.param_component import Choices, build_component, choices_of
from modules.gradio_ui.setting_changes import store_settings
from modules.gradio_ui.ui_config import UiConfig
from modules.library.model_file import ModelFile
from modules.schema.errors import NoCheckpoint, UnknownName
from modules.schema.setting import Setting
from modules.schema.widgets import Dropdown, Hidden

TOLD = "(answer) => { webui.settingArrived(); webui.settingsStored(answer); }"
Following = Sequence[tuple[Block, Callable[[ModelFile | None], Any]]]  # components and places, each with what makes its update


@dataclass(frozen=True, kw_only=True)
class QuickSetting:
    """A setting in the row; ``refresh`` is its button when its choices come from the program."""

    setting: Setting
    component: Component
    refresh: gr.Button | None


def build_quicksettings(app: App, choices: Choices) -> tuple[QuickSetting, ...]:
    """The row, inside the current block. Keys that nothing knows are passed over."""
    known = [app.settings.table.by_key[key] for key in app.settings.get("quicksettings_list") if key in app.settings.table]
    with gr.Row(elem_id="quicksettings", elem_classes=["gradio-row"]):
        return tuple(_build(app, each, choices) for each in known if not isinstance(each.widget, Hidden))


def offer_tabs(app: App, row: Sequence[QuickSetting], nav: gr.Row, choices: ChoiceSources) -> None:
    """Lists of tabs in the row offer those that the page has got by now, beside those that are chosen: an extension's tab that is hidden is not among the buttons."""

    def names() -> list[str]:
        chosen = (name for key in ("ui_tab_order", "hidden_tabs") for name in app.settings.get(key) or ())
        return list(dict.fromkeys([*(str(button.value) for button in nav.children if isinstance(button, gr.Button)), *chosen]))

    choices.sources["tabs"] = names
    for each in row:
        if isinstance(each.component, gr.Dropdown) and isinstance(each.setting.widget, Dropdown) and each.setting.widget.choices == "tabs":
            each.component.choices = [(name, name) for name in names()]


def shown_value(app: App, setting: Setting) -> Any:
    """What the row shows for a setting; the stored checkpoint may be written without its hash, or be gone."""
    if setting.key != CHECKPOINT:
        return app.settings.get(setting.key)
    model = chosen_checkpoint(app)
    return shown_title(app, model) if model else None


def with_chosen(listed: Sequence[Any], value: Any) -> list[Any]:
    """The choices with the present one: a checkpoint that an extension made in memory is in no list."""
    return [*listed] if isinstance(value, list) or value in (None, "", *listed) else [value, *listed]


def wire_quicksettings(
    app: App,
    choices: Choices,
    row: tuple[QuickSetting, ...],
    *,
    forms: Sequence[Form],
    ui_config: UiConfig,
    answer: gr.Textbox,
    following: Following,
) -> None:
    """Store each change, and for the checkpoint move an untouched size along.

    answer: ``store_settings``' JSON for the scripts. following: what else hangs on the checkpoint.
    """
    size = [form.component(name) for form in forms for name in ("width", "height")]
    for each in row:
        if each.setting.key == CHECKPOINT:
            stored = each.component.input(  # type: ignore[attr-defined]
                _checkpoint_storer(app, ui_config, [form.table.tab for form in forms], following),
                inputs=[each.component, *size],
                outputs=[answer, *(component for component, _ in following), *size],
                js=_sent(1 + len(size)),
                **QUICK,
            )
        else:
            stored = _when_set(each.component)(_storer(app, each.setting.key), inputs=[each.component], outputs=[answer], js=_sent(1), **QUICK)
        stored.then(None, inputs=[answer], js=TOLD, **QUICK)
        if each.refresh is not None and each.setting.key != CHECKPOINT:
            each.refresh.click(_refresher(app, each.setting, choices), outputs=[each.component], **QUICK)
        elif each.refresh is not None:
            found = each.refresh.click(
                _checkpoint_refresher(app, each.setting, choices, ui_config, [form.table.tab for form in forms], following),
                inputs=[each.component, *size], outputs=[each.component, *(component for component, _ in following), *size], **QUICK)
            found.then(None, js="() => { webui.renewNotices(); }", **QUICK)
    store = _checkpoint_storer(app, ui_config, [form.table.tab for form in forms], following)
    _wire_card_choice(app, row, store, inputs=size, outputs=[answer, *(component for component, _ in following), *size])


def _sent(count: int) -> str:
    """For an event with ``count`` inputs: until ``TOLD``, a click on Generate waits. It would come first now and then, and draw with the former checkpoint."""
    return f"(...values) => {{ webui.settingSent(); return values.slice(0, {count}); }}"


def _when_set(component: Component) -> Callable[..., Any]:
    """The event that says that the user is done with a field: not each letter, not each step of a slider."""
    match component:
        case gr.Slider():
            return component.release
        case gr.Textbox() | gr.Number():
            return component.blur
        case _:
            return component.input  # type: ignore[attr-defined]


def _wire_card_choice(
    app: App, row: tuple[QuickSetting, ...], store: Callable[..., list[Any]], *, inputs: list[Component], outputs: list[Any]
) -> None:
    """A click on a checkpoint's card chooses it, whether or not the row shows checkpoints.

    inputs: what ``store`` is given after the title. outputs: what its answer goes to, ``store_settings``' JSON first.
    """
    title, button = bridge_text("desired_checkpoint"), bridge_button("change_checkpoint")
    shown: list[Component] = [each.component for each in row if each.setting.key == CHECKPOINT]

    def choose(name: str, *sizes: int) -> list[Any]:
        told = store(name, *sizes)
        model = chosen_checkpoint(app)
        return [*told, *(gr.update(value=shown_title(app, model) if model else None) for _ in shown)]

    chosen = button.click(
        choose, inputs=[title, *inputs], outputs=[*outputs, *shown], js="(_, ...size) => { webui.settingSent(); return [webui.takeWantedCheckpoint(), ...size]; }", **QUICK
    )
    chosen.then(None, inputs=[outputs[0]], js=TOLD, **QUICK)


def wire_fresh_values(app: App, page: gr.Blocks, choices: Choices, row: tuple[QuickSetting, ...], following: Following) -> None:
    """What was chosen since the server started: Gradio would show each visitor the values of that moment."""

    def all_fresh() -> list[Any]:
        shown = [fresh(app, each.setting, choices) for each in row]
        model = chosen_checkpoint(app)
        return [*(update(model) for _, update in following), *shown]

    outputs = [*(component for component, _ in following), *(each.component for each in row)]
    bridge_button("quicksettings_fresh").click(all_fresh, outputs=outputs, **QUICK)
    page.load(all_fresh, outputs=outputs, **QUICK)


def wire_start_sizes(app: App, page: gr.Blocks, forms: Sequence[Form], ui_config: UiConfig) -> None:
    """A new browser tab begins with the size of the checkpoint that is chosen now; a reloaded one gets its own back (static/form_memory.js)."""
    fields = [form.component(name) for form in forms for name in ("width", "height")]

    def begun(*shown: int | None) -> list[Any]:
        built = [tuple(getattr(form.component(name), "value", None) for name in ("width", "height")) for form in forms]
        return _sizes_of(chosen_checkpoint(app), ui_config, [form.table.tab for form in forms], shown, built)

    page.load(begun, inputs=fields, outputs=fields, js="(...sizes) => webui.isReloaded() ? sizes.map(() => null) : sizes", preprocess=False, **QUICK)


def look_again(app: App, key: str) -> None:
    """Files may have come: looks through the folders, and has an extension's setting read its choices anew."""
    app.catalogue.refresh()
    with app.extensions.guarded(HOUSE, f"refresh of the setting {key}"):
        refresh_choices(key)


def offered_by_program(setting: Setting) -> bool:
    """Its choices come from the program or its folders."""
    return isinstance(setting.widget, Dropdown) and isinstance(setting.widget.choices, str)


def fresh(app: App, setting: Setting, choices: Choices) -> Any:
    """The update that brings its field to what is chosen, and can be chosen, now."""
    if isinstance(setting.widget, Dropdown):
        value = shown_value(app, setting)
        return gr.update(choices=with_chosen(choices_of(setting.widget, choices), value), value=value)
    return gr.update(value=shown_value(app, setting))


def _build(app: App, setting: Setting, choices: Choices) -> QuickSetting:
    value = shown_value(app, setting)
    by_program = offered_by_program(setting)
    with Frame() if by_program else nullcontext():     # a frame with the field before it would part a list from its button
        component = build_component(setting.widget, choices, label=setting.label, value=value, elem_id=setting.elem_id)
    return QuickSetting(setting=setting, component=component, refresh=tool_button("🔄", f"refresh_{setting.key}") if by_program else None)


def _storer(app: App, key: str) -> Callable[[Any], str]:
    return lambda value: store_settings(app, {key: value})


def _checkpoint_storer(app: App, ui_config: UiConfig, tabs: Sequence[str], following: Following) -> Callable[..., list[Any]]:
    def store(title: str, *sizes: int) -> list[Any]:
        former, was = chosen_checkpoint(app), app.settings.get(CHECKPOINT)
        answer = store_settings(app, {CHECKPOINT: _full_title(app, title)})
        if app.settings.get(CHECKPOINT) != was:
            load_chosen(app)
        return [answer, *_moved_along(app, former, ui_config, tabs, sizes, following)]

    return store


def _checkpoint_refresher(
    app: App, setting: Setting, choices: Choices, ui_config: UiConfig, tabs: Sequence[str], following: Following
) -> Callable[..., list[Any]]:
    """The first checkpoint that is there, or another in the place of one that is gone, is then chosen by itself."""

    def refresh(shown: str | None, *sizes: int) -> list[Any]:
        former = _shown_checkpoint(app, shown)
        app.catalogue.refresh()
        return [fresh(app, setting, choices), *_moved_along(app, former, ui_config, tabs, sizes, following)]

    return refresh


def _moved_along(app: App, former: ModelFile | None, ui_config: UiConfig, tabs: Sequence[str], sizes: Sequence[int], following: Following) -> list[Any]:
    """Updates of what hangs on the chosen checkpoint, where ``former`` was chosen: ``following``'s, and of the tabs' sizes, where nobody has set others."""
    model = chosen_checkpoint(app)
    updates = _sizes_of(model, ui_config, tabs, sizes, [start_size(former, ui_config, tab) for tab in tabs])
    return [*(update(model) for _, update in following), *updates]


def _sizes_of(model: ModelFile | None, ui_config: UiConfig, tabs: Sequence[str], shown: Sequence[int | None], former: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Updates of the tabs' widths and heights to those that ``model`` begins with, where what is ``shown`` is still the ``former`` one."""
    updates: list[Any] = []
    for index, (tab, before) in enumerate(zip(tabs, former)):
        after = start_size(model, ui_config, tab)
        untouched = tuple(shown[2 * index : 2 * index + 2]) == before and after != before
        updates += after if untouched else (gr.skip(), gr.skip())
    return updates


def _shown_checkpoint(app: App, shown: str | None) -> ModelFile | None:
    """The checkpoint that a page shows; None for one that is gone. Not the chosen one: the list may have been made anew since, for somebody else."""
    try:
        return app.catalogue.find_checkpoint(_full_title(app, shown)) if shown else None
    except (NoCheckpoint, UnknownName):
        return None


def _full_title(app: App, shown: str) -> str:
    """The title of the checkpoint that the list calls ``shown``."""
    return next((each.title for each in app.catalogue.checkpoints() if shown_title(app, each) == shown), shown)


def _refresher(app: App, setting: Setting, choices: Choices) -> Callable[[], Any]:
    def refresh() -> Any:
        look_again(app, setting.key)
        return fresh(app, setting, choices)

    return refresh
