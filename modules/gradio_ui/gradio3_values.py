"""Values that Gradio 3's components and events took and Gradio 6's refuse."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio import blocks, processing_utils, utils
from PIL import Image

from modules.a1111 import callbacks
from modules.a1111.app_slot import current, is_occupied

_BUTTONS: Mapping[type, tuple[str, ...]] = {
    gr.Image: ("download", "fullscreen"), gr.Gallery: ("download", "download_all", "fullscreen"), gr.Audio: ("download",), gr.Video: ("download",),
    gr.Chatbot: ("copy", "copy_all"),
}  # fmt: skip
_FILE_TYPES = {"file": "filepath", "bytes": "binary"}


def install() -> None:
    """Process-wide; called once, by ``gradio3_words``."""
    for kind in (gr.Slider, gr.Number):
        _take_written_numbers(kind)
    for kind in (gr.Dropdown, gr.Radio, gr.CheckboxGroup, gr.Slider):
        _take_any_value(kind)
    for kind in (gr.Image, gr.ImageEditor, gr.Gallery):
        _show_as_png(kind)
    _take_any_format()
    _show_saved_pictures()
    # ``def shown(file: gr.File)`` got the file; Gradio 6 takes the word for a wish and hands over the component with all that it is made of
    blocks._get_component_prop_inputs = lambda *_: []


def _show_saved_pictures() -> None:
    """A picture that was saved is shown by its file, as in A1111: an extension finds its path and its text again, and galleries of past ones say no more than that."""
    save = processing_utils.save_pil_to_cache

    @functools.wraps(save)
    def shown(img: Image.Image, *arguments: Any, **keywords: Any) -> str:
        path = getattr(img, "already_saved_as", None)
        return str(path) if path and os.path.isfile(path) and utils.is_static_file(str(path)) else save(img, *arguments, **keywords)

    processing_utils.save_pil_to_cache = shown


def use_known_type(cls: type, words: dict[str, Any]) -> None:
    """``type=`` as Gradio 6 has it. Gradio 3's galleries had none, and passed over what was written there."""
    said = words.get("type")
    if issubclass(cls, gr.File | gr.UploadButton) and said in _FILE_TYPES:
        words["type"] = _FILE_TYPES[said]
    elif issubclass(cls, gr.Gallery) and said not in ("numpy", "pil", "filepath"):
        words.pop("type", None)


def begin_as_then(cls: type, words: dict[str, Any], *, given: int) -> None:
    """What Gradio 3's components began with. given: arguments by position."""
    if issubclass(cls, gr.Dropdown):
        words.setdefault("value", None)     # Gradio 6 would take the first choice
    if issubclass(cls, gr.Textbox) and not given:
        words.setdefault("value", "")       # where Gradio 6 hands over None, which nobody can split
    if issubclass(cls, gr.Gallery):
        words.setdefault("interactive", False)      # it only showed; one that is among a script's controls would ask for files
        words.setdefault("fit_columns", False)      # two pictures in six columns were no larger for it


def list_buttons(cls: type, words: dict[str, Any], *, begins: bool) -> None:
    """``show_copy_button`` and its like: Gradio 6 has a list of what is shown, and where there is none it shows all, also a button that sends
    the picture to Hugging Face, which Gradio 3 had on Hugging Face's own servers alone. begins: the component is made, not answered."""
    if words.get("show_copy_button"):
        words.setdefault("buttons", ["copy"])
        return
    has_download = words.get("show_download_button", True) is not False
    for kind, shown in _BUTTONS.items():
        if issubclass(cls, kind) and (begins or not has_download):
            words.setdefault("buttons", [each for each in shown if has_download or not each.startswith("download")])


