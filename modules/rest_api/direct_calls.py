"""A route's function as extensions call it, without a request: ``route.endpoint(body)``, or a method of A1111's ``Api``."""
from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel


class Answer(dict[str, Any]):
    """What a route answers: read by key, as JSON is, and by attribute, as A1111's models are."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def dict(self, **_: Any) -> dict[str, Any]:
        return dict(self)

    model_dump = dict


def readable(value: Any) -> Any:
    """``value`` with every object in it an ``Answer``."""
    if isinstance(value, Mapping):
        return Answer({key: readable(each) for key, each in value.items()})
    return [readable(each) for each in value] if isinstance(value, list) else value


def called_directly(handler: Callable[..., Any]) -> Callable[..., Any]:
    """``handler`` as a plain function that waits for its answer. It takes the body first, though the handler may take the request before it.

    Where the handler has the values themselves (``skip_current_image``), a body gives those that it has.
    """

    @functools.wraps(handler)
    def call(*given: Any, **named: Any) -> Any:
        arguments = _arguments(inspect.signature(handler, eval_str=True), given, named)
        return readable(_waited_for(handler, arguments) if inspect.iscoroutinefunction(handler) else handler(**arguments))

    return call


def _arguments(signature: inspect.Signature, given: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    found, rest = dict(named), [each for each in given if not isinstance(each, Request)]
    for name, parameter in signature.parameters.items():
        if parameter.annotation is Request:
            found.setdefault(name, next((each for each in given if isinstance(each, Request)), Request({"type": "http", "headers": []})))
        elif name not in found and rest:
            if isinstance(rest[0], BaseModel) and not _takes_a_body(parameter):
                body = rest.pop(0)
                found |= {each: getattr(body, each) for each in signature.parameters if each in type(body).model_fields}
            else:
                found[name] = rest.pop(0)
    return {name: value for name, value in found.items() if name in signature.parameters}


def _takes_a_body(parameter: inspect.Parameter) -> bool:
    return not (isinstance(parameter.annotation, type) and issubclass(parameter.annotation, bool | int | float | str))


def _waited_for(handler: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """On a thread of its own: whoever calls may have a running loop, in which nothing can be waited for."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="direct-call") as pool:
        return pool.submit(lambda: asyncio.run(handler(**arguments))).result()


def endpoint_of(server: FastAPI, path: str, method: str) -> Callable[..., Any] | None:
    """The function of a route, to be called directly; None where the server has no such route."""
    for each in server.routes:
        if getattr(each, "path", None) == path and method in (getattr(each, "methods", None) or ()):
            return getattr(each, "endpoint", None)
    return None
