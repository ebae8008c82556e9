"""Names under which only this machine reaches itself."""

from __future__ import annotations

import ipaddress

_NAMES = frozenset({"localhost", "localhost.localdomain"})


def is_own_host(name: str) -> bool:
    """Whether ``name``, a host name or an address without port and brackets, leads to this machine wherever it is asked. "127.0.0.1.evil" does not."""
    name = name.lower().rstrip(".")
    try:
        return name in _NAMES or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
