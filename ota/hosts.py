"""Where a host stands: which servers may be sent a key in the open."""

from __future__ import annotations

import ipaddress


def is_near(host: str) -> bool:
    """On this machine or in the same private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
