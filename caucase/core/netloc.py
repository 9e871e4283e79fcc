"""The address at which verifiers reach the service: ``host[:port]``. It never resolves a name.

It is written into certificates, so it is checked here once, strictly.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from caucase.errors import Malformed

HTTP_PORT = 80
HTTPS_PORT = 443

# RFC 1123 section 2.1 and RFC 5890: letters, digits, hyphens; IDNs arrive as A-labels. An underscore is no
# host name.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_END = r"(?![A-Za-z0-9.-])"
# 253 characters at most; and what looks like an IPv4 address and is none is a typing error, not a name.
HOST_PATTERN = rf"(?=[A-Za-z0-9.-]{{1,253}}{_END})(?![0-9.]+{_END}){_LABEL}(?:\.{_LABEL})*"
"""The name of a host, as a pattern that can stand within another."""


@dataclass(frozen=True, kw_only=True)
class NetLoc:
    """``host``: a DNS name in ASCII or an IP address without brackets; ``port``: of HTTP, ``None`` means 80."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> NetLoc:
        """Read ``host``, ``host:port``, ``192.0.2.1:port`` or ``[2001:db8::1]:port``; Malformed says what is
        wrong.
        """
        if not isinstance(text, str) or not text:
            raise Malformed("netloc is empty.", "Give host or host:port, for example ca.example.com:8009.")
        if "/" in text:
            raise Malformed(
                f"netloc {text!r}: give host or host:port only, without http:// and without a path, "
                "as in ca.example.com:8009."
            )
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise Malformed(f"netloc {text!r}: an IPv6 address is written [address] or [address]:port.")
            try:
                address = ipaddress.IPv6Address(host)
            except ValueError:
                address = None
            if address is None or address.scope_id is not None:  # a zone means something on one machine only
                raise Malformed(f"netloc {text!r}: {host!r} is not an IPv6 address.")
            host = str(address)
            colon, port_text = rest[:1], rest[1:]
        else:
            host, colon, port_text = text.partition(":")
            if ":" in port_text:
                raise Malformed(
                    f"netloc {text!r}: write an IPv6 address in brackets, as in [2001:db8::1]:8009."
                )
            _check_host(text, host)
        return cls(host=host, port=_parse_port(text, port_text) if colon else None)

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an address, ``None`` when it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def http_port(self) -> int:
        return HTTP_PORT if self.port is None else self.port

    @property
    def https_port(self) -> int:
        return https_port_for(self.http_port)

    @property
    def authority(self) -> str:
        """The HTTP authority part of a URL; the port is left out when it is HTTP's own."""
        return self._bracketed if self.http_port == HTTP_PORT else f"{self._bracketed}:{self.http_port}"

    @property
    def https_authority(self) -> str:
        """The HTTPS authority part of a URL; the port is left out when it is HTTPS's own."""
        port = self.https_port
        return self._bracketed if port == HTTPS_PORT else f"{self._bracketed}:{port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return self._bracketed if self.port is None else f"{self._bracketed}:{self.port}"


def https_port_for(http_port: int) -> int:
    """443 for 80, else the next port."""
    return HTTPS_PORT if http_port == HTTP_PORT else http_port + 1


def _check_host(text: str, host: str) -> None:
    if re.fullmatch(r"[0-9.]+", host, re.ASCII):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise Malformed(f"netloc {text!r}: {host!r} is not an IPv4 address.") from None
        return
    if not re.fullmatch(HOST_PATTERN, host, re.ASCII):
        raise Malformed(
            f"netloc {text!r}: {host!r} is not a host name.", "Give a non-ASCII name in its xn-- form."
        )


def _parse_port(text: str, port: str) -> int:
    # The HTTPS port is the next one, so 65535 has none.
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65534):
        raise Malformed(f"netloc {text!r}: the port must be a number from 1 to 65534.")
    return int(port)
