"""The one way to open a route: its handler answers in our error shape, and who may call it is asked here as well as at the gate."""
from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as PlainHTTPException

from modules.application.app import App
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.rest_api.answers import Json, error_body
from modules.rest_api.credentials import Credentials
from modules.rest_api.direct_calls import called_directly
from modules.rest_api.operation_names import operation_name
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)
FORESEEN = (WebuiError, StorageError, PathRefused, PlainHTTPException)


class Access(Enum):
    """Whose password a route asks for, where passwords are set."""

    API = "api"
    PAGE = "page"


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Where routes are added. ``app`` is what their handlers work with."""

    server: FastAPI
    app: App
    credentials: Credentials

    def add_route(
        self, path: str, handler: Callable[..., Any], *, methods: tuple[str, ...] = ("GET",), access: Access = Access.API,
        model: Any = None, summary: str = "", hidden: bool = False, **more: Any,
    ) -> None:
        """Open ``path``. A plain function runs on a thread of its own, an ``async`` one must not block.

        handler: returns JSON values, or a Response. model: pydantic model of the answer, for the documentation only.
        """
        self.server.add_api_route(
            path, _answering(handler), methods=list(methods), response_class=Json, summary=summary or (inspect.getdoc(handler) or "").split("\n")[0],
            responses={200: {"model": model}} if model is not None else None, response_model=None, include_in_schema=not hidden,
            dependencies=[_asking(self.credentials, access)], name=operation_name(methods[0], path), **more)
        self.server.routes[-1].endpoint = called_directly(handler)  # type: ignore[attr-defined]  # the route has read its own already; extensions call this


def _asking(credentials: Credentials, access: Access) -> Any:
    from fastapi import Depends

    def ask(request: Request) -> None:
        is_api = access is Access.API
        if credentials.needed(is_api=is_api) and credentials.user_of(request.headers, is_api=is_api) is None:
            raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": 'Basic realm="webui", charset="UTF-8"'})

    return Depends(ask)


def _answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with its answer made into a response here: FastAPI would send large ones through its own encoder first."""

    @functools.wraps(handler)
    async def answer(*args: Any, **kwargs: Any) -> Response:
        try:
            result = await (handler(*args, **kwargs) if inspect.iscoroutinefunction(handler) else run_in_threadpool(handler, *args, **kwargs))
            return result if isinstance(result, Response) else await run_in_threadpool(Json, result)
        except FORESEEN:
            raise                       # answered in errors.py
        except Exception as error:
            log.exception("the route of %s failed", handler.__name__)
            return Json(error_body(type(error).__name__, "", str(error)[:500]), status_code=500)

    answer.__signature__ = inspect.signature(handler, eval_str=True)    # type: ignore[attr-defined]
    return answer
