"""The dialog in which styles are made, changed and deleted; in the page from the start, shown by static/styles_editor.js."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from modules.application.app import App
from modules.application.paths import own_styles_file, styles_files
from modules.engine.styles import Style, apply_styles, change_style, read_styles
from modules.files.storage import StorageError
from modules.gradio_ui.components import bridge_text, late, tool_button
from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.form import Form
from modules.gradio_ui.page_keys import not_kept

if TYPE_CHECKING:
    from modules.gradio_ui.toprow import Toprow

_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class StylesEditor:
    """Its components, named as A1111's elem_ids are. said: what the server has to say, for the scripts."""

    select: gr.Dropdown
    prompt: gr.Textbox
    negative_prompt: gr.Textbox
    apply: gr.Button
    copy: gr.Button
    save: gr.Button
    delete: gr.Button
    said: gr.Textbox


def build_styles_editor(tab: str) -> StylesEditor:
    """The dialog, inside the current block."""
    with gr.Column(elem_id=f"{tab}_styles_dialog", elem_classes=["styles-editor"], min_width=0), late():
        with gr.Row(elem_classes=["gradio-row"]):
            select = gr.Dropdown(
                [], value=None, label="Styles", elem_id=f"{tab}_styles_edit_select", elem_classes=["gradio-dropdown"], allow_custom_value=True,
                info="Choose a style, or type the name of a new one.",
            )  # fmt: skip
            apply = tool_button("📋", f"{tab}_style_apply_dialog")
            copy = tool_button("📝", f"{tab}_style_copy")
        prompt, negative = (
            gr.Textbox(label=label, elem_id=f"{tab}_edit_style_{name}", elem_classes=["gradio-textbox"], lines=3, max_lines=12, interactive=True)
            for label, name in (("Prompt", "prompt"), ("Negative prompt", "neg_prompt"))
        )
        with gr.Row(elem_classes=["gradio-row"]):
            save = gr.Button("Save", elem_id=f"{tab}_edit_style_save", variant="primary", min_width=0)
            delete = gr.Button("Delete", elem_id=f"{tab}_edit_style_delete", min_width=0)
            gr.Button("Close", elem_id=f"{tab}_edit_style_close", min_width=0)
        said = bridge_text(f"{tab}_edit_style_said")
    not_kept(select, prompt, negative)
    return StylesEditor(select=select, prompt=prompt, negative_prompt=negative, apply=apply, copy=copy, save=save, delete=delete, said=said)


@dataclass(frozen=True, kw_only=True)
class StyleShelf:
    """What the dialog does with the styles files."""

    app: App

    def names(self) -> list[str]:
        """As the files say now."""
        return list(read_styles(styles_files(self.app.paths)))

    def texts(self, name: str | None) -> tuple[Any, Any]:
        """Prompt and negative prompt of a style; of a name that no style has, nothing changes."""
        style = read_styles(styles_files(self.app.paths)).get(name or "")
        return (style.prompt, style.negative_prompt) if style else (gr.skip(), gr.skip())

    def save(self, name: str | None, prompt: str, negative_prompt: str) -> str:
        """Write one style; an old one of that name changes in its own file. Returns what to tell the user."""
        name = (name or "").strip()
        if not name or len(name) > _LONGEST_NAME or name.startswith("#") or any(ord(letter) < 32 for letter in name):
            return "A style needs a name of one line that does not begin with #."
        old = read_styles(styles_files(self.app.paths)).get(name)
        path = old.path if old and old.path else own_styles_file(self.app.paths)
        style = Style(name=name, prompt=prompt or "", negative_prompt=negative_prompt or "", path=path)
        return self._write(path, name, style) or f"Saved style {name}."

    def delete(self, name: str | None) -> str:
        """Take one style out of its file; the file before is kept as .bak."""
        style = read_styles(styles_files(self.app.paths)).get(name or "")
        if style is None or style.path is None:
            return "There is no style of this name."
        return self._write(style.path, style.name, None) or f"Deleted style {style.name}."

    def _write(self, path: Path, name: str, style: Style | None) -> str:
        try:
            change_style(path, name, style)
        except StorageError as error:
            return str(error)
        return ""


def wire_styles_editor(app: App, form: Form, toprow: Toprow, editor: StylesEditor) -> None:
    """Connect the dialog of one tab with its prompts and its list of styles."""
    shelf = StyleShelf(app=app)
    main = [form.component(name) for name in ("prompt", "negative_prompt", "styles")]
    own = [editor.prompt, editor.negative_prompt]

    def opened(chosen: Sequence[str]) -> tuple[Any, Any, Any]:
        names = shelf.names()
        name = chosen[-1] if chosen and chosen[-1] in names else None
        prompt, negative_prompt = shelf.texts(name) if name else ("", "")
        return gr.update(choices=names, value=name), prompt, negative_prompt

    def saved(name: str, prompt: str, negative_prompt: str, chosen: Sequence[str]) -> tuple[Any, Any, str]:
        return _after(shelf, chosen, shelf.save(name, prompt, negative_prompt), name)

    def deleted(name: str, chosen: Sequence[str]) -> tuple[Any, ...]:
        answer = _after(shelf, chosen, shelf.delete(name), None)
        return *answer, *((gr.skip(), gr.skip()) if name in ("", None, *shelf.names()) else ("", ""))

    def applied(name: str, prompt: str, negative_prompt: str, chosen: Sequence[str]) -> tuple[str, str, list[str]]:
        """The tab's chosen styles, and with none chosen the dialog's. None stays chosen: it would be written once more at Generate."""
        names = chosen or ([name] if name else [])
        prompt, negative_prompt, _ = apply_styles(prompt, negative_prompt, names, read_styles(styles_files(app.paths)))
        return prompt, negative_prompt, []

    toprow.styles_edit.click(opened, inputs=[main[2]], outputs=[editor.select, *own], **QUICK)
    editor.select.change(shelf.texts, inputs=[editor.select], outputs=own, **QUICK)
    editor.copy.click(lambda *texts: texts, inputs=main[:2], outputs=own, **QUICK)
    fill_on_click(editor.apply, form.table.tab, applied, inputs=[editor.select, *main], outputs=main)
    results = [editor.select, main[2], editor.said]
    for done in (
        editor.save.click(saved, inputs=[editor.select, *own, main[2]], outputs=results, **QUICK),
        editor.delete.click(deleted, inputs=[editor.select, main[2]], outputs=[*results, *own], js="(...values) => webui.confirmStyleDelete(values)", **QUICK),
    ):
        done.then(None, inputs=[editor.said], js=f"(words) => {{ webui.styleSaid(words, '{form.table.tab}'); }}", **QUICK)


def _after(shelf: StyleShelf, chosen: Sequence[str], words: str, name: str | None) -> tuple[Any, Any, str]:
    names = shelf.names()
    kept = [each for each in chosen or () if each in names]
    return gr.update(choices=names, value=name), gr.update(choices=names, value=kept), words
