"""Errors as A1111 answers them: {"error", "detail", "body", "errors"} with a status that says whose turn it is."""
from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.rest_api.answers import Json, error_body
from modules.schema.errors import OutOfMemory, WebuiError

_AGAIN_LATER = (429, 503)


def add_error_answers(server: FastAPI) -> None:
    """Every error that we foresaw becomes a JSON answer; the others are caught in routes.py."""
    server.add_exception_handler(WebuiError, _foreseen)
    server.add_exception_handler(StorageError, _foreseen)
    server.add_exception_handler(PathRefused, _foreseen)
    server.add_exception_handler(RequestValidationError, _invalid)
    server.add_exception_handler(HTTPException, _http)


async def _foreseen(_request: Request, error: Exception) -> Json:
    status = getattr(error, "status", 500)
    headers = {"Retry-After": "10"} if status in _AGAIN_LATER else None
    name = "OutOfMemoryError" if isinstance(error, OutOfMemory) else type(error).__name__    # torch's, by which programs unload the model and try again
    return Json(error_body(name, str(error), str(error)), status_code=status, headers=headers)


async def _invalid(request: Request, error: Exception) -> Json:
    assert isinstance(error, RequestValidationError)
    found = [{"loc": [_plain(part) for part in each["loc"]], "msg": str(each["msg"]), "type": str(each["type"])} for each in error.errors()[:50]]
    sentences = "; ".join(f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg']}" for each in found)
    kind = request.headers.get("content-type", "")
    if [each["loc"] for each in found] == [["body"]] and kind and "json" not in kind.lower():
        sentences = f"The body was not read, for it was sent as {kind[:100]}: say Content-Type: application/json."
    return Json(error_body("RequestValidationError", found, sentences[:2000]), status_code=422)


async def _http(_request: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)
    return Json(error_body("HTTPException", error.detail), status_code=error.status_code, headers=error.headers)


def _plain(part: Any) -> Any:
    return part if isinstance(part, int) else str(part)[:100]
