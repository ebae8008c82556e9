"""Loopback: each result is the next run's input, while the denoising strength moves towards a final value."""

from __future__ import annotations

import math
from typing import Any

from modules.a1111.interrogators import words_for
from modules.a1111.process_images import fix_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import save_grid, setting, sheet_of
from modules.a1111.state import state
from modules.application.describing import CLIP, DEEPDANBOORU
from modules.schema.errors import WebuiError

DESCRIBERS = {"CLIP": CLIP, "DeepBooru": DEEPDANBOORU}
CURVES = ("Aggressive", "Linear", "Lazy")
ORIGINAL = 1                    # masked content: from the second loop on there is something to start from


class Script(ScriptBase):
    def title(self) -> str:
        return "Loopback"

    def show(self, is_img2img: bool) -> bool:
        return is_img2img

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        with gr.Row():
            loops = gr.Slider(minimum=1, maximum=32, step=1, label="Loops", value=4, elem_id=self.elem_id("loops"))
            final = gr.Slider(minimum=0, maximum=1, step=0.01, label="Final denoising strength", value=0.5, elem_id=self.elem_id("final_denoising_strength"))
        curve = gr.Dropdown(label="Denoising strength curve", choices=list(CURVES), value="Linear", elem_id=self.elem_id("denoising_strength_curve"))
        interrogation = gr.Dropdown(label="Append interrogated prompt at each iteration", choices=["None", "CLIP", "DeepBooru"], value="None",
                                    elem_id=self.elem_id("append_interrogation"))
        return [loops, final, curve, interrogation]

    def run(self, p: Any, loops: int, final_strength: float, curve: str, interrogation: str = "None") -> Processed:
        work = running_work()
        assert work is not None
        fix_seed(p)
        loops, repeats = max(int(loops), 1), p.n_iter
        p.extra_generation_params |= {"Final denoising strength": final_strength, "Denoising curve": curve}
        p.batch_size = p.n_iter = 1
        p.do_not_save_grid = True
        words = _Interrogation(p, interrogation)
        first_strength, first_pictures, first_fill = p.denoising_strength, p.init_images, p.inpainting_fill
        state.job_count = loops * repeats
        found: list[Any] = []
        first: Processed | None = None
        for _ in range(repeats):
            p.init_images, p.denoising_strength, p.inpainting_fill = first_pictures, first_strength, first_fill
            last = None
            for loop in range(loops):
                words.append()
                processed = process_images(p)
                if work.stopped or work.cancel.skipped or not processed.images:
                    break
                first = first or processed
                last = processed.images[0]
                p.seed = processed.seed + 1
                p.denoising_strength = strength_of(first_strength, final_strength, curve, loop + 1, loops)
                p.init_images, p.inpainting_fill = [last], ORIGINAL
                if repeats == 1:
                    found.append(last)
            if repeats > 1 and last is not None:
                found.append(last)
            if work.stopped:
                break
        return self._answer(p, found, first)

    def _answer(self, p: Any, found: list[Any], first: Processed | None) -> Processed:
        info, seed = (first.info, first.seed) if first else ("", -1)
        pictures = list(found)
        if len(found) > 1:
            sheet = save_grid(p, sheet_of(p, found, 1), info, seed=seed)
            pictures = [sheet, *found] if setting(p, "return_grid") else pictures
        return Processed(p, pictures, seed, info)


class _Interrogation:
    """What a picture shows, behind the prompt that the job was asked for with. kind: as the list has it; "None" leaves the prompt alone."""

    def __init__(self, p: Any, kind: str) -> None:
        self._p, self._name = p, DESCRIBERS.get(kind)
        self._prompt = p.prompt if isinstance(p.prompt, str) else p.prompt[0]

    def append(self) -> None:
        if self._name is None:
            return
        try:
            words = words_for(self._p.init_images[0], self._name)
        except WebuiError as error:
            self._p.comment(f"Nothing was appended to the prompt. {error}")
            self._name = None
        else:
            self._p.prompt = f"{self._prompt}, {words}" if self._prompt else words


def strength_of(first: float, final: float, curve: str, loop: int, loops: int) -> float:
    """The strength of loop ``loop`` (from 0) of ``loops``."""
    if loops == 1:
        return first
    progress = loop / (loops - 1)
    share = {"Aggressive": math.sin(progress * math.pi / 2), "Lazy": 1 - math.cos(progress * math.pi / 2)}.get(curve, progress)
    return min(max(first + (final - first) * share, 0.0), 1.0)
