"""Gradio 3's words on Gradio 6, for extensions written for A1111. The only place where gradio is patched.

Keywords that are gone are translated or left out, events take ``_js``, classes have ``update`` and ``style`` again, hidden
components stay in the page, and each component is told to the extensions' ``before_component`` and ``after_component``.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import gradio as gr
from gradio import blocks_events, component_meta, components, events, layouts, processing_utils, utils
from gradio.blocks import Block, BlockContext, Blocks
from gradio.components import Component

from modules.a1111 import callbacks
from modules.a1111.app_slot import current, is_occupied
from modules.gradio_ui import failing_alone, foreign_components, gradio3_inputs, gradio3_values, nested_blocks, no_stubs
from modules.gradio_ui.remade import Deaf, is_remaking
from modules.gradio_ui.replaced_events import watched_events

DONE = "_speaks_gradio3"
UNSHOWN = "unshown"     # class of a row or a column that is in the page, but not to be seen: Gradio 6 shows it when told "hidden"
_OTHERS = ("update", "ImageMask", "ImagePaint", "Paint", "Sketchpad")      # names that mean something else in Gradio 6
_BY_POSITION: Mapping[type, tuple[str, ...]] = {gr.Column: ("variant", "visible"), gr.Accordion: ("open", "label", "visible"), gr.Tabs: ("selected",)}
_PROGRESS: Mapping[Any, str] = {True: "full", False: "hidden", None: "full"}
_GONE_EVENTS = ("Changeable", "Clickable", "Submittable", "Editable", "Clearable", "Playable", "Streamable", "Blurrable", "Uploadable", "Releaseable", "Selectable",
                "Inputable", "StreamableOutput", "Recordable", "Focusable")


def install(*more: type[Block]) -> None:
    """Teach Gradio the old words. Process-wide; doing it twice changes nothing. more: classes of our own to be taught as well."""
    for each in more:
        _teach_events(each)
    if getattr(gr, DONE, False):
        return
    setattr(gr, DONE, True)
    no_stubs.install()
    for each in _classes():
        _teach_making(each)
        _teach_events(each)
        _add_old_methods(each)
    _teach_following()
    _teach_telling()
    _keep_positions()
    gradio3_values.install()
    gradio3_inputs.install()
    nested_blocks.install()
    failing_alone.install()
    _add_old_names()


def _classes() -> Iterator[type[Block]]:
    seen: set[type] = set()
    for home in (gr, components, layouts):
        for value in list(vars(home).values()):
            if isinstance(value, type) and issubclass(value, Block) and value not in seen and value not in (Block, BlockContext, Component):
                seen.add(value)
                yield value


# -- making components ----------------------------------------------------------------------------------------------------


def _teach_making(cls: type[Block]) -> None:
    if "__init__" not in vars(cls):
        return
    original = cls.__init__
    known = _known_words(cls)

    @functools.wraps(original)
    def made(self: Any, *arguments: Any, **keywords: Any) -> None:
        block: Any = self
        if getattr(self, "_is_being_made", False):
            original(self, *arguments, **keywords)
            return
        tooltip = keywords.pop("tooltip", None) if known is not None and "tooltip" not in known else None
        other_id = foreign_components.told_ids(keywords)
        told = keywords | (other_id or {})
        keywords = _new_keywords(cls, keywords, known, given=len(arguments))
        self._is_being_made = True
        is_told = other_id is not None and isinstance(block, Component | BlockContext) and not isinstance(block, Blocks | layouts.Form) and is_occupied() and not is_remaking()
        if is_told:
            self.elem_id = told.get("elem_id")
            _tell("before", self, told)
        try:
            with _one_place(cls, self, keywords):
                original(self, *arguments, **keywords)
        except BaseException:
            failing_alone.take_out(self)
            raise
        finally:
            self._is_being_made = False
        if hasattr(self, "_constructor_args") and not hasattr(self, "elem_classes"):
            return          # in an event's function, where Gradio makes no part of the page: it is an answer, "gr.Number(visible=False)", or asked for its ``update``
        _mark(self)
        if tooltip:
            foreign_components.give_tooltip(self, tooltip)
        if is_told:
            with watched_events(self), foreign_components.called(self, other_id):
                _tell("after", self, told)

    cls.__init__ = made


def _known_words(cls: type[Block]) -> frozenset[str] | None:
    """What ``cls(...)`` takes: its own words, and of a block that hands the rest on, those of the class it hands them to. None: all."""
    words: set[str] = set()
    for each in (each for each in cls.__mro__ if "__init__" in vars(each)):
        listed = inspect.signature(each.__init__).parameters.values()
        words |= {one.name for one in listed}
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in listed):
            return frozenset(words)
        if not issubclass(each, Blocks):        # gr.HTML keeps what it does not know
            return None
    return None


def _tell(moment: str, component: Any, keywords: dict[str, Any]) -> None:
    """Tell extensions' callbacks, and the scripts of the tab that is being built: before it is made callbacks last, as in A1111.

    An extension that builds a tab with scripts of its own says so in ``modules.scripts.scripts_current``.
    """
    runner = getattr(sys.modules.get("modules.scripts"), "__dict__", {}).get("scripts_current") or current().extensions.current_scripts
    if moment == "before":
        if runner is not None:
            runner.before_component(component, **keywords)
        callbacks.before_component_callback(component, **keywords)
        return
    callbacks.after_component_callback(component, **keywords)
    if runner is not None:
        runner.after_component(component, **keywords)


def _new_keywords(cls: type, old: dict[str, Any], known: frozenset[str] | None, *, given: int) -> dict[str, Any]:
    """``old`` in Gradio 6's words. given: arguments by position that stand before them."""
    words = {"show_label": False, **old} if old.get("label") == "" and issubclass(cls, Component) else dict(old)     # it would be "Textbox"
    if not given and known is not None and "default" in words and "default" not in known and "value" in known:
        words.setdefault("value", words["default"])     # gr.inputs.Textbox(default=) of Gradio 2, which Gradio 3 took
    can_be_found = words.get("elem_id") or words.get("elem_classes") or issubclass(cls, BlockContext)
    if words.get("visible") is False and can_be_found and not issubclass(cls, gr.Tab):
        words["visible"] = "hidden"     # Gradio 3 left it in the page, with all that is in it
    if "source" in words and issubclass(cls, gr.Image | gr.Audio | gr.Video):
        source = words.pop("source")
        words.setdefault("sources", ["upload" if source == "canvas" else source] if source else None)
        note("source=")
    gradio3_values.use_known_type(cls, words)
    is_answer = component_meta.get_local_contexts() == (True, False)    # which leaves the value alone that it does not name
    if not is_answer:
        gradio3_values.begin_as_then(cls, words, given=given)
    if issubclass(cls, gr.Tabs):
        words.setdefault("overflow_behavior", "wrap")  # Gradio 3 had no menu for what finds no room: scripts look for every tab's button
    if known is not None and "buttons" in known:
        gradio3_values.list_buttons(cls, words, begins=not is_answer)
    if known is not None:
        for name in [name for name in words if name not in known]:
            note(f"{cls.__name__}({name}=)")
            del words[name]
    return words


