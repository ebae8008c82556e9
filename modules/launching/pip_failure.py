"""Why pip failed, in a sentence, with what to do about it: read from what it printed."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from modules.launching.network import configured_certificates, configured_proxy


class Cause(Enum):
    """What kept pip from its work. The first of these whose marks are printed is the cause: later ones follow from earlier ones."""

    DISK = "disk"
    CERTIFICATE = "certificate"
    PROXY = "proxy"
    NETWORK = "network"
    PERMISSION = "permission"
    MANAGED = "managed"
    CONFLICT = "conflict"
    NOT_FOUND = "not found"
    BUILD = "build"
    OTHER = "other"


_MARKS: tuple[tuple[Cause, str], ...] = (
    (Cause.DISK, r"No space left on device|\[Errno 28\]|WinError 112|Disk quota exceeded|\[Errno 122\]"),
    (Cause.CERTIFICATE, r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|self[- ]signed certificate"),
    (Cause.PROXY, r"ProxyError|Cannot connect to proxy|Tunnel connection failed|407 Proxy"),
    (
        Cause.NETWORK,
        (r"NewConnectionError|Failed to establish a new connection|name resolution|getaddrinfo failed|nodename nor servname|Name or service not"
        r"|Network is unreachable|No route to host|ConnectTimeout|Read timed out|ReadTimeoutError|Connection refused|Connection reset"
        r"|RemoteDisconnected|IncompleteRead|Connection broken"),
    ),
    (Cause.MANAGED, r"externally-managed-environment"),
    (Cause.PERMISSION, r"\[Errno 13\]|Permission denied|WinError 5\b|WinError 32\b|Read-only file system|\[Errno 30\]"),
    (Cause.CONFLICT, r"ResolutionImpossible|conflicting dependencies|user requested \(constraint\)"),
    (Cause.NOT_FOUND, r"No matching distribution found|Could not find a version that satisfies"),
    (Cause.BUILD, r"Failed building wheel|subprocess-exited-with-error|Failed to build"),
)
_DETAIL_LINES = 6


@dataclass(frozen=True, kw_only=True)
class PipFailure:
    """``message`` and ``remedy`` as in WebuiError; ``details``: the last telling lines of pip."""

    cause: Cause
    message: str
    remedy: str
    details: str


def explain(output: str, *, what: str, place: str, environ: Mapping[str, str]) -> PipFailure:
    """Read pip's ``output``. what: "torch 2.13.0+cpu", "the packages of requirements.txt". place: where it was installing to."""
    cause = next((cause for cause, marks in _MARKS if re.search(marks, output, re.IGNORECASE)), Cause.OTHER)
    message, remedy = _sentences(cause, what, place, environ)
    return PipFailure(cause=cause, message=message, remedy=remedy, details=_telling_lines(output))


def _sentences(cause: Cause, what: str, place: str, environ: Mapping[str, str]) -> tuple[str, str]:
    proxy, certificates = configured_proxy(environ), configured_certificates(environ)
    via = f" through the proxy {proxy}" if proxy else ""
    again = "Then start again: what was already installed is kept."
    sentences = {
        Cause.DISK: (f"The disk is full: {what} does not fit into {place}.", f"Free some gigabytes on that disk. {again}"),
        Cause.CERTIFICATE: (
            f"{what} could not be downloaded{via}: the server's certificate is not trusted"
            + (f" (certificates: {certificates})." if certificates else ", neither by pip nor by this system."),
            ("On a company network, ask for its certificate file (.pem) and set PIP_CERT to its path, or INDEX_URL to the company's "
            f"package mirror. {again}"),
        ),
        Cause.PROXY: (
            f"{what} could not be downloaded: the proxy {proxy or 'of this system'} refused or did not answer.",
            f"Set HTTPS_PROXY to http://user:password@host:port as your company gives it, or clear it when there is no proxy. {again}",
        ),
        Cause.NETWORK: (
            f"{what} could not be downloaded{via}: there is no connection to the package index.",
            ("Check the network. Behind a company's proxy set HTTPS_PROXY, with a package mirror set INDEX_URL; "
            f"without any network, copy a venv folder from a like machine. {again}"),
        ),
        Cause.PERMISSION: (
            f"{what} could not be written to {place}: permission denied, or a file there is in use.",
            f"Close other running copies of the web UI, and make sure that you may write to that folder. {again}",
        ),
        Cause.MANAGED: (
            "This Python belongs to the operating system, which does not let pip write to it.",
            'Leave VENV_DIR unset, so that packages go into the folder venv; VENV_DIR="-" needs a Python of your own.',
        ),
        Cause.CONFLICT: (
            f"{what} cannot be installed together with what is already there, or with a constraint set on this machine.",
            "Rename the folder venv and start again for a fresh one; if that fails too, look at PIP_CONSTRAINT and at `pip config list`.",
        ),
        Cause.NOT_FOUND: (
            f"{what}: no package index that is configured here has a build for this Python.",
            "Python 3.11 to 3.13 have one; look at INDEX_URL and at `pip config list` if you use a mirror.",
        ),
        Cause.BUILD: (
            f"{what}: a package had to be compiled, and that failed.",
            "Use Python 3.11 to 3.13, for which ready-made packages exist; rename the folder venv when you change the Python.",
        ),
    }
    return sentences.get(cause, (f"{what} could not be installed.", f"The lines below say why. {again}"))


def _telling_lines(output: str) -> str:
    lines = [line.rstrip() for line in output.splitlines() if line.strip() and "[notice]" not in line]
    errors = [line for line in lines if re.match(r"\s*(ERROR|error)\b", line)]
    return "\n".join((errors or lines)[-_DETAIL_LINES:])
