"""Sampler, seed and refiner: scripts in A1111, fields of their own on our page. They stand here so that the API lists and takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modules.a1111.checkpoint_list import checkpoint_tiles
from modules.a1111.sampler_list import schedulers, visible_sampler_names
from modules.a1111.script import AlwaysVisible, ScriptBuiltinUI
from modules.schema.table import TXT2IMG
from modules.schema.widgets import Dropdown, Slider


class PagePart(ScriptBuiltinUI):
    """fields: (API name of a parameter, or the label of a switch), in the order of A1111's arguments."""

    page_has_it = True
    fields: tuple[str, ...] = ()
    switches = {"Refiner": "{tab}_enable-checkbox", "Extra": "{tab}_subseed_show"}
    choices: Mapping[str, Callable[[], list[str]]] = {      # programs fill their own lists from what /sdapi/v1/script-info tells
        "sampler_name": visible_sampler_names,
        "scheduler": lambda: [each.label for each in schedulers],
        "refiner_checkpoint": checkpoint_tiles,
    }

    @property
    def page_fields(self) -> tuple[str, ...]:
        return tuple(self.switches.get(name, name) for name in self.fields)

    def title(self) -> str:
        return type(self).__name__.removeprefix("Script")

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible if self.fields else False      # this class itself is no script

    def ui(self, is_img2img: bool) -> list[Any]:
        return [self._control(name) for name in self.fields]

    def _control(self, name: str) -> Any:
        import gradio as gr

        if name not in {entry.api_name for entry in TXT2IMG}:
            return gr.Checkbox(False, label=name)
        entry = TXT2IMG.by_api_name(name)
        match entry.info.widget:
            case Slider() as slider:
                return gr.Slider(minimum=slider.minimum, maximum=slider.maximum, step=slider.step, value=entry.page_default, label=entry.label)
            case Dropdown():
                return gr.Dropdown(self.choices[name](), value=entry.page_default, label=entry.label, allow_custom_value=True)
        return gr.Number(value=entry.page_default, precision=0, label=entry.label)


class ScriptRefiner(PagePart):
    """In the API: [switch, checkpoint, share of the steps]. A request's own refiner_checkpoint stands where the switch is off."""

    section = "accordions"
    setup_for_ui_only = False
    page_source = "refiner.py"
    fields = ("Refiner", "refiner_checkpoint", "refiner_switch_at")

    def setup(self, p: Any, *args: Any) -> None:
        if len(args) == len(self.fields) and args[0] and args[1] not in (None, "", "None"):
            p.refiner_checkpoint, p.refiner_switch_at = args[1], args[2]


class ScriptSampler(PagePart):
    section = "sampler"
    page_source = "sampler.py"
    fields = ("steps", "sampler_name", "scheduler")


class ScriptSeed(PagePart):
    section = "seed"
    page_source = "seed.py"
    fields = ("seed", "Extra", "subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")
