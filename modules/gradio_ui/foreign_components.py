"""A1111's own kinds of components, which extensions build their parts of the page from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.components import FormComponent

_A1111S_ID = {
    "img2img_paste": "paste",       # both its tabs have a button of this id, and extensions put theirs beside each
    **{f"{each}_content": each for each in ("img2img_image", "img2img_sketch", "img2maskimg", "inpaint_sketch", "img_inpaint_base", "img_inpaint_mask", "extras_image")},
}
_FRAME = "webui-canvas"     # around a place for a picture; its field below is told instead, as the image component


def told_ids(keywords: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``elem_id`` by which extensions are told of a component that is made with ``keywords``, where it is not its own; None: they are not told."""
    if _FRAME in str(keywords.get("elem_classes")):     # whatever an extension gives there
        return None
    known = _A1111S_ID.get(str(keywords.get("elem_id")))
    return {"elem_id": known} if known else {}


@contextmanager
def called(block: Any, other_id: Mapping[str, Any] | None) -> Iterator[None]:
    """While extensions are told of it, it bears the ``elem_id`` that it has in A1111."""
    own = block.elem_id
    block.elem_id = (other_id or {}).get("elem_id", own)
    try:
        yield
    finally:
        if other_id:
            block.elem_id = own


def give_tooltip(block: Any, words: Any) -> None:
    """``tooltip=``, which A1111 takes for every component: the page's scripts show it, for Gradio has none."""
    block.webui_tooltip = str(words)
    block.elem_classes = [*block.elem_classes, "with-tooltip"]
    block.elem_id = block.elem_id or f"component-{block._id}"       # by which they find it


class ToolButton(FormComponent, gr.Button):
    """A small square button with a picture on it, by its class alone: without that it is as wide as others."""

    def __init__(self, value: Any = "Run", **keywords: Any) -> None:
        classes = keywords.pop("elem_classes", None) or []
        classes = [classes] if isinstance(classes, str) else list(classes)
        super().__init__(value, elem_classes=["tool", *classes], **keywords)

    def get_block_name(self) -> str:
        return "button"


class FormRow(gr.Row):
    """A row inside a form."""

    def get_block_name(self) -> str:
        return "row"


class FormColumn(gr.Column):
    """A column inside a form."""

    def get_block_name(self) -> str:
        return "column"


class FormGroup(gr.Group):
    """A group inside a form."""

    def get_block_name(self) -> str:
        return "group"


class FormHTML(FormComponent, gr.HTML):
    """HTML inside a form."""

    def get_block_name(self) -> str:
        return "html"


class FormColorPicker(FormComponent, gr.ColorPicker):
    """A colour inside a form."""

    def get_block_name(self) -> str:
        return "colorpicker"


class DropdownMulti(gr.Dropdown):
    """A choice of several."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(multiselect=True, **keywords)

    def get_block_name(self) -> str:
        return "dropdown"


class DropdownEditable(gr.Dropdown):
    """A choice that may also be typed."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_custom_value=True, **keywords)

    def get_block_name(self) -> str:
        return "dropdown"


class ResizeHandleRow(gr.Row):
    """A row whose columns the user may make wider."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.elem_classes.append("resize-handle-row")

    def get_block_name(self) -> str:
        return "row"


class InputAccordion(gr.Checkbox):
    """A checkbox over a part of the page that shows while it is on: ``with InputAccordion(False, label="X") as enabled:``."""

    global_index = 0

    def __init__(self, value: Any = None, setup: bool = False, **keywords: Any) -> None:
        self.accordion_id = keywords.get("elem_id") or f"input-accordion-{InputAccordion.global_index}"
        InputAccordion.global_index += 1
        keywords["elem_id"] = f"{self.accordion_id}-checkbox"
        shown = keywords.pop("visible", True)
        classes = ["gradio-accordion", "input-accordion"]
        self.accordion = gr.Column(elem_id=self.accordion_id, elem_classes=classes, visible="hidden" if shown is False else shown, min_width=0)
        with self.accordion:
            super().__init__(bool(value), elem_classes=["input-accordion-checkbox", "label-wrap"], interactive=True, **keywords)
            self._body = gr.Column(elem_id=f"{self.accordion_id}-extra", elem_classes=["input-accordion-extra"], min_width=0)

    def extra(self) -> gr.Row:
        """A place beside the title, shown while it is off too."""
        with self.accordion:
            return gr.Row(elem_id=f"{self.accordion_id}-beside", elem_classes=["input-accordion-beside"])

    def __enter__(self) -> InputAccordion:
        self._body.__enter__()
        return self

    def __exit__(self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> None:
        self._body.__exit__(exc_type, exc_val, exc_tb)

    def get_block_name(self) -> str:
        return "checkbox"
