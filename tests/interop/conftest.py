"""Fixtures of the interoperability tests: who is the server, who is the client, and a folder to work in.

Every scenario runs in four pairs. The one of the peer with itself proves the scenario: what fails there is a
mistake in the test, not in this project.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .desk import Desk
from .material import make_request
from .programs import IMPLEMENTATIONS
from .servers import ADDRESS, Server, running
from .wire import become_user
from .work import SharedWork, prepare

# Enough that no test fills the queue of a shared server, and that every user there is approved at once.
SHARED_SERVER_OPTIONS = (
    *("--service-max-csr", "1000"),
    *("--user-max-csr", "1000"),
    *("--user-auto-approve-count", "1000"),
)

PAIRS = [
    pytest.param(("ours", "peer"), id="server_ours-client_peer"),
    pytest.param(("peer", "ours"), id="server_peer-client_ours"),
    pytest.param(("ours", "ours"), id="server_ours-client_ours"),
    pytest.param(("peer", "peer"), id="server_peer-client_peer"),
]


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """One long-living server of each implementation, started when first asked for."""
    started: dict[str, Server] = {}
    with ExitStack() as stack:

        def shared(name: str) -> Server:
            if name not in started:
                folder = tmp_path_factory.mktemp(f"server-{name}")
                context = running(IMPLEMENTATIONS[name](), folder, *SHARED_SERVER_OPTIONS)
                started[name] = stack.enter_context(context)
            return started[name]

        yield shared


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Names of the implementations that are (server, client)."""
    server_and_client: tuple[str, str] = request.param
    return server_and_client


@pytest.fixture
def desk(pair: tuple[str, str], shared_servers: Callable[[str], Server], tmp_path: Path) -> Desk:
    """A client of one implementation and the shared server of another (or the same)."""
    server, client = pair
    return Desk(folder=tmp_path, server=shared_servers(server), programs=IMPLEMENTATIONS[client]())


@pytest.fixture
def own_desk(pair: tuple[str, str], tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Like `desk`, with a server of its own, started with the options that the fixture is called with."""
    server, client = pair
    work, data = tmp_path / "work", tmp_path / "server"
    work.mkdir()
    data.mkdir()
    with ExitStack() as stack:

        def start(*options: str, host: str = ADDRESS) -> Desk:
            started = stack.enter_context(running(IMPLEMENTATIONS[server](), data, *options, host=host))
            return Desk(folder=work, server=started, programs=IMPLEMENTATIONS[client]())

        yield start


@pytest.fixture(params=["ours", "peer"])
def server(request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]) -> Server:
    """The shared server of each implementation, for tests that speak to it without a client command."""
    return shared_servers(request.param)


@pytest.fixture(scope="session")
def _users() -> dict[str, Path]:
    return {}


@pytest.fixture
def user(server: Server, _users: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user of the shared server whom no test revokes: a file with key and certificate."""
    if server.netloc not in _users:
        made = make_request(tmp_path_factory.mktemp("user"), "permanent")
        path = made.folder / "user.pem"
        path.write_bytes(made.key_path.read_bytes() + become_user(server, made.csr_pem))
        _users[server.netloc] = path
    return _users[server.netloc]


@pytest.fixture(scope="session")
def _works() -> dict[str, SharedWork]:
    return {}


@pytest.fixture
def work(
    server: Server, user: Path, _works: dict[str, SharedWork], tmp_path_factory: pytest.TempPathFactory
) -> SharedWork:
    """Requests and certificates of the shared server that no test changes."""
    if server.netloc not in _works:
        _works[server.netloc] = prepare(server, user, tmp_path_factory.mktemp("work"))
    return _works[server.netloc]


@pytest.fixture(scope="session", autouse=True)
def _openssl_is_there() -> None:
    assert shutil.which("openssl"), "The interoperability tests need the command openssl (package openssl)."