def shown_or_not(block: Any, answer: Any) -> Any:
    """What an event tells the browser of ``block``: a row or column that is hidden, or shown again, changes its class."""
    if not (isinstance(block, gr.Row | gr.Column) and isinstance(answer, dict) and answer.get("__type__") == "update" and "visible" in answer):
        return answer
    classes = [each for each in answer.get("elem_classes") or block.elem_classes or [] if each != UNSHOWN]
    return {**answer, "elem_classes": [*classes, *([UNSHOWN] if answer["visible"] == "hidden" else [])]}


@contextmanager
def _one_place(cls: type, slider: Any, words: dict[str, Any]) -> Iterator[None]:
    """A slider whose ends are the same is made as one with a step to go, which Gradio 6 asks for, and has its own end afterwards."""
    low, high = words.get("minimum", 0), words.get("maximum", 100)
    if not issubclass(cls, gr.Slider) or low is None or high is None or high > low:
        yield
        return
    words["maximum"] = low + (words.get("step") or 1)
    yield
    slider.maximum = high


def _mark(block: Any) -> None:
    """A1111's classes: gradio-<kind>, and multiselect."""
    listed = [*block.elem_classes] if isinstance(block.elem_classes, list | tuple) else []
    wanted = [f"gradio-{block.get_block_name()}", *(["multiselect"] if getattr(block, "multiselect", False) else [])]
    if isinstance(block, gr.Row | gr.Column) and block.visible == "hidden":
        wanted.append(UNSHOWN)
    block.elem_classes = [*(each for each in wanted if each not in listed), *listed]


