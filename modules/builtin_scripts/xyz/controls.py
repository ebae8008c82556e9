"""The controls of X/Y/Z plot, under A1111's elem_ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules.builtin_scripts.xyz.axes import AxisOption
from modules.builtin_scripts.xyz.values import joined, split_values

FILL, SWAP = "📒", ("Swap X/Y axes", "Swap Y/Z axes", "Swap X/Z axes")
CSV_ID = "csv_mode"


def build_controls(script: Any, options: Sequence[AxisOption]) -> list[Any]:
    """Type, text and choices for each axis, then the switches: in the order of the script's arguments."""
    import gradio as gr

    labels = [option.label for option in options]
    axes = [_axis(script, name, labels, start) for name, start in zip("XYZ", (labels[1], labels[0], labels[0]))]
    with gr.Row():
        with gr.Column():
            legend = gr.Checkbox(label="Draw legend", value=True, elem_id=script.elem_id("draw_legend"))
            keep = gr.Checkbox(label="Keep -1 for seeds", value=False, elem_id=script.elem_id("no_fixed_seeds"))
            with gr.Row():
                vary = [
                    gr.Checkbox(label=f"Vary seeds for {name}", value=False, min_width=80, elem_id=script.elem_id(f"vary_seeds_{name.lower()}"))
                    for name in "XYZ"
                ]
        with gr.Column():
            pictures = gr.Checkbox(label="Include Sub Images", value=False, elem_id=script.elem_id("include_lone_images"))
            sheets = gr.Checkbox(label="Include Sub Grids", value=False, elem_id=script.elem_id("include_sub_grids"))
            as_text = gr.Checkbox(label="Use text inputs instead of dropdowns", value=False, elem_id=script.elem_id(CSV_ID))
    margin = gr.Slider(label="Grid margins (px)", minimum=0, maximum=500, value=0, step=2, elem_id=script.elem_id("margin_size"))
    with gr.Row(elem_id="swap_axes"):
        buttons = [gr.Button(text, elem_id=elem_id, min_width=80, size="sm") for text, elem_id in zip(SWAP, ("xy_grid_swap_axes_button", "yz_grid_swap_axes_button", "xz_grid_swap_axes_button"))]
    _wire(options, axes, as_text, buttons)
    parts = [part for axis in axes for part in axis[:3]]
    script.infotext_fields = [
        field
        for name, (kind, text, chosen, _) in zip("XYZ", axes)
        for field in ((kind, f"{name} Type"), (text, f"{name} Values"), (chosen, lambda params, name=name: _pasted_choice(options, params, name)))
    ]
    return [*parts, legend, pictures, sheets, keep, *vary, margin, as_text]


def _axis(script: Any, name: str, labels: Sequence[str], start: str) -> tuple[Any, Any, Any, Any]:
    import gradio as gr

    low = name.lower()
    with gr.Row():
        kind = gr.Dropdown(label=f"{name} type", choices=list(labels), value=start, type="index", min_width=140, elem_id=script.elem_id(f"{low}_type"))
        text = gr.Textbox(label=f"{name} values", value="", lines=1, min_width=140, elem_id=script.elem_id(f"{low}_values"))
        chosen = gr.Dropdown(label=f"{name} values", choices=[], value=[], multiselect=True, visible="hidden", interactive=True, min_width=140,
                             elem_id=script.elem_id(f"{low}_values_dropdown"))
        fill = gr.Button(FILL, elem_id=f"xyz_grid_fill_{low}_tool_button", visible="hidden", elem_classes=["gradio-button", "tool"], min_width=0, scale=0)
    return kind, text, chosen, fill


def _wire(options: Sequence[AxisOption], axes: list[tuple[Any, Any, Any, Any]], as_text: Any, buttons: list[Any]) -> None:
    import gradio as gr

    def fitted(place: int | None, text: str, picked: list[str] | None, csv_mode: bool) -> list[Any]:
        """Text, choices and fill button as the chosen axis wants them; what was entered goes along where it fits."""
        choices = _choices(options, place)
        typed = split_values(text or "")
        use_list = choices is not None and not csv_mode
        kept = [each for each in [*typed, *(picked or ())] if choices and each in choices] if use_list else []
        words = text if choices is None or not picked else joined([*typed, *picked])
        wanted = "" if use_list else words
        changed = {} if wanted == text else {"value": wanted}      # what is typed while the answer is on its way stays
        return [
            gr.update(visible="hidden" if use_list else True, **changed),
            gr.update(visible=True if use_list else "hidden", choices=choices or [], value=list(dict.fromkeys(kept))),
            gr.update(visible=True if choices is not None else "hidden"),
        ]

    def filled(place: int | None, csv_mode: bool) -> list[Any]:
        choices = _choices(options, place) or []
        return [gr.update(value=joined(choices)), gr.skip()] if csv_mode else [gr.skip(), gr.update(choices=choices, value=choices)]

    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    for kind, text, chosen, fill in axes:
        kind.change(fitted, inputs=[kind, text, chosen, as_text], outputs=[text, chosen, fill], **quick)
        as_text.change(fitted, inputs=[kind, text, chosen, as_text], outputs=[text, chosen, fill], **quick)
        fill.click(filled, inputs=[kind, as_text], outputs=[text, chosen], **quick)
    for button, (one, other) in zip(buttons, ((0, 1), (1, 2), (0, 2))):
        first, second = axes[one][:3], axes[other][:3]

        def entered(kind_a: int, text_a: str, list_a: list[str], kind_b: int, text_b: str, list_b: list[str]) -> list[Any]:
            return [text_b, gr.update(choices=_choices(options, kind_b) or [], value=list_b),
                    text_a, gr.update(choices=_choices(options, kind_a) or [], value=list_a)]

        def types(kind_a: int, kind_b: int) -> list[str]:
            return [options[kind].label for kind in (kind_b, kind_a)]

        # the types last: their change reads what is chosen, and beside it in one answer still found the list of before
        moved = button.click(entered, inputs=[*first, *second], outputs=[*first[1:], *second[1:]], **quick)
        moved.then(types, inputs=[first[0], second[0]], outputs=[first[0], second[0]], **quick)


def _choices(options: Sequence[AxisOption], place: int | None) -> list[str] | None:
    """The texts of an axis that is chosen from; None for one that is typed."""
    option = options[place] if place is not None and 0 <= place < len(options) else None
    return None if option is None or option.choices is None else [str(each) for each in option.choices()]


def _pasted_choice(options: Sequence[AxisOption], params: dict[str, Any], name: str) -> list[str] | None:
    place = next((n for n, option in enumerate(options) if option.label == params.get(f"{name} Type")), None)
    choices = _choices(options, place)
    return None if choices is None else [each for each in split_values(params.get(f"{name} Values", "")) if each in choices]
