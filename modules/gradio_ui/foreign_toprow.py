"""A1111's ``Toprow`` and the smaller parts of a generation tab, for extensions that build a tab like txt2img of their own."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from modules.a1111.app_slot import current
from modules.a1111.infotext_names import image_from_url_text
from modules.a1111.options import opts
from modules.a1111.picture_files import image_data
from modules.a1111.shared_values import ui_reorder_categories
from modules.a1111.state import state
from modules.engine.styles import apply_styles as styled
from modules.gradio_ui.foreign_components import ToolButton
from modules.gradio_ui.foreign_panels import create_refresh_button
from modules.gradio_ui.prompt_styles import known_styles
from modules.gradio_ui.token_counts import counter_html


class UiPromptStyles:
    """The dropdown of styles, and what its apply button does."""

    def __init__(self, tabname: str, main_ui_prompt: Any, main_ui_negative_prompt: Any) -> None:
        self.tabname, self.main_ui_prompt, self.main_ui_negative_prompt = tabname, main_ui_prompt, main_ui_negative_prompt
        with gr.Row(elem_id=f"{tabname}_styles_row"):
            self.dropdown = gr.Dropdown(sorted(known_styles(current())), value=[], label="Styles", show_label=False, multiselect=True, elem_id=f"{tabname}_styles")
            create_refresh_button(self.dropdown, lambda: None, lambda: {"choices": sorted(known_styles(current()))}, f"refresh_{tabname}_styles")

    def setup_apply_button(self, button: Any) -> None:
        fields = [self.main_ui_prompt, self.main_ui_negative_prompt, self.dropdown]
        button.click(apply_styles, inputs=fields, outputs=fields, show_progress="hidden")


class Toprow:
    """Prompts, Generate with Interrupt and Skip, tools and styles. is_compact: only Generate at first; the rest where it is asked for.

    id_part: stands at the beginning of all elem_ids.
    """

    def __init__(self, is_img2img: bool, is_compact: bool = False, id_part: str | None = None) -> None:
        self.id_part = id_part or ("img2img" if is_img2img else "txt2img")
        self.is_img2img, self.is_compact = is_img2img, is_compact
        self.button_interrogate = self.button_deepbooru = None
        if is_compact:
            self.create_submit_box()
            return
        with gr.Row(elem_id=f"{self.id_part}_toprow", elem_classes=["toprow"]):
            self.create_classic_toprow()

    def create_classic_toprow(self) -> None:
        self.create_prompts()
        with gr.Column(scale=1, elem_id=f"{self.id_part}_actions_column", min_width=0):
            self.create_submit_box()
            self.create_tools_row()
            self.create_styles_ui()

    def create_inline_toprow_prompts(self) -> None:
        if self.is_compact:
            self.create_prompts()
            with gr.Row(elem_classes=["toprow-compact-stylerow"]):
                with gr.Column(elem_classes=["toprow-compact-tools"], min_width=0):
                    self.create_tools_row()
                with gr.Column(min_width=0):
                    self.create_styles_ui()

    def create_inline_toprow_image(self) -> None:
        if self.is_compact:
            self.submit_box.render()

    def create_prompts(self) -> None:
        def text(name: str, label: str, hint: str) -> Any:
            with gr.Row(elem_id=f"{self.id_part}_{name}_row", elem_classes=["prompt-row"]):
                return gr.Textbox(label=label, elem_id=f"{self.id_part}_{name}", show_label=False, lines=3, placeholder=hint, elem_classes=["prompt"])

        compact = ["prompt-container-compact"] if self.is_compact else []
        with gr.Column(elem_id=f"{self.id_part}_prompt_container", elem_classes=compact, scale=6, min_width=0):
            self.prompt = text("prompt", "Prompt", "Prompt")
            self.prompt_img = gr.File(label="", elem_id=f"{self.id_part}_prompt_image", file_count="single", type="binary", visible=False)
            self.negative_prompt = text("neg_prompt", "Negative prompt", "Negative prompt")
        self.prompt_img.change(image_data, inputs=[self.prompt_img], outputs=[self.prompt, self.prompt_img], show_progress="hidden")

    def create_submit_box(self) -> None:
        with gr.Row(elem_id=f"{self.id_part}_generate_box", elem_classes=["generate-box"], render=not self.is_compact) as box:
            self.submit_box = box
            self.interrupt = gr.Button("Interrupt", elem_id=f"{self.id_part}_interrupt", elem_classes=["generate-box-interrupt"], min_width=0)
            self.skip = gr.Button("Skip", elem_id=f"{self.id_part}_skip", elem_classes=["generate-box-skip"], min_width=0)
            self.interrupting = gr.Button("Interrupting...", elem_id=f"{self.id_part}_interrupting", elem_classes=["generate-box-interrupting"], min_width=0)
            self.submit = gr.Button("Generate", elem_id=f"{self.id_part}_generate", variant="primary", min_width=0)
        for button, act in ((self.interrupt, state.interrupt), (self.interrupting, state.interrupt), (self.skip, state.skip)):
            button.click(act, show_progress="hidden")

    def create_tools_row(self) -> None:
        def tool(picture: str, name: str, said: str) -> ToolButton:
            return ToolButton(picture, elem_id=f"{self.id_part}_{name}" if name != "paste" else name, tooltip=said)

        with gr.Row(elem_id=f"{self.id_part}_tools"):
            self.paste = tool("\u2199\ufe0f", "paste", "Read generation parameters from prompt or last generation if prompt is empty into user interface.")
            self.clear_prompt_button = tool("\U0001f5d1\ufe0f", "clear_prompt", "Clear prompt")
            self.apply_styles = tool("\U0001f4cb", "style_apply", "Apply all selected styles to prompts.")
            if self.is_img2img:
                self.button_interrogate = tool("\U0001f4ce", "interrogate", "Interrogate CLIP")
                self.button_deepbooru = tool("\U0001f4e6", "deepbooru", "Interrogate DeepBooru")
            self.restore_progress_button = ToolButton("\U0001f300", elem_id=f"{self.id_part}_restore_progress", visible=False, tooltip="Restore progress")
            self.token_counter = gr.HTML("<span>0/75</span>", elem_id=f"{self.id_part}_token_counter", elem_classes=["token-counter"], visible=False)
            self.token_button = gr.Button(visible=False, elem_id=f"{self.id_part}_token_button")
            self.negative_token_counter = gr.HTML("<span>0/75</span>", elem_id=f"{self.id_part}_negative_token_counter", elem_classes=["token-counter"], visible=False)
            self.negative_token_button = gr.Button(visible=False, elem_id=f"{self.id_part}_negative_token_button")
        self.clear_prompt_button.click(lambda: ("", ""), outputs=[self.prompt, self.negative_prompt], show_progress="hidden")

    def create_styles_ui(self) -> None:
        self.ui_styles = UiPromptStyles(self.id_part, self.prompt, self.negative_prompt)
        self.ui_styles.setup_apply_button(self.apply_styles)


def apply_styles(prompt: str, prompt_neg: str, styles: Sequence[str]) -> list[Any]:
    """Both prompts with the chosen styles in them, and none chosen any more."""
    text, negative, _unknown = styled(prompt or "", prompt_neg or "", styles or (), known_styles(current()))
    return [text, negative, []]


def update_token_counter(text: str, steps: int, styles: Sequence[str], *, is_positive: bool = True) -> str:
    return counter_html(current(), text, styles, negative=not is_positive)


def update_negative_prompt_token_counter(text: str, steps: int, styles: Sequence[str]) -> str:
    return update_token_counter(text, steps, styles, is_positive=False)


def ordered_ui_categories() -> Iterator[str]:
    """Parts of a tab, the user's order first."""
    chosen = {name.strip(): place for place, name in enumerate(opts.ui_reorder_list)}
    yield from sorted(ui_reorder_categories(), key=lambda name: chosen.get(name, len(chosen)))


