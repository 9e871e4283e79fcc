"""A server with something to see on every page, which tests share; they add to it, and revoke nobody but their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from caucase.store import Database

from ..harness import running
from ..material import make
from .world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Its CAs have been rolled over once, and there is one of everything."""
    folder = tmp_path_factory.mktemp("pages")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.clock.ahead = timedelta(days=-250)
        server.configure(database, cors_whitelist=("https://known.example",))
        server.clock.ahead = timedelta()
        assert server.authority is not None
        server.authority.maintain()
        made = make("alice")
        user = made.bundle(folder / "user.pem", server.client.become_user(made.csr_pem))
        yield World(server, user)
