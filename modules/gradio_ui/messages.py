"""The line below the gallery."""

from __future__ import annotations

import html

from modules.jobs.job import Job, JobState


def message_html(words: str, kind: str = "note") -> str:
    """``words`` as that line; kind: "note" or "error". No words, no line."""
    return f'<p class="webui-message {kind}">{html.escape(words)}</p>' if words else ""


def timing(job: Job) -> str:
    """How long a finished job took, in words."""
    state = {JobState.INTERRUPTED: "Interrupted after", JobState.DONE: "Time taken:"}.get(job.state, "")
    if not state or job.started is None or job.finished is None:
        return ""
    seconds = job.finished - job.started
    minutes = f"{int(seconds // 60)} min " if seconds >= 60 else ""
    return f"{state} {minutes}{seconds % 60:.1f} sec."