def as_they_are_now(arguments: Sequence[Any], keywords: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An event's inputs and outputs, which Gradio 3 noted when they were named: an extension may go on adding to its list, for the other tab's event."""
    own = [list(each) if isinstance(each, list) else each for each in arguments]
    return tuple(own), {name: list(each) if isinstance(each, list) else each for name, each in keywords.items()}


def wait_for_page(event: str, every: float | None, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """``page.load(fn, every=1)``: what Gradio 3 did once more each second while the page is open.

    An extension's ``js`` then finds all parts of its tab, which were in Gradio 3's page when it was loaded: here it waits until they have been put up.
    That opens each of its tabs once: who hears of it is told in that order when the page is ready, last of the one that shows.
    """
    if event == "load" and every:
        _ticking(gr.Timer(every), arguments[1:], keywords)
    own = keywords.get("js")
    waits = isinstance(own, str) if event == "load" else event in ("select", "change") and isinstance(arguments[0], gr.Tab | gr.Tabs)
    if waits and is_occupied() and current().extensions.owning(callbacks.caller_file()) is not None:
        keywords["js"] = f"async (...values) => {{ webui.ready || await new Promise(onUiLoaded); return {f'await ({own})(...values)' if own else 'values'}; }}"


def repeat_after(event: Any, every: float, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """``button.click(fn, every=1)``: once more each second, from the click until an event cancels it or the page is closed."""
    timer = gr.Timer(every, active=False)
    _ticking(timer, arguments, keywords)
    event.then(lambda: gr.Timer(active=True), None, [timer], show_progress="hidden", queue=False)
    event.repeated = timer


def end_repeating(event: Any, cancelled: Any) -> None:
    """``event`` cancels these, so they are not repeated either."""
    timers = [timer for each in (cancelled if isinstance(cancelled, list | tuple) else [cancelled]) if (timer := getattr(each, "repeated", None)) is not None]
    if timers:
        event.then(lambda: [gr.Timer(active=False) for _ in timers] if len(timers) > 1 else gr.Timer(active=False), None, timers, show_progress="hidden", queue=False)


def _ticking(timer: gr.Timer, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    again = dict(zip(("fn", "inputs", "outputs"), arguments)) | {name: keywords[name] for name in ("fn", "inputs", "outputs", "js") if name in keywords}
    timer.tick(**again, show_progress="hidden")


def _take_any_value(cls: type[gr.Dropdown | gr.Radio | gr.CheckboxGroup | gr.Slider]) -> None:
    """Gradio 3 handed on a value that was not among the choices: they may have been changed by script, or in another tab. Nor did a slider ask for its ends."""
    original: Any = cls.preprocess

    @functools.wraps(original)
    def preprocess(self: Any, payload: Any) -> Any:
        try:
            return original(self, payload)
        except gr.Error:
            return payload if getattr(self, "type", "value") == "value" else None

    cls.preprocess = preprocess


def _show_as_png(cls: type[gr.Image | gr.ImageEditor | gr.Gallery]) -> None:
    """Pictures that a function answers with are PNG files, as Gradio 3's were: what an extension's next button reads, and what is downloaded or sent on, has
    every pixel and the parameters inside. Gradio 6 makes lossy WebP files of them."""
    (inspect.unwrap(cls.__init__).__kwdefaults__ or {}).update(format="png")


def _take_any_format() -> None:
    """``gr.Gallery(format="pil")``: Gradio 3 knew no such word and passed it over; as a kind of file it lets no picture be shown."""
    original: Any = gr.Gallery.postprocess

    @functools.wraps(original)
    def postprocess(self: Any, value: Any) -> Any:
        kinds = Image.registered_extensions()
        if str(self.format).upper() not in Image.SAVE:
            self.format = kinds.get(f".{self.format}".lower(), "png").lower()
        return original(self, value)

    gr.Gallery.postprocess = postprocess


def _take_written_numbers(cls: type[gr.Slider | gr.Number]) -> None:
    """``gr.Slider(value="20")``: Gradio 6 compares the text with the slider's ends when Generate is clicked, and no picture is made."""
    for name in ("preprocess", "postprocess"):
        setattr(cls, name, _reading_numbers(getattr(cls, name)))


def _reading_numbers(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(original)
    def handed_on(self: Any, value: Any) -> Any:
        return original(self, _number(value))

    return handed_on


def _number(value: Any) -> Any:
    """20 for "20", 0.6 for "0.60"; everything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if set(value) & set(".eE") else int(value)
    except ValueError:
        return value