def create_override_settings_dropdown(tabname: str, row: Any) -> Any:
    """Settings of this job alone, seen when there are some."""
    found = gr.Dropdown([], value=[], label="Override settings", visible=False, elem_id=f"{tabname}_override_settings", multiselect=True, allow_custom_value=True)
    found.change(lambda values: gr.update(visible=bool(values)), inputs=[found], outputs=[found], show_progress="hidden")
    return found


def calc_resolution_hires(enable: Any, width: int, height: int, hr_scale: float, hr_resize_x: int, hr_resize_y: int) -> str:
    """The sides before and after hires fix, as HTML; "" without it."""
    if not enable:
        return ""
    across, down = (int(hr_resize_x), int(hr_resize_y)) if hr_resize_x or hr_resize_y else (int(width * hr_scale), int(height * hr_scale))
    across, down = across or int(width * down / height), down or int(height * across / width)
    return _from_to(width, height, across, down)


def resize_from_to_html(width: int, height: int, scale_by: float) -> str:
    if not width or not height:
        return "no image selected"
    return "resize: " + _from_to(width, height, int(width * scale_by) // 8 * 8, int(height * scale_by) // 8 * 8)


def _from_to(width: int, height: int, across: int, down: int) -> str:
    return f"from <span class='resolution'>{int(width)}x{int(height)}</span> to <span class='resolution'>{across}x{down}</span>"


def send_gradio_gallery_to_image(x: Any) -> Any:
    """The gallery's first picture."""
    return image_from_url_text(x[0]) if x else None