def _keep_positions() -> None:
    """Gradio 6 drops what stands by position in a call of a subclass whose ``__init__`` takes ``*args``."""
    original = component_meta.updateable

    def updateable(fn: Callable[..., Any]) -> Callable[..., Any]:
        kept = original(fn)
        if inspect.getfullargspec(fn).varargs is None:
            return kept

        @functools.wraps(fn)
        def made(self: Any, *arguments: Any, **keywords: Any) -> Any:
            home = next((each for each in type(self).__mro__ if each.__module__.startswith("gradio.") and "__init__" in vars(each)), object)
            names = list(inspect.signature(home.__init__).parameters)[1:]
            return kept(self, **dict(zip(names, arguments)), **keywords)

        return made

    component_meta.updateable = updateable


def _teach_telling() -> None:
    """Gradio 6 tells the browser what a class's ``__init__`` names; for a subclass of an extension that is what Gradio's own class names."""
    original = Block.get_config

    @functools.wraps(original)
    def get_config(self: Any, cls: type[Block] | None = None) -> dict[str, Any]:
        homes = (each for each in type(self).__mro__ if each.__module__.startswith("gradio.") and "__init__" in vars(each))
        return original(self, cls or next(homes, None))

    Block.get_config = get_config


# -- events ---------------------------------------------------------------------------------------------------------------


def _teach_events(cls: type[Block]) -> None:
    for name in map(str, blocks_events.BLOCKS_EVENTS if issubclass(cls, Blocks) else getattr(cls, "EVENTS", ())):
        home = next((each for each in cls.__mro__ if callable(vars(each).get(name))), None)
        if home is not None and not hasattr(vars(home)[name], DONE):
            setattr(home, name, _listening(vars(home)[name], name))


def _listening(method: Callable[..., Any], event: str = "") -> Callable[..., Any]:
    @functools.cache
    def known() -> Mapping[str, Any]:  # few of the many that are made ever listen
        return inspect.signature(method).parameters

    @functools.wraps(method)
    def listen(*arguments: Any, **keywords: Any) -> Any:
        if is_remaking():
            return Deaf()
        if "_js" in keywords:
            note("_js=")
            keywords["js"] = keywords.pop("_js")
        if "show_progress" in keywords and not isinstance(keywords["show_progress"], str):
            keywords["show_progress"] = _PROGRESS.get(keywords["show_progress"], "full")
        if keywords.get("queue", True) is None:
            del keywords["queue"]
        every = keywords.get("every")
        for name in [name for name in keywords if name not in known()]:
            note(f"event {name}=")
            del keywords[name]
        arguments, keywords = gradio3_values.as_they_are_now(arguments, keywords)
        gradio3_inputs.give_pictures_as_text(arguments, keywords)
        _ask_the_scripts(keywords, next(iter(arguments[1 + isinstance(arguments[0], Block):]), None) if arguments else None)
        gradio3_inputs.show_what_scripts_give(arguments, keywords)
        gradio3_values.wait_for_page(event, every, arguments, keywords)
        made = method(*arguments, **keywords)
        if every and event != "load":
            gradio3_values.repeat_after(made, every, arguments[1:], keywords)
        if keywords.get("cancels"):
            gradio3_values.end_repeating(made, keywords["cancels"])
        return made

    setattr(listen, DONE, True)
    return listen


def _ask_the_scripts(keywords: dict[str, Any], by_position: Any) -> None:
    """An extension's event takes a field whose value the page's scripts give: they are asked before its own script is. by_position: inputs without their name."""
    inputs = keywords.get("inputs", by_position)
    inputs = list(inputs) if isinstance(inputs, list | tuple | set) else [inputs]
    places = {str(getattr(each, "asked_as", each.elem_id)): place for place, each in enumerate(inputs) if getattr(each, "by_script", False)}
    if not places or not is_occupied() or current().extensions.owning(callbacks.caller_file()) is None:
        return
    filled = f"await webui.filled(values.slice(0, {len(inputs)}), {json.dumps(places)})"
    own = keywords.get("js")
    keywords["js"] = f"async (...values) => await ({own})(...{filled})" if isinstance(own, str) else f"async (...values) => {filled}"


