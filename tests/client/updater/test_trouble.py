"""A pass against a server that is away, unwell or talks nonsense: a valid pair stays, and the next pass repairs it."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from caucase.client.updater import one_pass
from caucase.config.updater import UpdaterConfig
from caucase.core.x509 import (
    load_certificates,
    not_after,
)
from caucase.errors import (
    Expiring,
    Exposed,
    Unreachable,
)

from ..simulator import Handler, Simulator
from .conftest import MakeConfig, World
from .test_one_pass import certificate_of, config, enrol, files

__all__ = ["config"]  # a fixture

DAY = timedelta(days=1)


def test_a_server_that_is_away_is_no_failure_while_there_is_time(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    old = enrol(server, config, world)
    before = files(config)
    for method in ("GET", "PUT"):
        for path in ("/cas/crt/ca.crt.pem", "/cas/crl", "/cas/crt/renew"):
            server.misbehave[method, path] = Handler.reset
    world.ahead = 20 * DAY
    outcome = one_pass(config, world.surroundings)
    assert isinstance(outcome.trouble, Unreachable)
    assert world.pauses == [1.0, 4.0], "with half of the spread each way"
    assert (certificate_of(config), files(config)) == (old, before)
    # 26 days on, the list ends within its margin.
    world.ahead = 27 * DAY
    with pytest.raises(Expiring, match=r"The revocation list of CA .* ends on .*: No answer from"):
        one_pass(config, world.surroundings)
    server.misbehave.clear()
    world.ahead = 20 * DAY
    assert one_pass(config, world.surroundings).trouble is None


def test_it_comes_back_within_a_pass(server: Simulator, config: UpdaterConfig, world: World) -> None:
    enrol(server, config, world)
    world.ahead = 2 * DAY
    left = [2]

    def twice(handler: Handler) -> None:
        left[0] -= 1
        if left[0] < 0:
            del server.misbehave["GET", "/cas/crl"]
        handler.answer(503, b"Starting.")

    server.misbehave["GET", "/cas/crl"] = twice
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("caucase.client.transport.RETRIES", 0)
        outcome = one_pass(config, world.surroundings)
    assert len(world.pauses) == 2 or outcome.trouble is not None


def cut_off(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n-----BEGIN CERT")
    handler.wfile.flush()
    handler.reset()


def hang(handler: Handler) -> None:
    handler.connection.settimeout(2)
    try:
        handler.connection.recv(1)
    except (TimeoutError, OSError):
        handler.close_connection = True


TROUBLE = {
    "reset": Handler.reset,
    "reset in mid-answer": cut_off,
    "garbage": lambda handler: handler.answer(200, b"\x00\xff garbage"),
    "another's page": lambda handler: handler.answer(200, b"<html>Log in</html>"),
    "empty": lambda handler: handler.answer(200, b""),
    "500": lambda handler: handler.answer(500),
    "503": lambda handler: handler.answer(503, b"Not configured."),
    "408": lambda handler: handler.answer(408, b"Too slow."),
    "429": lambda handler: handler.answer(429, b"Later."),
    "no HTTP": lambda handler: handler.wfile.write(b"220 mail.example.com ESMTP\r\n") and handler.reset(),
    "too slow": hang,
}
PLACES = [
    ("GET", "/cas/crt/ca.crt.pem"),
    ("GET", "/cas/crt/ca.crt.json"),
    ("PUT", "/cas/crt/renew"),
    ("GET", "/cas/crl"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[1].rsplit("/", 1)[-1])
def test_whatever_goes_wrong_the_pair_is_valid_and_the_next_pass_repairs_it(
    server: Simulator, config: UpdaterConfig, world: World, trouble: str, place: tuple[str, str]
) -> None:
    enrol(server, config, world)
    world.ahead = 63 * DAY
    server.misbehave[place] = TROUBLE[trouble]  # type: ignore[assignment]
    # The list that is here has ended by then, so it is a failure unless a new one came all the same.
    try:
        assert one_pass(config, world.surroundings).trouble is not None
    except Expiring as error:
        assert "revocation list" in error.message
    certificate_of(config)
    load_certificates(config.ca.read_bytes())
    server.misbehave.clear()
    mended = one_pass(config, world.surroundings)
    assert mended.trouble is None
    assert not_after(certificate_of(config)) > world.now() + 80 * DAY


def test_nobody_listens(config: UpdaterConfig, world: World, make_config: MakeConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = one_pass(make_config(f"http://127.0.0.1:{port}"), world.surroundings)
    assert isinstance(outcome.trouble, Unreachable)
    assert not config.ca.exists()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o640])
def test_a_key_that_others_can_read(
    server: Simulator, config: UpdaterConfig, world: World, mode: int
) -> None:
    """As caucase 0.9 may have left it. A group is the administrator's choice."""
    enrol(server, config, world)
    assert config.key is not None
    config.key.chmod(mode)
    if mode == 0o640:
        one_pass(config, world.surroundings)
        return
    with pytest.raises(Exposed, match=r"is open to others\. Run: chmod 600 "):
        one_pass(config, world.surroundings)
