"""Who is at the other end of a connection: address and TLS client certificate. It decides nobody's rights."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Protocol, cast

from aiohttp import web

# What a connection over a socket of the file system has instead of an address.
LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What is known of a client from its connection alone, which stays the same for as long as that lasts.

    ``address``: its IP address, without port; ``local`` for a connection over a Unix socket. ``is_secure``: it speaks
    HTTPS. ``certificate_der``: its TLS client certificate, ``None`` without one. That is a user's only if the authority
    says so: after a session was resumed, TLS has not looked at it again. ``was_asked``: False if TLS could not ask for
    one, because the connection began before the server could work.
    """

    address: str
    is_secure: bool
    certificate_der: bytes | None
    was_asked: bool

    @classmethod
    def of(cls, transport: asyncio.BaseTransport) -> Peer:
        """After the handshake, where there is one."""
        secured = transport.get_extra_info("ssl_object")
        return cls(
            address=address_of(transport.get_extra_info("peername")),
            is_secure=secured is not None,
            certificate_der=None if secured is None else secured.getpeercert(binary_form=True),
            was_asked=secured is None or secured.context.verify_mode is not ssl.CERT_NONE,
        )


class _Connected(Protocol):
    """A connection: ``caucase.server.connection``."""

    @property
    def peer(self) -> Peer: ...


def peer_of(request: web.BaseRequest) -> Peer:
    """Who sent it. Also when the client has gone: what it has asked for is done, and is still its own."""
    return cast("_Connected", request.protocol).peer


def address_of(name: object) -> str:
    """The address of what a socket calls its peer, as ``Peer`` has it."""
    if not isinstance(name, tuple):
        return LOCAL
    host = str(name[0])
    mapped = ipaddress.IPv6Address(host).ipv4_mapped if host.startswith("::ffff:") else None
    return str(mapped or host)
