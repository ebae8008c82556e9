"""How many tokens a prompt has, for the counters at its corner: as the engine counts them, without loading a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from html import escape

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.callback_params import BeforeTokenCounterParams
from modules.application.app import App
from modules.application.listing import embedding_finder
from modules.application.paths import styles_files
from modules.engine.styles import read_styles
from modules.engine.token_count import count_tokens

log = logging.getLogger(__name__)


def counter_html(app: App, prompt: str, styles: Sequence[str], *, negative: bool) -> str:
    """ "12/75" for the counter; a prompt that cannot be counted shows a question mark and why."""
    try:
        count, limit = token_count(app, prompt or "", styles or (), negative=negative)
    except Exception as error:  # the counter must never get in the way of typing
        log.debug("tokens could not be counted", exc_info=True)
        return f'<span class="error" title="{escape(str(error), quote=True)}">?/?</span>'
    return f"<span>{count}/{limit}</span>"


def token_count(app: App, prompt: str, styles: Sequence[str], *, negative: bool) -> tuple[int, int]:
    """(tokens, limit) of a prompt with the styles that are chosen, under the settings of this moment."""
    settings = app.settings
    if is_occupied() and callbacks.registry().ordered("before_token_counter"):
        asked = BeforeTokenCounterParams(prompt, 20, list(styles), is_positive=not negative)
        callbacks.before_token_counter_callback(asked)
        prompt = asked.prompt
    chosen: list[str] = []
    if styles and settings.get("include_styles_into_token_counters"):
        known = read_styles(styles_files(app.paths))
        chosen = [known[name].negative_prompt if negative else known[name].prompt for name in styles if name in known]
    return count_tokens(
        prompt,
        chosen,
        is_negative=negative,
        emphasis=settings.get("emphasis"),
        comma_backtrack=settings.get("comma_padding_backtrack"),
        comments=settings.get("enable_prompt_comments"),
        embeddings=embedding_finder(app),
    )
