"""A part that an extension makes for the page and that cannot be made, started or told fails alone: the page comes up without it."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

import gradio as gr
import orjson
from gradio.blocks import Block, BlockContext, Blocks, BlocksConfig
from gradio.routes import ORJSONResponse
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

from modules.extension_host.registry import sentence_of
from modules.gradio_ui.remade import remaking

log = logging.getLogger(__name__)


def install() -> None:
    """Process-wide; called once, by ``gradio3_words``."""
    attach = BlocksConfig.attach_load_events

    @functools.wraps(attach)
    def attach_load_events(self: BlocksConfig, *arguments: Any, **keywords: Any) -> Any:
        for each in self.blocks.values():
            asked = getattr(each, "load_event_to_attach", None)
            if asked and not all(isinstance(part, Block) for part in (*(part for part, _ in asked[1]), *(asked[2] or ()))):
                log.warning('A part of the page, %r, is not filled anew by its function: "every" and "inputs" are no numbers and components.', getattr(each, "label", None))
                each.load_event_to_attach = None  # type: ignore[attr-defined]
        return attach(self, *arguments, **keywords)

    BlocksConfig.attach_load_events = attach_load_events
    _describe_all()
    _forget_half_wired()
    _close_half_filled()
    _refuse_to_end()


def _refuse_to_end() -> None:
    """An extension's button that calls ``exit(1)``, as command line tools do: the event fails, where the whole server would end with it."""
    call = Blocks.call_function

    @functools.wraps(call)
    async def call_function(self: Blocks, *arguments: Any, **keywords: Any) -> Any:
        try:
            return await call(self, *arguments, **keywords)
        except SystemExit as error:
            raise gr.Error(f"What this button runs gave up: {sentence_of(error)}. The server's window may say why.") from error

    Blocks.call_function = call_function


def _describe_all() -> None:
    original = BlocksConfig.config_for_block

    def describe(*arguments: Any) -> dict[str, Any]:
        told = original(*arguments)
        for name in ("info", "label", "placeholder"):      # the browser takes them for texts, and stops where one is none
            if isinstance(told.get("props", {}).get(name), int | float | list | tuple | dict):
                told["props"][name] = str(told["props"][name])
        _without_absent_file(told)
        try:
            orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
            return told
        except TypeError:       # a choice that is a path or a module, half a character of a name of a file: it is told as text
            return orjson.loads(ORJSONResponse._render(_whole_characters(told)))

    def config_for_block(_id: int, rendered_ids: list[int], block: Any, renderable: Any = None) -> dict[str, Any]:
        try:
            return describe(_id, rendered_ids, block, renderable)
        except Exception as error:
            log.warning("A part of the page, %s %r, cannot be told to browsers as an extension left it (%s: %s); it is shown as it was made.",
                        type(block).__name__, getattr(block, "elem_id", None) or getattr(block, "label", None), type(error).__name__, error)
        try:
            _make_as_it_was(block)
            return describe(_id, rendered_ids, block, renderable)
        except Exception:
            empty = {"value": "", "visible": False, "elem_classes": [], "name": "html"}
            return {"id": _id, "type": "html", "props": empty, "skip_api": True, "component_class_id": gr.HTML.get_component_class_id(), "key": None}

    BlocksConfig.config_for_block = staticmethod(config_for_block)


def _without_absent_file(told: dict[str, Any]) -> None:
    """A field that begins with a file which is not there is empty: the browser would send it with each job, and be refused."""
    props = told.get("props", {})
    absent = next((file["path"] for file in _files(props.get("value")) if not is_http_url_like(file["path"]) and not os.path.exists(file["path"])), None)
    if absent is not None:
        log.warning("A part of the page, %s %r, is shown empty: the file it begins with, %s, is not there.", told.get("type"), props.get("label"), absent)
        props["value"] = None


def _files(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    traverse(value, lambda file: found.append(file) or file, is_file_obj_with_meta)
    return found


def _forget_half_wired() -> None:
    """Gradio notes an event before it looks whether its parts are components, and asks them when the page is told."""
    wire = BlocksConfig.set_event_trigger

    @functools.wraps(wire)
    def set_event_trigger(self: BlocksConfig, *arguments: Any, **keywords: Any) -> Any:
        before = set(self.fns)
        try:
            wired = wire(self, *arguments, **keywords)
            wired[0].get_config()
        except BaseException:
            for each in set(self.fns) - before:
                del self.fns[each]
            raise
        return wired

    BlocksConfig.set_event_trigger = set_event_trigger


def _close_half_filled() -> None:
    """A block that an error leaves stays in the page as far as it was filled; Gradio then does not put its tabs into a gr.Tabs, without which the browser
    stops while it makes the page."""
    leave = BlockContext.__exit__

    @functools.wraps(leave)
    def left(self: BlockContext, kind: type[BaseException] | None = None, *arguments: Any) -> None:
        leave(self, kind, *arguments)
        if kind is not None and getattr(self, "allow_expected_parents", True):
            self.fill_expected_parents()

    BlockContext.__exit__ = left  # type: ignore[method-assign]


def _make_as_it_was(block: Any) -> None:
    """What extensions wrote over ``block`` since it was made is undone, but not its place."""
    with remaking():
        fresh = type(block)(**{**block.constructor_args, "render": False})
    place = {name: value for name, value in vars(block).items() if name in ("_id", "parent", "children", "is_rendered", "rendered_in", "page", "elem_id", "elem_classes", "temp_files")}
    vars(block).update(vars(fresh) | place)


def take_out(block: Any) -> None:
    """``block``, whose making broke off, may stand in the page already: the browser would be told of something half made."""
    parent = getattr(block, "parent", None)
    if parent is not None and block in parent.children:
        parent.children.remove(block)
    if hasattr(block, "_id"):
        block.unrender()


def _whole_characters(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {_whole_characters(key if isinstance(key, str | int | float | bool | None) else str(key)): _whole_characters(each) for key, each in value.items()}
        case list() | tuple():
            return [_whole_characters(each) for each in value]
        case _:
            return value
