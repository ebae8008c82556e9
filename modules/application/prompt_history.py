"""The prompts of recent jobs, for whoever wants to use one again."""
from __future__ import annotations

from collections.abc import Mapping

from modules.application.app import App
from modules.jobs.job import NOT_KEPT

MOST_PROMPTS = 100
_MOST_JOBS = 500


def recent_prompts(app: App) -> list[dict[str, str]]:
    """{"prompt", "negative_prompt"} of jobs in line, at work and over, newest first, equal ones once."""
    running = app.jobs.running()
    jobs = [*reversed(app.jobs.pending()), *([running] if running else []), *app.jobs.recent(_MOST_JOBS)]
    asked = (job.payload.get("request") for job in jobs)
    pairs = ((str(each.get("prompt") or ""), str(each.get("negative_prompt") or "")) for each in asked if isinstance(each, Mapping))
    known = [pair for pair in dict.fromkeys(pairs) if any(pair) and NOT_KEPT not in pair]
    return [{"prompt": prompt, "negative_prompt": negative} for prompt, negative in known[:MOST_PROMPTS]]
