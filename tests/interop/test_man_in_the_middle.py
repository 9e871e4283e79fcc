"""This project's client behind a man in the middle, with the servers of both as processes of their own.

All that he can try is in ``tests/client/man_in_the_middle``; here is what is another matter with a server of
caucase 0.9, which does not publish its HTTPS CA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.man_in_the_middle.man import Man, between, pass_on, say

from .desk import Desk
from .material import make_foreign_certificate
from .programs import ours
from .servers import Server
from .wire import pending


@pytest.fixture
def man(server: Server, tmp_path: Path) -> Iterator[Man]:
    with between(server.port, make_foreign_certificate(tmp_path, "man")) as started:
        yield started


@pytest.fixture
def victim(server: Server, man: Man, tmp_path: Path) -> Callable[..., int]:
    """Runs ``caucase`` through him; gives its exit code."""
    folder = tmp_path / "victim"
    folder.mkdir()
    programs = ours()
    return lambda *arguments: programs.run("caucase", "--ca-url", man.url, *arguments, cwd=folder).code


def test_another_server(
    server: Server, man: Man, victim: Callable[..., int], tmp_path: Path, shared_servers
) -> None:
    other = shared_servers("peer" if server.ours else "ours")
    assert victim() == 0
    before = {path: path.read_bytes() for path in (tmp_path / "victim").iterdir()}
    man.to_all = pass_on(other.port)
    man.https_port = other.https_port
    assert victim() == 1
    assert {path: path.read_bytes() for path in (tmp_path / "victim").iterdir()} == before


def test_https_that_is_not_verified(
    server: Server, user: Path, man: Man, victim: Callable[..., int], tmp_path: Path
) -> None:
    """Where nothing is published, only ``--require-https-ca`` keeps a user from believing anybody."""
    desk = Desk(folder=tmp_path, server=server, programs=ours())
    made = desk.request("www")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    man.liar = say(204)
    sign = ("--user-key", str(user), "--sign-csr", csr_id)
    assert victim(*sign, "--require-https-ca") == 1
    assert man.lied == []
    assert victim(*sign) == (1 if server.ours else 0)
    assert len(man.lied) == (0 if server.ours else 1)
    assert csr_id in pending(server, "cas", user)
