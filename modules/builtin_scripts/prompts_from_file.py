"""Prompts from file or textbox: a job for each line, which may set more than the prompt: --prompt "a cat" --steps 30 --width 640."""

from __future__ import annotations

import logging
import re
from collections import deque
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.process_images import fix_seed, get_fixed_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.state import state
from modules.application.picture_urls import PICTURE_FIELDS
from modules.engine.sampler_registry import find_sampler
from modules.schema.check import checked
from modules.schema.errors import InvalidValue, UnknownName, WebuiError
from modules.schema.param import ParamEntry
from modules.schema.table import TABLES

log = logging.getLogger(__name__)
WORDY = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")     # take all words up to the next option
OTHER = {"sd_model": "sd_model_checkpoint", "sd_vae": "sd_vae", "clip_skip": "CLIP_stop_at_last_layers"}    # options that are settings
NOT_IN_A_LINE = (*PICTURE_FIELDS, "override_settings")
MOST_LINES, MOST_BYTES, MOST_REMARKS = 5000, 4_000_000, 20
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
        read = [options_of(line, number, p) for number, line in enumerate(lines, 1)]
        jobs = [each.values for each in read]
        tell(p, [remark for each in read for remark in each.remarks])
        if iterate or same_seed:
            fix_seed(p)
        p.do_not_save_grid = True
        state.job_count = sum(int(job.get("n_iter", p.n_iter)) for job in jobs)
        made: list[Processed] = []
        failed: list[str] = []
        seed = p.seed
        for number, job in enumerate(jobs, 1):
            if work.stopped:
                break
            try:
                made.append(process_images(copy_for(p, job, seed, position)))
            except (WebuiError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
                if work.cancel.interrupted or (number == len(jobs) and not made):
                    raise
                log.exception("line %d of the prompts failed", number)
                failed.append(f"Line {number} could not be drawn: {error}")     # the other lines' pictures are somebody's night
            if iterate:
                seed = get_fixed_seed(seed) + p.batch_size * p.n_iter
        tell(p, failed)
        return together(p, made)


def copy_for(p: Any, job: dict[str, Any], seed: Any, position: str) -> Any:
    """``p`` for one line."""
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
    return pc


@dataclass(frozen=True, kw_only=True)
class Line:
    """values: by A1111's names. remarks: sentences about what could not be read in the line."""

    values: dict[str, Any]
    remarks: tuple[str, ...] = ()


def tell(p: Any, remarks: list[str]) -> None:
    """The first of them: thousands of lines may have the same mistake."""
    for remark in remarks[:MOST_REMARKS]:
        p.comment(remark)
    if len(remarks) > MOST_REMARKS:
        p.comment(f"And {len(remarks) - MOST_REMARKS} more of the kind, in later lines.")


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


def options_of(line: str, number: int, p: Any) -> Line:
    """What a line asks for. One without options is a prompt, and so is one of which nothing can be read, as in A1111.

    An option that is not known, or whose value is none, is left out, and a remark says so.
    """
    if not line.startswith("--"):
        return Line(values={"prompt": line})
    words = words_of(line)
    if words is None:
        return Line(values={"prompt": line}, remarks=(f"Line {number} has a quote that is not closed: all of it was taken as the prompt.",))
    found: dict[str, Any] = {}
    remarks: list[str] = []
    left = deque(words)
    while left:
        name = left.popleft().removeprefix("--")
        words = []
        while left and not left[0].startswith("--"):
            words.append(left.popleft())
        taken = len(words) if name in WORDY else 1
        try:
            found[name] = _value(name, " ".join(words[:taken]), p)
        except (InvalidValue, UnknownName) as error:
            remarks.append(f"Line {number}: {error} It was ignored.")
        if words[taken:]:
            remarks.append(f"Line {number}: \"{' '.join(words[taken:])[:60]}\" behind --{name[:40]} belongs to no option. It was ignored.")
    if not found:
        return Line(values={"prompt": line}, remarks=(f"Line {number} has no option that is known here: all of it was taken as the prompt.",) if remarks else ())
    return Line(values=found, remarks=tuple(remarks))


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


def _value(name: str, text: str, p: Any) -> Any:
    """Raises InvalidValue, UnknownName."""
    entries: dict[str, ParamEntry] = {entry.api_name: entry for entry in TABLES[p.table.tab]}
    if name == "sd_model":
        current().catalogue.find_checkpoint(text)       # an override that is not found draws with whatever is loaded, without a word
    if name == "sampler_name":
        find_sampler(text)
    if name in OTHER or name in ("outpath_samples", "outpath_grids", "prompt_for_display"):
        return int(text) if name == "clip_skip" and text.isdigit() else text
    if name not in (offered := [each for each in entries if hasattr(p, each) and not each.startswith("script") and each not in NOT_IN_A_LINE]):
        near = get_close_matches(name, offered, 1)
        raise InvalidValue(f"there is no option --{name[:40]}.", f"Did you mean --{near[0]}?" if near else "They are called as in the API: --steps, --cfg_scale, --seed ...")
    if name == "styles":
        return [each.strip() for each in text.split(",") if each.strip()]
    return checked(entries[name], text)


def read_text(path: str | None) -> str:
    """The text of an uploaded file, whatever encoding it is in."""
    if not path:
        return ""
    with Path(path).open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8-sig", errors="replace")
