""""Reload UI": the page is built anew from the settings of this moment and put in the old one's place, while the server goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from modules.gradio_ui.failed_uploads import keep_whole_uploads_only
from modules.gradio_ui.front_page import FrontPage
from modules.gradio_ui.gradio_gate import GradioGate

log = logging.getLogger(__name__)
FUNCTIONS_APART = 100_000  # numbers of event functions between one page and the next


@dataclass(eq=False)
class PageSlot:
    """Where one server's page stands. built: how often the page was built.

    A browser that still shows an older page calls functions by numbers which the new page does not have: it is told, and never
    does what another button of the new page does.
    """

    built: int = 0
    _route: Mount | None = None
    _make: Callable[[], FastAPI] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def first_function(self) -> int:
        """The number of the first event function of the page that is being built."""
        self.built += 1
        return (self.built - 1) * FUNCTIONS_APART

    def serve(self, server: FastAPI, make: Callable[[], FastAPI]) -> None:
        """``server`` has the page at "/" as its last route. make: builds another page on a server of its own."""
        route = server.router.routes[-1]
        assert isinstance(route, Mount)
        self._route, self._make = route, make
        route.app = _fronted(route.app)

    async def reload(self) -> str:
        """Build and change pages. Returns what went wrong, in words; "" when the new page is there."""
        if self._route is None or self._make is None:
            return "This page is not served by a program that could build it anew: restart the program."
        async with self._one_at_a_time:
            try:
                # in a context of its own: in that of a click, Gradio takes a new component for a change of an old one
                made = await asyncio.get_running_loop().run_in_executor(None, Context().run, self._make)
                page: Any = made.router.routes[-1].app  # type: ignore[attr-defined]
                page.get_blocks().run_startup_events()
                extra: Awaitable[None] = page.get_blocks().run_extra_startup_events()
                await extra
            except Exception as error:
                log.exception("the page could not be built anew")
                return f"The page could not be built anew, the old one stays: {type(error).__name__}: {error}"
            self._route.app = _fronted(page)
            return ""


def _fronted(page: Any) -> FrontPage:
    keep_whole_uploads_only()
    blocks = page.get_blocks()
    return FrontPage(GradioGate(page), blocks.page_head, visited=blocks.app_record.first_visit.begins)
