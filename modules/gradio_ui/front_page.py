"""The page's HTML without Gradio's part of the work: for each visitor it copies and writes out a megabyte that is always the same."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules.gradio_ui.head import HEAD_MARK
from modules.gradio_ui.static_files import pack, tagged_answer

MOST_KEPT = 16  # names under which visitors know the server
ADDRESS_HEADERS = frozenset({b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix", b"x-forwarded-port"})


@dataclass(eq=False)
class FrontPage:
    """ASGI application: Gradio's server, whose "/" is asked for once for each address that the server goes by; the head is made anew each time.

    app: Gradio's. head: the lines of <head>. visited: called for each browser that asks.
    """

    app: ASGIApp
    head: Callable[[], str]
    visited: Callable[[], None] = lambda: None
    _kept: dict[tuple[Any, ...], tuple[str, str]] = field(default_factory=dict)
    _sent: Sent | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _asks_for_the_page(scope):
            await self.app(scope, receive, send)
            return
        if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
            self.visited()
        async with self._one_at_a_time:  # whoever comes while it is made the first time waits for that one
            halves = await self._halves(scope, receive)
        if halves is None:
            await self.app(scope, receive, send)
            return
        head = await run_in_threadpool(self.head)
        if self._sent is None or not self._sent.is_of(halves, head):
            self._sent = await run_in_threadpool(Sent.of, halves, head)
        await self._sent.answer(Headers(scope=scope))(scope, receive, send)

    async def _halves(self, scope: Scope, receive: Receive) -> tuple[str, str] | None:
        """The page before its head and after it; None where Gradio answers something else."""
        address = _address(scope)
        if address not in self._kept:
            html = await _answer(self.app, scope, receive)
            before, mark, after = html.partition(HEAD_MARK)
            if not mark:
                return None
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[address] = (before, after)
        return self._kept[address]


@dataclass(frozen=True, eq=False)
class Sent:
    """The page as the last visitor got it: until something on it changes, the next one gets the same, which is packed already."""

    halves: tuple[str, str]
    head: str
    content: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, halves: tuple[str, str], head: str) -> Sent:
        """Packs the page; some 20 ms."""
        content = (halves[0] + head + halves[1]).encode("utf-8")
        return cls(halves, head, content, pack(content), hashlib.sha256(content).hexdigest()[:16])

    def is_of(self, halves: tuple[str, str], head: str) -> bool:
        """Whether it is the page of these parts."""
        return self.halves is halves and self.head == head

    def answer(self, asked: Headers) -> Response:
        """Nothing where the browser has it already."""
        return tagged_answer(asked, "text/html", tag=self.tag, content=self.content, packed=lambda: self.packed)


def _asks_for_the_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or b"deep_link" in scope.get("query_string", b""):
        return False
    path, root = scope["path"], scope.get("root_path", "")
    return path.removeprefix(root) in ("", "/")


def _address(scope: Scope) -> tuple[Any, ...]:
    """What the addresses in the page are made from."""
    return (scope.get("scheme"), scope.get("root_path"), *(each for each in scope["headers"] if each[0] in ADDRESS_HEADERS))


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> str:
    """The page's HTML with HEAD_MARK in place of its head; "" when the answer is another one."""
    parts: list[bytes] = []
    status = 0

    async def take(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await app({**scope, "query_string": b"", HEAD_MARK: True}, receive, take)
    return b"".join(parts).decode("utf-8") if status == 200 else ""
