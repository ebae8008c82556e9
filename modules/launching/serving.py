"""Where the server listens, and the word to the user when the page really answers."""
from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modules.launching.failure import LaunchError
from modules.schema.flags import Flags

PAGE_PORT, API_PORT = 7860, 7861
PORTS_TRIED = 100
ANSWER_TIMEOUT = 120  # seconds to wait for the first answer before giving up on it
EVERYWHERE = ("0.0.0.0", "::")
LAST_OF_THE_ADMINISTRATOR = 1023
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Address:
    """``host``: what the socket is bound to. ``url``: what a person on this machine opens, ending in "/"."""

    host: str
    port: int
    url: str

    @property
    def is_open_to_others(self) -> bool:
        return self.host not in LOOPBACK_HOSTS and not self.host.startswith("127.")


def listen(flags: Flags) -> tuple[socket.socket, Address]:
    """A bound socket: on --port exactly, else on the first free port from 7860 (7861 with --nowebui).

    Only this machine is let in unless --listen or --server-name says otherwise. LaunchError when nothing can be bound.
    """
    host = flags.server_name or ("0.0.0.0" if flags.listen else "127.0.0.1")
    first = flags.port if flags.port is not None else API_PORT if flags.nowebui else PAGE_PORT
    tried = 1 if flags.port is not None else PORTS_TRIED
    for port in range(first, first + tried):
        try:
            bound = _bind(host, port)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES) and port + 1 < first + tried:
                continue
            raise _cannot_bind(host, port, error) from error
        actual = bound.getsockname()[1]  # differs from ``port`` for --port 0
        return bound, Address(host=host, port=actual, url=_url(flags, host, actual))
    raise AssertionError("the loop above returns or raises")


def when_answering(address: Address, do: Callable[[], None]) -> threading.Thread:
    """In the background: wait for the first answer, then ``do()``."""

    def wait_and_do() -> None:
        if wait_for_answer(address, ANSWER_TIMEOUT):
            do()

    thread = threading.Thread(target=wait_and_do, name="announce", daemon=True)
    thread.start()
    return thread


def wait_for_answer(address: Address, seconds: float) -> bool:
    """Whether the server answers anything but an error of its own within ``seconds``. Never through a proxy."""
    host = address.host if address.host not in EVERYWHERE else "127.0.0.1"
    path = "/" + address.url.split("://", 1)[1].partition("/")[2]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection = _connection(address, host)
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return True
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    return False


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether a browser window could open here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def certificate_files(flags: Flags) -> tuple[str | None, str | None]:
    """(key, certificate) of --tls-keyfile and --tls-certfile. LaunchError when one is missing or cannot be read."""
    given = {"--tls-keyfile": flags.tls_keyfile, "--tls-certfile": flags.tls_certfile}
    if not any(given.values()):
        return None, None
    for flag, path in given.items():
        if not path or not os.path.isfile(path):
            what = f"names {path}, which is no file" if path else "is missing"
            raise LaunchError(f"TLS needs both --tls-keyfile and --tls-certfile: {flag} {what}.", "Give both, or neither.")
    return flags.tls_keyfile, flags.tls_certfile


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named: where it is not, asyncio leaves Nagle's algorithm on, and every small answer waits 40 ms for the other side's ACK
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "nt":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined]
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _cannot_bind(host: str, port: int, error: OSError) -> LaunchError:
    if error.errno == errno.EADDRINUSE:
        return LaunchError(f"Port {port} is in use, perhaps by another web UI.", "Close that, or choose another with --port.")
    if error.errno == errno.EACCES and port > LAST_OF_THE_ADMINISTRATOR:        # Windows says so of a taken port too, and keeps some for virtual machines
        return LaunchError(f"Port {port} is not to be had: another program uses it, or the system keeps it for itself.", "Choose another with --port.")
    if error.errno == errno.EACCES:
        return LaunchError(f"Port {port} may not be opened by this user.", "Choose one above 1023 with --port.")
    return LaunchError(f"{host} port {port} cannot be opened: {error.strerror or error}.", "Check --server-name and --port.")


def _url(flags: Flags, host: str, port: int) -> str:
    shown = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    subpath = (flags.subpath or "").strip("/")
    return f"http{'s' if flags.tls_certfile else ''}://{shown}:{port}/" + (f"{subpath}/" if subpath else "")


def _connection(address: Address, host: str) -> http.client.HTTPConnection:
    if not address.url.startswith("https"):
        return http.client.HTTPConnection(host, address.port, timeout=30)
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE  # our own server; a self-signed certificate is fine
    return http.client.HTTPSConnection(host, address.port, timeout=30, context=unverified)
