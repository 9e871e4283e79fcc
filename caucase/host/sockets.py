"""The listening sockets: inherited from systemd (sd_listen_fds(3)), or bound here when nobody gave any.

It accepts no connection, and it never shuts an inherited socket down: that one stays systemd's.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from systemd.daemon import listen_fds_with_names

from caucase.core.netloc import NetLoc, https_port_for
from caucase.errors import CaucaseError, ConfigError

# As large as the kernel's default for net.core.somaxconn since Linux 5.4, so that a burst waits instead of
# being refused.
BACKLOG = 4096

_NAMES = ("http", "https")
_VARIABLES = ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID")
_NAMING_HINT = (
    "Set FileDescriptorName= in the socket unit to http or https "
    "(systemd-socket-activate: --fdname=http:https)."
)


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Listening sockets by what is spoken on them. ``inherited``: who started this process has them too."""

    http: tuple[socket.socket, ...]
    https: tuple[socket.socket, ...]
    inherited: bool

    def close(self) -> None:
        """Close this process's descriptors. Inherited sockets go on listening at whoever holds them."""
        for listener in (*self.http, *self.https):
            listener.close()


def inherited_listeners() -> Listeners | None:
    """The sockets that were handed to this process, ``None`` if there are none; to be called once.

    Their descriptors are not passed on to children, and the environment variables are removed. ConfigError if
    a socket is not a listening stream socket, is not named ``http`` or ``https``, or one of the two is
    missing.
    """
    handed: dict[str, list[socket.socket]] = {name: [] for name in _NAMES}
    try:
        named = listen_fds_with_names(unset_environment=False)
    except OSError as error:
        raise ConfigError(
            "The inherited sockets do not match LISTEN_FDS and LISTEN_FDNAMES.", _NAMING_HINT
        ) from error
    finally:
        # The library would do it behind the back of os.environ.
        for variable in _VARIABLES:
            os.environ.pop(variable, None)
    if not named:
        return None
    for descriptor, name in named.items():
        if name not in handed:
            raise ConfigError(f"An inherited socket is named {name!r}, not http or https.", _NAMING_HINT)
        handed[name].append(_listening_socket(descriptor, name))
    for name, listeners in handed.items():
        if not listeners:
            raise ConfigError(f"No inherited socket is named {name}.", _NAMING_HINT)
    return Listeners(http=tuple(handed["http"]), https=tuple(handed["https"]), inherited=True)


def bind_listeners(bind: Sequence[str], netloc: NetLoc, base_port: int | None) -> Listeners:
    """Listen on the addresses ``bind``, or if there are none on those of this machine that netloc's host
    resolves to.

    HTTP is on ``base_port`` or netloc's port, HTTPS on 443 if that is 80, else on the next one. CaucaseError
    names the address and port that cannot be had; nothing stays open then.
    """
    http_port = netloc.http_port if base_port is None else base_port
    addresses = tuple(dict.fromkeys(bind)) or _own_addresses(netloc.host)
    opened: list[socket.socket] = []
    try:
        for port in (http_port, https_port_for(http_port)):
            opened.extend(_listen(address, port) for address in addresses)
    except BaseException:
        _close(opened)
        raise
    half = len(addresses)
    return Listeners(http=tuple(opened[:half]), https=tuple(opened[half:]), inherited=False)


def _listening_socket(descriptor: int, name: str) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ConfigError(f"What is inherited as {name} is not a socket.", _NAMING_HINT) from error
    accepts = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if listener.family not in families or listener.type != socket.SOCK_STREAM or not accepts:
        raise ConfigError(
            f"The inherited socket {name} is not a listening stream socket.",
            "Use ListenStream= and Accept=no in the socket unit.",
        )
    return listener


def _own_addresses(host: str) -> tuple[str, ...]:
    """Those addresses of ``host`` that are this machine's; a name may have others, such as a proxy's."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CaucaseError(
            f"The host of netloc, {host}, cannot be resolved: {error.strerror}.", "Give --bind ADDRESS."
        ) from error
    own = tuple(dict.fromkeys(str(entry[4][0]) for entry in found if _is_own(str(entry[4][0]))))
    if not own:
        raise CaucaseError(
            f"None of the addresses of netloc's host, {host}, belongs to this machine.",
            "Give --bind ADDRESS.",
        )
    return own


def _is_own(address: str) -> bool:
    family, place = _place(address, 0)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(place)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return False
        raise
    return True


def _listen(address: str, port: int) -> socket.socket:
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    listener = None
    try:
        family, place = _place(address, port)
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # So that :: and 0.0.0.0 can be had side by side.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CaucaseError(f"Cannot listen on {shown}: {reason}.") from error
    return listener


def _place(address: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Family and socket address of a numeric address; a zone (``%eth0``) becomes the scope of an IPv6 one."""
    entry = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )[0]
    return entry[0], entry[4]


def _close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
