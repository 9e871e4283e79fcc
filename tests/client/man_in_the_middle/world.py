"""The two servers that it is about, and the man between them and the client.

Both are real ones, which have run for 300 days and have two CAs in each context. What can be revoked has been once, and the
lists of before are kept: a man in the middle keeps anything for later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from caucase.core import message
from caucase.core.x509 import load_certificate
from caucase.store import Database
from tests.server.harness import Server
from tests.server.harness import running as running_server
from tests.server.material import make

from .man import Man, between

DAY = timedelta(days=1)
CA, CHAIN, LISTS, HTTPS_CA = (
    "/cas/crt/ca.crt.pem",
    "/cas/crt/ca.crt.json",
    "/cas/crl",
    "/cas/crt/https-ca.json",
)


@dataclass
class World:
    """``genuine`` is who the client means, ``evil`` the man's own server. ``old_lists``: of before the last revocation."""

    genuine: Server
    evil: Server
    man: Man
    user: Path
    old_lists: bytes


@contextlib.contextmanager
def running(make_folder: Callable[[str], Path]) -> Iterator[World]:
    """Both servers and the man, who are gone at the end. ``make_folder``: a new folder of that name."""
    with contextlib.ExitStack() as stack:
        genuine, evil = (_rolled_over(stack, make_folder(name)) for name in ("genuine", "evil"))
        man = stack.enter_context(between(genuine.port, evil.folder / "server.key.pem"))
        made = make("user")
        user = made.bundle(genuine.folder / "user.pem", genuine.client.become_user(made.csr_pem))
        old_lists = genuine.client.get(LISTS).expect(200).body
        _revoke_any(genuine, user)
        yield World(genuine, evil, man, user, old_lists)


def _rolled_over(stack: contextlib.ExitStack, folder: Path) -> Server:
    """A server that has run for 300 days, with two CAs in each context."""
    server = stack.enter_context(running_server(folder))
    server.clock.ahead = -300 * DAY
    server.configure(stack.enter_context(Database(folder / "caucase.sqlite")))
    assert server.authority is not None
    for server.clock.ahead in (-110 * DAY, timedelta()):
        server.authority.maintain()
    return server


def _revoke_any(server: Server, user: Path) -> None:
    serial = x509.random_serial_number()
    body = message.null({"revoke_serial": serial}).dump()
    headers = {"Content-Type": "application/json"}
    server.client.ask("PUT", "/cas/crt/revoke", body, headers, user=user).expect(204)


def cas_of(server: Server) -> list[x509.Certificate]:
    """Oldest first."""
    anchor = load_certificate(server.client.get(CA).body)
    chain = (message.from_json(link) for link in server.client.get(CHAIN).json())
    return [anchor, *(load_certificate(link.text("new_pem").encode()) for link in chain)]
