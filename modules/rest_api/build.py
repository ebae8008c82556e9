"""add_api: the gate, the error answers and every route, on a FastAPI application."""
from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import FastAPI

from modules.application.app import App
from modules.rest_api.compression import PageCompression
from modules.rest_api.credentials import Credentials, credentials_from_flags
from modules.rest_api.describe_routes import add_describe_routes, add_page_describe_routes
from modules.rest_api.docs_page import add_docs
from modules.rest_api.download_routes import add_download_routes
from modules.rest_api.errors import add_error_answers
from modules.rest_api.estimate_routes import add_estimate_routes
from modules.rest_api.extras_routes import add_extras_routes
from modules.rest_api.file_route import add_file_route
from modules.rest_api.generation_routes import add_generation_routes
from modules.rest_api.guard import Guard, GuardRules, Message, Receive, Scope, Send
from modules.rest_api.history_routes import add_history_routes
from modules.rest_api.info_routes import add_info_routes
from modules.rest_api.internal_routes import add_internal_routes
from modules.rest_api.job_routes import add_job_routes
from modules.rest_api.listing_routes import add_listing_routes
from modules.rest_api.near_misses import NearMisses
from modules.rest_api.network_routes import add_network_routes
from modules.rest_api.page_routes import add_page_routes
from modules.rest_api.progress_routes import add_progress_routes
from modules.rest_api.prompt_routes import add_prompt_routes
from modules.rest_api.queue_routes import add_queue_routes
from modules.rest_api.routes import Routes
from modules.rest_api.settings_routes import add_settings_routes
from modules.rest_api.stop_routes import add_stop_routes
from modules.rest_api.training_routes import add_training_routes
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.schema.flags import Flags

log = logging.getLogger(__name__)


def add_api(fastapi_app: FastAPI, app: App, *, full: bool) -> Routes:
    """Put the gate in front of ``fastapi_app`` and open our routes on it; call it before the page is mounted.

    full: A1111's /sdapi/v1 and /docs too (--api, --nowebui); the page's own /internal and /file= are always there.
    Returns what further routes are added to. Raises InvalidValue for a flag that cannot be understood.
    """
    credentials = credentials_from_flags(app.flags)
    routes = Routes(server=fastapi_app, app=app, credentials=credentials)
    fastapi_app.router.strict_content_type = False  # requests.post(url, data=json.dumps(...)) names no kind; other sites' pages are the gate's matter
    add_error_answers(fastapi_app)
    add_docs(routes, shown=full)
    if full:
        for add in (add_generation_routes, add_extras_routes, add_progress_routes, add_settings_routes, add_listing_routes, add_info_routes,
                    add_job_routes, add_describe_routes, add_training_routes, add_stop_routes):
            add(routes)
    add_internal_routes(routes)
    add_queue_routes(routes)
    add_history_routes(routes)
    add_prompt_routes(routes)
    add_estimate_routes(routes)
    add_page_describe_routes(routes)
    add_file_route(routes)
    add_network_routes(routes)
    add_download_routes(routes)
    add_page_routes(routes)
    fastapi_app.router.routes.append(NearMisses(fastapi_app))
    fastapi_app.add_middleware(PageCompression)
    fastapi_app.add_middleware(RequestTimes, logged=app.flags.api_log)
    fastapi_app.add_middleware(Guard, rules=guard_rules(app.flags, credentials))
    return routes


def guard_rules(flags: Flags, credentials: Credentials) -> GuardRules:
    """Who may call, from the flags. Raises InvalidValue for a pattern that is none."""
    origins = frozenset(each.strip().rstrip("/") for each in (flags.cors_allow_origins or "").split(",") if each.strip())
    pattern = None
    if flags.cors_allow_origins_regex:
        try:
            pattern = re.compile(flags.cors_allow_origins_regex)
        except re.error as error:
            raise InvalidValue(f"--cors-allow-origins-regex is no regular expression: {error}.",
                               "Correct it, or name origins with --cors-allow-origins.") from error
    names = frozenset(urlsplit(origin).hostname or "" for origin in origins) - {""}
    return GuardRules(credentials=credentials, hosts=None if flags.others_can_reach else names, origins=origins, origins_pattern=pattern)


class RequestTimes:
    """How long each call of the API took: in X-Process-Time, as A1111 says it, and with --api-log in one line per call, without what it carried."""

    def __init__(self, app: Any, *, logged: bool) -> None:
        self.app, self.logged = app, logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/sdapi/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = str(round(time.perf_counter() - began, 4)).encode("ascii")
                message = {**message, "headers": [*message.get("headers", ()), (b"x-process-time", seconds)]}
            await send(message)

        await self.app(scope, receive, sender)
        if self.logged:
            log.info("API %s %s %s %.3f s", scope["method"], ascii(scope["path"][:200]), status, time.perf_counter() - began)
