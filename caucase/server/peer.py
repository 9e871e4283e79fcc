"""Who is at the other end of a connection: address and TLS client certificate. It decides nobody's rights."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Protocol, cast

from aiohttp import web

# What a connection over a socket of the file system has instead of an address.
LOCAL = "local"


class _Addressed(Protocol):
    """A connection: ``caucase.server.connection``."""

    @property
    def address(self) -> str: ...


def address(request: web.BaseRequest) -> str:
    """The IP address of the peer, without port; ``local`` for a connection over a Unix socket.

    Also when the client has gone: what it has asked for is done, and is still its own.
    """
    return cast("_Addressed", request.protocol).address


def address_of(name: object) -> str:
    """The address of what a socket calls its peer."""
    if not isinstance(name, tuple):
        return LOCAL
    host = str(name[0])
    mapped = ipaddress.IPv6Address(host).ipv4_mapped if host.startswith("::ffff:") else None
    return str(mapped or host)


def certificate_der(request: web.BaseRequest) -> bytes | None:
    """The TLS client certificate, in DER, ``None`` without one and over plain HTTP.

    It is a user's only if the authority says so: after a session was resumed, TLS has not looked at it again.
    """
    connection = request.get_extra_info("ssl_object")
    return None if connection is None else connection.getpeercert(binary_form=True)


def was_asked(request: web.BaseRequest) -> bool:
    """False for a connection in which TLS could not ask for a certificate: it began before the server could work."""
    connection = request.get_extra_info("ssl_object")
    return connection is None or connection.context.verify_mode is not ssl.CERT_NONE
