"""Requests as an attacker writes them: every byte of the path and every header as it is, no redirect followed."""

from __future__ import annotations

import base64
import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 6  # half seconds that a request with the right password waits for its turn

@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(kw_only=True)
class Wire:
    """One connection at a time to a server. auth: "name:password" that every request carries. prefix: of --subpath."""

    url: str
    auth: str = ""
    prefix: str = ""
    timeout: float = 60.0
    _line: http.client.HTTPConnection | None = field(default=None, repr=False)

    def send(self, method: str, path: str | bytes, *, headers: Mapping[str, str] | None = None, body: bytes | None = None, auth: str | None = None,
             most: int = 4_000_000) -> Answer:  # fmt: skip
        """``path``: its letters go out as they are where HTTP's first line can hold them, the others escaped. most: bytes of the answer that are read."""
        given = self.auth if auth is None else auth
        answer = self._sent(method, path, headers or {}, body, given, most)
        for _ in range(PATIENCE if auth is None and given else 0):  # a stranger's guesses from the same address keep everybody waiting for a second
            if answer.status != 429:
                break
            time.sleep(0.5)
            answer = self._sent(method, path, headers or {}, body, given, most)
        return answer

    def _sent(self, method: str, path: str | bytes, headers: Mapping[str, str], body: bytes | None, given: str, most: int) -> Answer:
        sent = {"Host": urlsplit(self.url).netloc, **headers}
        if given:
            sent.setdefault("Authorization", basic(given))
        for attempt in (1, 2):
            line = self._connected()
            try:
                line.putrequest(method, _target(self.prefix, path), skip_host=True, skip_accept_encoding=True)
                for name, value in sent.items():
                    line.putheader(name, value.encode("latin-1", "replace"))
                if body is not None:
                    line.putheader("Content-Length", str(len(body)))
                line.endheaders(body)
                return _read(line, most)
            except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError("the loop returns or raises")

    def json(self, method: str, path: str, value: Any, **more: Any) -> Answer:
        import json

        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return self.send(method, path, body=json.dumps(value).encode(), headers=headers, **more)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._line is None:
            parts = urlsplit(self.url)
            self._line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self.timeout)
            self._line.connect()
            self._line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._line._http_vsn_str = "HTTP/1.1"  # type: ignore[attr-defined]
            self._line._validate_path = lambda _path: None  # type: ignore[attr-defined]
        return self._line


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _target(prefix: str, path: str | bytes) -> str:
    raw = path.encode("utf-8", "surrogatepass") if isinstance(path, str) else path
    return prefix + "".join(chr(each) if 32 < each < 127 else f"%{each:02X}" for each in raw)


def _read(line: http.client.HTTPConnection, most: int) -> Answer:
    answer = line.getresponse()
    is_stream = "text/event-stream" in (answer.getheader("content-type") or "")
    body = answer.read(most) if not is_stream else answer.read1(most)
    if is_stream or not answer.isclosed():
        line.close()
    return Answer(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=body)
