"""The gate in front of every route, Gradio's included: who calls, under which name, from which page, and how much is sent."""
from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from modules.rest_api.credentials import Credentials, Throttle
from modules.rest_api.login import MOST_FORM, Login
from modules.schema.own_hosts import is_own_host

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 128 * 2**20              # bytes; of an API call: it is in memory three times before it is a picture
MAX_UPLOAD = 4 * 2**30              # of a file sent to the page
MOST_DISCARDED = 2**30              # of a body that is too long: read and dropped, so that the caller hears why instead of a broken line
# What containers call the machine that they run on. None of these names can be had by a stranger: ".internal" is nobody's, and Docker writes them into the hosts file.
FROM_CONTAINERS = frozenset({"host.docker.internal", "gateway.docker.internal", "host.containers.internal"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FETCHED_ADDRESS = re.compile(r"file=\s*[a-z][a-z0-9+.-]+:/", re.IGNORECASE)      # a single letter is a drive of Windows
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+)(?::\d{0,5})?")
_API = re.compile(r"^/+(sdapi|controlnet|docs|redoc|openapi\.json)(/|$)", re.IGNORECASE)
_USER_FILES = re.compile(r"(^|/)file[=/]|^/+(gradio_api/)?(stream|uploads?|download)/", re.IGNORECASE)
_ASK_PASSWORD = {"www-authenticate": 'Basic realm="webui", charset="UTF-8"'}
_USER_FILE_POLICY = b"sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
PAGE_MARK = "x-webui-page"            # on the way out of the route for files: an extension's own page, which keeps its rights; the browser does not see it
_SHOWN = re.compile(rb"(image/(png|jpeg|gif|webp|bmp|avif)|video/|audio/|font/|text/(plain|css|csv|javascript)|application/(json|javascript)|multipart/byteranges)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class GuardRules:
    """hosts: names under which the server may be called beside loopback ones; None: under any (it is not bound to loopback).

    origins: pages elsewhere that may call (--cors-allow-origins); origins_pattern: the same as a pattern.
    """

    credentials: Credentials = field(default_factory=Credentials)
    hosts: frozenset[str] | None = frozenset()
    origins: frozenset[str] = frozenset()
    origins_pattern: re.Pattern[str] | None = None
    max_body: int = MAX_BODY

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of another origin may call. "*" allows all, without credentials. Slashes at the end say nothing, and "file://" is all slashes."""
        return origin.rstrip("/") in self.origins or "*" in self.origins or bool(self.origins_pattern and self.origins_pattern.fullmatch(origin))


class Guard:
    """ASGI middleware. Refuses with a sentence in A1111's error shape; adds the headers that keep user files from acting as pages."""

    def __init__(self, app: Any, rules: GuardRules) -> None:
        self.app = app
        self.rules = rules
        self._throttle = Throttle()
        self._login = Login(rules.credentials, self._throttle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal, origin = self._refusal(scope, headers), headers.get("origin", "")
        if refusal is not None:
            status, sentence, more = refusal
            await _refuse(scope, receive, send, status, sentence, more | self._readable_by(origin))
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        if _is_preflight(scope, headers):
            await _answer_preflight(send, self._readable_by(origin), headers)
            return
        limit = self._limit(scope)
        if _declared_length(headers) > limit:
            await _discard(receive, _declared_length(headers))
            await _refuse(scope, receive, send, 413, f"The request holds more than {limit / 2**20:.0f} MB.", self._readable_by(origin))
            return
        body = _Body(receive, limit)
        inner = self._login if self._login.answers(scope["method"], path_of(scope)) else self.app
        await inner(scope, body.receive, self._with_headers(scope, body.answering(send), origin))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, dict[str, str]] | None:
        path, host = path_of(scope), headers.get("host", "")
        if "host" in headers and not self._host_is_ours(host):     # browsers always send one: who sends none speaks HTTP/1.0 and shows no pages
            return 421, f"This server is not called {host[:100]!r}. Open it as http://127.0.0.1, or add the name with --cors-allow-origins.", {}
        if _FETCHED_ADDRESS.search(path):
            return 403, "Files are not fetched from addresses.", {}
        method = scope.get("method", "")
        if scope["type"] == "websocket" or method not in SAFE_METHODS or self._login.closes(method, path):
            sentence = self._cross_site(headers, host)
            if sentence:
                return 403, sentence, {}
        if _is_preflight(scope, headers) or self._login.opens(method, path):    # browsers ask without passwords whether they may ask
            return None
        return self._who(scope, headers, path)

    def _who(self, scope: Scope, headers: dict[str, str], path: str) -> tuple[int, str, dict[str, str]] | None:
        is_api = bool(_API.match(path))
        credentials = self.rules.credentials
        if not credentials.needed(is_api=is_api):
            return None
        user = credentials.user_of_cookie(headers.get("cookie"), is_api=is_api)     # nobody guesses a token: those who have one do not wait for those who guess passwords
        if user is not None:
            scope.setdefault("state", {})["user"] = user
            return None
        client = (scope.get("client") or ("unknown",))[0]
        if self._throttle.is_blocked(client):
            return 429, "Too many wrong passwords.", {"retry-after": "1"}
        given = headers.get("authorization")
        user = credentials.user_of(headers, is_api=is_api)
        if user is None:
            if given:
                self._throttle.wrong(client)
            return 401, "Incorrect username or password" if given else "Not authenticated", _ASK_PASSWORD
        scope.setdefault("state", {})["user"] = user
        return None

    def _host_is_ours(self, host: str) -> bool:
        """A page under a name that merely resolves to us (DNS rebinding) must not talk to a server that only this machine should reach."""
        if self.rules.hosts is None:
            return True
        name = _host_name(host)
        return is_own_host(name) or name in self.rules.hosts or name in FROM_CONTAINERS

    def _cross_site(self, headers: dict[str, str], host: str) -> str:
        """Why a request that changes something is refused as coming from another site's page; empty when it is not.

        Programs send neither header and pass. As Go's CrossOriginProtection does it.
        """
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        if origin and self.rules.allows_origin(origin):
            return ""
        if site in ("same-origin", "none"):
            return ""
        if site:
            return "Requests from pages of other sites are refused. Allow that site with --cors-allow-origins."
        if origin and (_origin_host(origin) != host.lower() or not host):
            return "The Origin header names another site. Allow it with --cors-allow-origins."
        return ""

    def _framing(self) -> bytes:
        """Which pages may show ours inside of theirs: those that may call it. Others could lead a user's clicks."""
        if "*" in self.rules.origins or self.rules.origins_pattern:
            return b""
        named = (origin for origin in sorted(self.rules.origins) if re.fullmatch(r"https?://[\w.:\[\]-]+", origin))
        return " ".join(["frame-ancestors 'self'", *named]).encode("ascii", "ignore")

    def _limit(self, scope: Scope) -> int:
        if self._login.opens(scope["method"], path_of(scope)):
            return MOST_FORM
        return MAX_UPLOAD if scope["path"].rstrip("/").endswith("/upload") else self.rules.max_body

    def _readable_by(self, origin: str) -> dict[str, str]:
        """Headers that let an allowed origin's page read an answer, a refusal too."""
        if not origin or not self.rules.allows_origin(origin):
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin"} | ({} if "*" in self.rules.origins else {"access-control-allow-credentials": "true"})

    def _with_headers(self, scope: Scope, send: Send, origin: str) -> Send:
        """Answer under our own rules for other sites, whatever the inner application says of them."""
        readable = [(key.encode("ascii"), value.encode("latin-1", "replace")) for key, value in self._readable_by(origin).items()]
        is_user_file = bool(_USER_FILES.search(path_of(scope)))

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(key, value) for key, value in message.get("headers", []) if not key.lower().startswith(b"access-control-")]
                kept.append((b"x-content-type-options", b"nosniff"))
                marked = (PAGE_MARK.encode(), b"1") in kept
                kept = [each for each in kept if each[0] != PAGE_MARK.encode()]
                if is_user_file and not marked:
                    kept = _as_user_file(kept)
                elif (framing := self._framing()) and not any(key.lower() == b"content-security-policy" for key, _ in kept):
                    kept.append((b"content-security-policy", framing))
                message = {**message, "headers": [*kept, *readable]}
            await send(message)

        return sender


def _is_preflight(scope: Scope, headers: dict[str, str]) -> bool:
    return scope.get("method") == "OPTIONS" and "access-control-request-method" in headers


def _as_user_file(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Shown where it is a picture, a sound or plain text, else handed out as a file; and in no case a page with rights."""
    kind = next((value for key, value in headers if key.lower() == b"content-type"), b"")
    kept = [(key, value) for key, value in headers if key.lower() != b"content-security-policy"]
    if not _SHOWN.match(kind):
        names = [value.partition(b";")[2] for key, value in kept if key.lower() == b"content-disposition"]
        kept = [(key, value) for key, value in kept if key.lower() != b"content-disposition"]
        kept.append((b"content-disposition", b"attachment" + (b";" + names[0] if names and names[0] else b"")))
    return [*kept, (b"content-security-policy", _USER_FILE_POLICY)]


def path_of(scope: Scope) -> str:
    """The path below --subpath, with escapes undone."""
    path, root = scope.get("path", ""), scope.get("root_path", "")
    return unquote(path[len(root) :] if root and path.startswith(root + "/") else path)


def _headers(scope: Scope) -> dict[str, str]:
    """The first of each header. A second Host or Origin would only be there to confuse."""
    found: dict[str, str] = {}
    for key, value in scope.get("headers", ()):
        found.setdefault(key.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _host_name(host: str) -> str:
    """Without its port; "" for what is no host, such as "[::1].evil"."""
    found = _HOST.fullmatch(host.strip().lower())
    return found[1].strip("[]").rstrip(".") if found else ""


def _origin_host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _declared_length(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


class _Body:
    """What a caller sends, as far as it was asked for. One that is longer than ``limit`` ends as if the caller had gone away."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self._is_whole = receive, limit, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        return message if self._left >= 0 else {"type": "http.disconnect"}

    def answering(self, send: Send) -> Send:
        """Before a refusal is sent, the rest of the body is read and dropped: the caller would hear of a broken line instead of a reason."""

        async def sender(message: Message) -> None:
            if message.get("status", 0) >= 400:
                while not self._is_whole and self._left >= 0:
                    await self.receive()
            await send(message)

        return sender


async def _discard(receive: Receive, declared: int) -> None:
    """Read and drop a body, if it is not endless."""
    while declared <= MOST_DISCARDED and (await receive()).get("more_body"):
        pass


async def _answer_preflight(send: Send, readable: dict[str, str], headers: dict[str, str]) -> None:
    """readable: what lets the asking page read answers, empty where it may not. A page that sends cookies or a password is told here already that it may."""
    said = {"content-length": "0", "vary": "Origin"} | readable
    answer = [(key.encode("ascii"), value.encode("latin-1", "replace")) for key, value in said.items()]
    if readable:
        asked = headers.get("access-control-request-headers", "")
        answer += [
            (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            (b"access-control-allow-headers", re.sub(r"[^\w\-, ]", "", asked)[:500].encode("latin-1", "replace")),
            (b"access-control-max-age", b"600"),
        ]
    await send({"type": "http.response.start", "status": 204 if readable else 403, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str, headers: dict[str, str]) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": "HTTPException", "detail": sentence, "body": "", "errors": ""}).encode("ascii")
    answer = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
    answer += [(key.encode(), value.encode("latin-1", "replace")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": body})
