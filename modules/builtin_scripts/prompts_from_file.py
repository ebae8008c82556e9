"""Prompts from file or textbox: a job for each line, which may set more than the prompt: --prompt "a cat" --steps 30 --width 640."""

from __future__ import annotations

import re
from collections import deque
from copy import copy
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.process_images import fix_seed, get_fixed_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.state import state
from modules.schema.check import checked
from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.param import ParamEntry
from modules.schema.table import TABLES

WORDY = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")     # take all words up to the next option
OTHER = {"sd_model": "sd_model_checkpoint", "sd_vae": "sd_vae", "clip_skip": "CLIP_stop_at_last_layers"}    # options that are settings
MOST_LINES, MOST_BYTES = 5000, 4_000_000
_PIECE = re.compile(r"""(?P<gap>\s+)|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)'|\\(?P<escaped>.)|(?P<plain>[^\s"'\\]+)""")


class Script(ScriptBase):
    def title(self) -> str:
        return "Prompts from file or textbox"

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        iterate = gr.Checkbox(label="Iterate seed every line", value=False, elem_id=self.elem_id("checkbox_iterate"))
        same = gr.Checkbox(label="Use same random seed for all lines", value=False, elem_id=self.elem_id("checkbox_iterate_batch"))
        position = gr.Radio(["start", "end"], label="Insert prompts at the", elem_id=self.elem_id("prompt_position"), value="start")
        text = gr.Textbox(label="List of prompt inputs", lines=4, value="", placeholder='a cat\n--prompt "a house" --steps 30 --cfg_scale 5 --seed 7', elem_id=self.elem_id("prompt_txt"))
        file = gr.File(label="Upload prompt inputs", height=120, elem_id=self.elem_id("file"))
        file.upload(lambda path: (None, read_text(path)), inputs=[file], outputs=[file, text], show_progress="hidden", api_visibility="private")
        return [iterate, same, position, text]

    def run(self, p: Any, iterate: bool, same_seed: bool, position: str, text: str) -> Processed:
        work = running_work()
        assert work is not None
        lines = [line.strip() for line in str(text).splitlines() if line.strip()]
        if not lines:
            raise InvalidValue("Prompts from file or textbox has no lines.", "Write one prompt a line.", field="script_args")
        if len(lines) > MOST_LINES:
            raise InvalidValue(f"{len(lines)} lines; at most {MOST_LINES} are accepted.", field="script_args")
        jobs = [options_of(line, number, p) for number, line in enumerate(lines, 1)]
        for number, job in enumerate(jobs, 1):
            check_checkpoint(job.get("sd_model", ""), number)
        if iterate or same_seed:
            fix_seed(p)
        p.do_not_save_grid = True
        state.job_count = sum(int(job.get("n_iter", p.n_iter)) for job in jobs)
        made: list[Processed] = []
        seed = p.seed
        for job in jobs:
            if work.stopped:
                break
            pc = copy(p)
            pc.styles, pc.override_settings, pc.extra_generation_params, pc.own_params = list(p.styles), dict(p.override_settings), {}, set()
            pc.seed = seed
            for name, value in job.items():
                if name in OTHER:
                    pc.override_settings[OTHER[name]] = value
                else:
                    setattr(pc, name, value)
            for name in ("prompt", "negative_prompt"):
                own, common = job.get(name), getattr(p, name)
                if own and common:
                    setattr(pc, name, f"{own} {common}" if position == "start" else f"{common} {own}")
            made.append(process_images(pc))
            if iterate:
                seed = get_fixed_seed(seed) + p.batch_size * p.n_iter
        return together(p, made)


def check_checkpoint(named: str, number: int) -> None:
    """Raises InvalidValue, which names the line: the usual way of such overrides is to draw with whatever is loaded, without a word."""
    try:
        current().catalogue.find_checkpoint(named)
    except UnknownName as error:
        raise InvalidValue(f"Line {number}: {error}", field="script_args") from error


def together(p: Any, made: list[Processed]) -> Processed:
    """Several runs as one."""
    first = made[0] if made else None
    processed = Processed(
        p, [image for each in made for image in each.images], first.seed if first else p.seed, first.info if first else "",
        all_prompts=[text for each in made for text in each.all_prompts], all_seeds=[seed for each in made for seed in each.all_seeds],
        all_negative_prompts=[text for each in made for text in each.all_negative_prompts],
        all_subseeds=[seed for each in made for seed in each.all_subseeds], infotexts=[text for each in made for text in each.infotexts])
    if first:
        processed.sd_model_name, processed.sd_model_hash = first.sd_model_name, first.sd_model_hash
    return processed


def options_of(line: str, number: int, p: Any) -> dict[str, Any]:
    """A line's values by A1111's names; a line without options is a prompt. Raises InvalidValue, which names the line."""
    if "--" not in line:
        return {"prompt": line}
    words = deque(words_of(line) or ())
    if not words or not words[0].startswith("--"):
        return {"prompt": line}
    found: dict[str, Any] = {}
    while words:
        name = words.popleft().removeprefix("--")
        values: list[str] = []
        while words and not words[0].startswith("--") and (name in WORDY or not values):
            values.append(words.popleft())
        found[name] = _value(name, " ".join(values), number, p)
    return found


def words_of(line: str) -> list[str] | None:
    """The words of a command line as a shell reads them, in linear time (``shlex`` takes quadratic). None for an open quote: an apostrophe, most often."""
    words: list[list[str]] = [[]]
    place = 0
    while place < len(line):
        found = _PIECE.match(line, place)
        if found is None:
            return None
        kind, place = str(found.lastgroup), found.end()
        text = found[kind]
        if kind != "gap":
            words[-1].append(re.sub(r'\\(["\\])', r"\1", text) if kind == "double" else text)
        elif words[-1]:
            words.append([])
    return ["".join(pieces) for pieces in words if pieces]


def _value(name: str, text: str, number: int, p: Any) -> Any:
    entries: dict[str, ParamEntry] = {entry.api_name: entry for entry in TABLES[p.table.tab]}
    if name in OTHER or name in ("outpath_samples", "outpath_grids", "prompt_for_display"):
        return int(text) if name == "clip_skip" and text.isdigit() else text
    if name not in entries or not hasattr(p, name) or name.startswith("script") or name in ("init_images", "mask", "override_settings"):
        raise InvalidValue(f"Line {number}: there is no option --{name[:40]}.", "A1111's API names are known, such as --steps, --cfg_scale, --seed.",
                           field="script_args")
    if name == "styles":
        return [each.strip() for each in text.split(",") if each.strip()]
    try:
        return checked(entries[name], text)
    except InvalidValue as error:
        raise InvalidValue(f"Line {number}: {error}", field="script_args") from error


def read_text(path: str | None) -> str:
    """The text of an uploaded file, whatever encoding it is in."""
    if not path:
        return ""
    with Path(path).open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8-sig", errors="replace")