def _teach_following() -> None:
    """``event.then(_js=...)`` and its like."""
    original = events.Dependency.__init__

    @functools.wraps(original)
    def made(self: Any, *arguments: Any, **keywords: Any) -> None:
        original(self, *arguments, **keywords)
        for name in ("then", "success", "failure"):
            following = getattr(self, name, None)
            if following is not None:
                setattr(self, name, _listening(following))

    events.Dependency.__init__ = made


# -- what is gone ---------------------------------------------------------------------------------------------------------


def update(elem_id: Any = None, *_: Any, **keywords: Any) -> Any:
    """``gr.X.update(...)``. A hidden component stays in the page."""
    if keywords.get("visible") is False:
        keywords["visible"] = "hidden"
    keywords.pop("__type__", None)
    return _gradio_update(**({"value": elem_id} if elem_id is not None else {}), **keywords)


_gradio_update = gr.update


def _layout_update(cls: type[Block]) -> Callable[..., Any]:
    """``gr.Row.update(False)``: what has no value is told what it shows."""
    names = next((words for each, words in _BY_POSITION.items() if issubclass(cls, each)), ("visible",))
    return lambda *arguments, **keywords: update(**dict(zip(names, arguments)), **keywords)


def _style(self: Any, *_: Any, **__: Any) -> Any:
    note(".style()")
    return self


def _add_old_methods(cls: type[Block]) -> None:
    cls.update = staticmethod(update if issubclass(cls, Component) else _layout_update(cls))  # type: ignore[attr-defined]  # gr.Row has one that takes it out of the page
    if not hasattr(cls, "style"):
        cls.style = _style  # type: ignore[attr-defined]
    if issubclass(cls, gr.Image | gr.ImageEditor) and not hasattr(cls, "edit"):
        cls.edit = cls.change  # type: ignore[attr-defined]


def _add_old_names() -> None:
    from modules.gradio_ui.gradio3_pictures import decode_base64_to_image, encode_pil_to_base64, templates

    for home, names in (
        (gr, templates()),
        (gr, {"Box": gr.Group, "Variable": gr.State, "update": update}),
        (layouts, {"Box": gr.Group}),
        (components, {"IOComponent": Component, "Variable": gr.State}),
        (processing_utils, {"decode_base64_to_image": decode_base64_to_image, "encode_pil_to_base64": encode_pil_to_base64}),
        (utils, {"version_check": lambda *_: None}),
        (events, {name: type(name, (), {}) for name in _GONE_EVENTS}),
    ):
        for name, value in names.items():
            if name in _OTHERS or not hasattr(home, name):
                setattr(home, name, value)
    for name in ("inputs", "outputs"):
        sys.modules[f"gradio.{name}"] = _earlier_module(f"gradio.{name}")
        setattr(gr, name, sys.modules[f"gradio.{name}"])
    gr.Image.__new__ = _new_image
    Blocks.queue = _listening(Blocks.queue)


def _earlier_module(name: str) -> ModuleType:
    """``gradio.inputs`` and ``gradio.outputs``: the components by the places where Gradio 2 had them."""

    def get(part: str) -> Any:
        found = getattr(components, part, None)
        if isinstance(found, type) and issubclass(found, Component):
            note(name)
            return found
        raise AttributeError(f"module {name!r} has no attribute {part!r}")

    module = ModuleType(name)
    module.__getattr__ = get  # type: ignore[method-assign]
    return module


def _new_image(cls: type, *arguments: Any, **keywords: Any) -> Any:
    """``gr.Image(tool="sketch")`` is another component here; its value is still {"image", "mask"}."""
    if cls is gr.Image and (keywords.get("tool") in ("sketch", "color-sketch") or keywords.get("source") == "canvas"):
        from modules.gradio_ui.gradio3_pictures import SketchImage

        note("Image(tool=)")
        tool = keywords.pop("tool", None)
        keywords.pop("source", None)
        return SketchImage(*arguments, only_picture=tool != "sketch", **keywords)
    return object.__new__(cls)


def note(word: str) -> None:
    """An extension used an old word: shown in its load report."""
    if is_occupied():
        with suppress(Exception):
            host = current().extensions
            owner = host.owner_of(callbacks.caller_file())
            host.facts_of(owner).shims.add(word)
