"""How many tokens a prompt has, for the counters at its corner: as the engine counts them, without loading a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from html import escape

from modules.application.app import App
from modules.application.generation import styles_paths
from modules.engine.extra_networks import take_out_tags
from modules.engine.prompt_chunks import Chunking
from modules.engine.prompt_comments import strip_comments
from modules.engine.prompt_schedule import Timeline, schedule_prompt, split_and
from modules.engine.prompt_tokens import longest, prompt_tokenizer
from modules.engine.styles import apply_styles, read_styles

log = logging.getLogger(__name__)
ANY_STEPS = 20  # the counter wants the longest text of all steps; how many there are hardly matters


def counter_html(app: App, prompt: str, styles: Sequence[str], *, negative: bool) -> str:
    """ "12/75" for the counter; a prompt that cannot be counted shows a question mark and why."""
    try:
        count, limit = token_count(app, prompt or "", styles or (), negative=negative)
    except Exception as error:  # the counter must never get in the way of typing
        log.debug("tokens could not be counted", exc_info=True)
        return f'<span class="error" title="{escape(str(error), quote=True)}">?/?</span>'
    return f"<span>{count}/{limit}</span>"


def token_count(app: App, prompt: str, styles: Sequence[str], *, negative: bool) -> tuple[int, int]:
    """(tokens, limit) of the longest text that ``prompt`` stands for at any step, in any of its AND parts."""
    settings = app.settings
    if styles and settings.get("include_styles_into_token_counters"):
        known = read_styles(styles_paths(app))
        prompt = apply_styles("", prompt, styles, known)[1] if negative else apply_styles(prompt, "", styles, known)[0]
    if settings.get("enable_prompt_comments"):
        prompt = strip_comments(prompt)
    prompt = take_out_tags(prompt)[0]
    cut = Chunking(tokenizer=prompt_tokenizer(), emphasis=settings.get("emphasis"), comma_backtrack=settings.get("comma_padding_backtrack"))
    texts = {each.text for part in split_and(prompt) for each in schedule_prompt(part.text, Timeline(steps=ANY_STEPS))}
    return longest([cut.chunks(text)[1] for text in texts])
