"""Prompt matrix: "a cat|red|in the snow" makes one picture for each combination of the parts, on one sheet."""

from __future__ import annotations

import math
from typing import Any

from modules.a1111.process_images import fix_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import grid_style, save_grid, sheet_of
from modules.imaging.annotated_grid import annotated, prompt_matrix_words
from modules.schema.errors import InvalidValue

DELIMITERS = {"comma": ", ", "space": " "}
MOST_PARTS = 12                 # 4096 pictures


class Script(ScriptBase):
    def title(self) -> str:
        return "Prompt matrix"

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        with gr.Row():
            with gr.Column():
                at_start = gr.Checkbox(label="Put variable parts at start of prompt", value=False, elem_id=self.elem_id("put_at_start"))
                different_seeds = gr.Checkbox(label="Use different seed for each picture", value=False, elem_id=self.elem_id("different_seeds"))
            with gr.Column():
                kind = gr.Radio(["positive", "negative"], label="Select prompt", elem_id=self.elem_id("prompt_type"), value="positive")
                delimiter = gr.Radio(["comma", "space"], label="Select joining char", elem_id=self.elem_id("variations_delimiter"), value="comma")
        margin = gr.Slider(label="Grid margins (px)", minimum=0, maximum=500, value=0, step=2, elem_id=self.elem_id("margin_size"))
        return [at_start, different_seeds, kind, delimiter, margin]

    def run(self, p: Any, at_start: bool, different_seeds: bool, kind: str, delimiter: str, margin: float) -> Processed:
        if kind not in ("positive", "negative"):
            raise InvalidValue(f"Prompt matrix varies the positive or the negative prompt, not {kind!r}.", field="script_args")
        if delimiter not in DELIMITERS:
            raise InvalidValue(f"Prompt matrix joins with comma or space, not {delimiter!r}.", field="script_args")
        fix_seed(p)
        asked = p.prompt if kind == "positive" else p.negative_prompt
        original = asked[0] if isinstance(asked, list) else asked
        parts = original.split("|")
        if len(parts) > MOST_PARTS + 1:
            raise InvalidValue(f"{len(parts) - 1} variable parts make {2 ** (len(parts) - 1)} pictures; at most {MOST_PARTS} parts are accepted.",
                               "Leave some out.", field="prompt")
        prompts = combinations(parts, DELIMITERS[delimiter], at_start=at_start)
        p.n_iter = math.ceil(len(prompts) / p.batch_size)
        p.do_not_save_grid = True
        if kind == "positive":
            p.prompt = prompts
        else:
            p.negative_prompt = prompts
        p.seed = [p.seed + (n if different_seeds else 0) for n in range(len(prompts))]
        p.prompt_for_display = p.prompt[0] if isinstance(p.prompt, list) else p.prompt
        processed = process_images(p)
        if not processed.images:
            return processed
        pictures = processed.images[processed.index_of_first_image :]
        sheet = sheet_of(p, pictures, 1 << ((len(parts) - 1) // 2))
        columns, rows = prompt_matrix_words(parts[1:])
        style = grid_style(p, int(margin))
        width, height = max(each.width for each in pictures), max(each.height for each in pictures)
        sheet = annotated(sheet, width, height, columns, rows, style=style) if len(pictures) == len(prompts) else sheet
        save_grid(p, sheet, processed.infotexts[0], name="prompt_matrix", prompt=original, seed=processed.seed)
        processed.images.insert(0, sheet)
        processed.infotexts.insert(0, processed.infotexts[0])
        processed.index_of_first_image = 1
        return processed


def combinations(parts: list[str], delimiter: str, *, at_start: bool) -> list[str]:
    """The prompts: the first part with every selection of the others."""
    fixed, variable = parts[0], [part.strip().strip(",") for part in parts[1:]]
    found = []
    for number in range(1 << len(variable)):
        chosen = [text for n, text in enumerate(variable) if number & 1 << n]
        found.append(delimiter.join([*chosen, fixed] if at_start else [fixed, *chosen]))
    return found
