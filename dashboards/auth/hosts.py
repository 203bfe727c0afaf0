"""Names by which a browser reaches the machine that it runs on."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NAMES = ("localhost", "localhost.localdomain")


def is_local_host(host: str) -> bool:
    """Return whether a request's Host is a name of the loopback address that no one else can give.

    Args:
        host: name or address, with a port or without.

    Example:
        >>> is_local_host("127.0.0.1:8050"), is_local_host("localhost.evil.example")
        (True, False)
    """
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in _NAMES or name.endswith(".localhost")
