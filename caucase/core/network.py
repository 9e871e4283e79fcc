"""Which addresses count as one, where something is limited for each."""

from __future__ import annotations

import ipaddress

# What providers hand to one customer, at the least (RFC 6177): whoever has one address there has all of them.
_IPV6_PREFIX = 64


def network_of(address: str) -> str:
    """An IPv4 address itself, of an IPv6 address its /64; anything else, such as ``local``, as it is."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    prefix = int(parsed) >> (128 - _IPV6_PREFIX) << (128 - _IPV6_PREFIX)
    return f"{ipaddress.IPv6Address(prefix)}/{_IPV6_PREFIX}"
