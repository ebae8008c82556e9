"""Input pictures named by address: fetched before a job is made, as far as the settings allow, with limits on size, time and hops.

The name is looked up once and the connection goes to that very address, so that a name cannot point elsewhere after the check.
"""
from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.application.engine_inputs import SettingsView

MOST_BYTES = 20_000_000
MOST_SECONDS = 10.0             # for everything together, redirects included
MOST_REDIRECTS = 3
MOST_ADDRESSES = 16             # of one request
PICTURE_FIELDS = ("init_images", "mask", "latent_mask", "depth_map", "further_images", "firstpass_image")
_ADDRESS = re.compile(r"\s*https?://", re.IGNORECASE)
_OLD_IPV4 = ipaddress.ip_network("::/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")      # IPv6 addresses behind which an IPv4 one is asked
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 65_536


def is_address(value: Any) -> bool:
    """Whether a picture is named by http or https address."""
    return isinstance(value, str) and bool(_ADDRESS.match(value[:100]))


def with_fetched_pictures(values: Mapping[str, Any], settings: SettingsView) -> dict[str, Any]:
    """``values`` of a request with each picture that is an address replaced by its content. Raises InvalidValue."""
    fetched = dict(values)
    listed = (value if isinstance(value, list) else [value] for value in map(values.get, PICTURE_FIELDS))
    count = sum(is_address(each) for pictures in listed for each in pictures)
    if count > MOST_ADDRESSES:
        raise InvalidValue(f"The request names {count} pictures by address; at most {MOST_ADDRESSES} are fetched.", "Send them in base64.", field="init_images")
    for name in PICTURE_FIELDS:
        value = values.get(name)
        if isinstance(value, list):
            fetched[name] = [fetched_picture(each, settings, field=name) for each in value]
        else:
            fetched[name] = fetched_picture(value, settings, field=name)
    return {name: value for name, value in fetched.items() if name in values}


def fetched_picture(value: Any, settings: SettingsView, *, field: str = "image") -> Any:
    """Base64 of the file behind an address; anything else as it is. Blocks: never called on the worker. Raises InvalidValue."""
    if not is_address(value):
        return value
    if not settings.get("api_enable_requests"):
        raise InvalidValue(f"{field}: Requests not allowed: pictures are not fetched from addresses here.",
                           "Send the picture itself in base64, or switch on api_enable_requests.", field=field)
    data = fetch(value.strip(), local_allowed=not settings.get("api_forbid_local_requests"), agent=settings.get("api_useragent"), field=field)
    return base64.b64encode(data).decode("ascii")


def fetch(address: str, *, local_allowed: bool, agent: str = "", field: str = "image") -> bytes:
    """The bytes behind an address, after at most MOST_REDIRECTS hops, each checked like the first. Raises InvalidValue."""
    end = time.monotonic() + MOST_SECONDS
    try:
        for _hop in range(MOST_REDIRECTS + 1):
            status, place, data = _get(_split(address, field), end, local_allowed, agent, field)
            if status not in _REDIRECTS or not place:
                break
            address = urljoin(address, place)
        else:
            raise _refused(field, f"it was redirected more than {MOST_REDIRECTS} times")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _refused(field, f"{type(error).__name__}: {error}"[:200]) from error
    if status != 200:
        raise _refused(field, f"the server answered {status}")
    return data


def _split(address: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  raises for a port that is no number
    except ValueError as error:
        raise _refused(field, "the address cannot be read") from error
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise _refused(field, "only http and https addresses are fetched")
    if not address.isascii() or any(ord(letter) <= 32 for letter in address):
        raise _refused(field, "the address holds letters that must be escaped")
    return parts


def _get(parts: SplitResult, end: float, local_allowed: bool, agent: str, field: str) -> tuple[int, str, bytes]:
    """(status, where it redirects to, body) of one request."""
    connection = connected(parts, local_allowed, field, timeout=lambda: _left(end, field))
    watch = threading.Timer(_left(end, field), _hang_up, [connection.sock])     # a header that comes letter by letter never runs into a timeout
    watch.start()
    try:
        headers = {"Accept": "image/*", "Host": parts.netloc.rpartition("@")[2]} | ({"User-Agent": agent} if agent.isprintable() and agent else {})
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
        answer = connection.getresponse()
        place = answer.getheader("Location") or ""
        body = b"" if answer.status != 200 else _read(answer, connection.sock, end, field)
        _left(end, field)               # a line that was cut looks like one that ended
        return answer.status, place, body
    except (OSError, http.client.HTTPException):
        _left(end, field)
        raise
    finally:
        watch.cancel()
        connection.close()


def _hang_up(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def connected(parts: SplitResult, local_allowed: bool, field: str, *, timeout: Callable[[], float]) -> http.client.HTTPConnection:
    """A connection to the very place that was checked. timeout: seconds that are left. Raises InvalidValue for a place that is not asked, OSError."""
    secure = parts.scheme.lower() == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    place = checked_place(host, port, local_allowed, field)
    plain = socket.create_connection((place, port), timeout=timeout())
    connection = http.client.HTTPConnection(host, port)
    connection.sock = plain
    if secure:
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
    return connection


def _read(answer: http.client.HTTPResponse, sock: socket.socket | None, end: float, field: str) -> bytes:
    declared = answer.getheader("Content-Length") or ""
    if declared.isdecimal() and int(declared) > MOST_BYTES:
        raise _refused(field, f"it is larger than {MOST_BYTES / 1e6:.0f} MB")
    data = bytearray()
    while True:
        if sock is not None and sock.fileno() >= 0:
            sock.settimeout(_left(end, field))
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return bytes(data)
        data += chunk
        if len(data) > MOST_BYTES:
            raise _refused(field, f"it is larger than {MOST_BYTES / 1e6:.0f} MB")
        _left(end, field)


def checked_place(host: str, port: int, local_allowed: bool, field: str) -> str:
    """The first address of ``host``; none of its addresses may be local when that is forbidden."""
    places = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not local_allowed and not all(_is_public(place) for place in places):
        raise InvalidValue(f"{field}: Request to local resource not allowed.",
                           "Send the picture itself in base64, or switch off api_forbid_local_requests.", field=field)
    return places[0]


def _is_public(place: str) -> bool:
    address = ipaddress.ip_address(place.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _OLD_IPV4 or address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(each is not None and not each.is_global for each in inner):
            return False
    return address.is_global and not address.is_multicast


def _left(end: float, field: str) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _refused(field, f"it took longer than {MOST_SECONDS:.0f} seconds")
    return left


def _refused(field: str, reason: str) -> InvalidValue:
    return InvalidValue(f"{field}: the picture could not be fetched from its address: {reason}.", "Send the picture itself in base64.", field=field)
