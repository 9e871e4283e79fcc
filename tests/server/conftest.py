"""Fixtures of the server's tests: one server for all tests that do not mind, or one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.store import Database

from .harness import Server, running
from .material import make
from .wire import Client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A configured server that many tests share; they must not revoke its user nor reconfigure it."""
    folder = tmp_path_factory.mktemp("server")
    with Database(folder / "caucase.sqlite") as database, running(folder) as shared:
        shared.configure(database, cors_whitelist=("https://known.example",))
        yield shared


@pytest.fixture(scope="session")
def user(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a user of the shared server."""
    made = make("user")
    return made.bundle(tmp_path_factory.mktemp("user") / "user.pem", server.client.become_user(made.csr_pem))


@pytest.fixture
def client(server: Server) -> Client:
    return server.client


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "caucase.sqlite") as opened:
        yield opened


@pytest.fixture
def bare_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, without configuration."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def own_server(bare_server: Server, database: Database) -> Server:
    """A configured server of the test's own."""
    bare_server.configure(database)
    return bare_server
