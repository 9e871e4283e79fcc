"""Sockets: inherited through the environment of sd_listen_fds(3) in a real child process, or bound here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from caucase.core.netloc import NetLoc
from caucase.errors import CaucaseError
from caucase.host.sockets import Listeners, bind_listeners, inherited_listeners

# Lays the descriptors given as arguments out from 3 on, as systemd does, then runs the last argument.
LAYOUT = """
import os, sys
names, pid, *fds, program = sys.argv[1:]
copies = [os.dup2(int(fd), 50 + index, inheritable=True) for index, fd in enumerate(fds)]
for index, copy in enumerate(copies):
    os.dup2(copy, 3 + index, inheritable=True)
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_PID"] = pid or str(os.getpid())
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(sys.executable, [sys.executable, "-c", program])
"""
REPORT = """
import json, os
from caucase.errors import ConfigError
from caucase.host.sockets import inherited_listeners
try:
    found = inherited_listeners()
except ConfigError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps(found and {
        "http": [list(s.getsockname()) for s in found.http],
        "https": [list(s.getsockname()) for s in found.https],
        "left": [name for name in os.environ if name.startswith("LISTEN_")],
        "passed_on": [os.get_inheritable(s.fileno()) for s in found.http + found.https],
    }))
"""


def listening(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(("127.0.0.1", 0) if family == socket.AF_INET else ("::1", 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def run_with(sockets: Sequence[socket.socket], names: str, pid: str = "") -> object:
    fds = [made.fileno() for made in sockets]
    done = subprocess.run(
        [sys.executable, "-c", LAYOUT, names, pid, *map(str, fds), REPORT],
        pass_fds=fds,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return json.loads(done.stdout)


@pytest.fixture
def pair() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(listening()) for _ in range(3)]


def test_several_sockets_of_each_name(pair: list[socket.socket]) -> None:
    places = [list(made.getsockname()) for made in pair]
    assert run_with(pair, "https:http:https") == {
        "http": [places[1]],
        "https": [places[0], places[2]],
        "left": [],
        "passed_on": [False, False, False],
    }


def test_none_for_this_process(pair: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(pair, "https:http:https", pid="1") is None
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert inherited_listeners() is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("http:http:http", "No inherited socket is named https."),
        ("http:https:ftp", "An inherited socket is named 'ftp', not http or https."),
        ("", "An inherited socket is named 'unknown', not http or https."),
        ("http:https", "The inherited sockets do not match LISTEN_FDS and LISTEN_FDNAMES."),
    ],
)
def test_names_are_not_guessed(pair: list[socket.socket], names: str, expected: str) -> None:
    told = run_with(pair, names)
    assert isinstance(told, str)
    assert told.startswith(expected)
    assert "FileDescriptorName=" in told


def test_only_listening_stream_sockets_are_taken() -> None:
    with listening() as good, listening(kind=socket.SOCK_DGRAM) as datagram, socket.socket() as deaf:
        for bad in (datagram, deaf):
            told = run_with([good, bad], "http:https")
            assert str(told).startswith("The inherited socket https is not a listening stream socket.")


def test_what_is_no_socket_at_all() -> None:
    with listening() as good, Path(os.devnull).open("rb") as file:
        fds = [good, file]
        told = run_with(fds, "http:https")  # type: ignore[arg-type]  # the point of the test
        assert str(told).startswith("What is inherited as https is not a socket.")


def has_ipv6() -> bool:
    try:
        listening(socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def port() -> int:
    """A port which is free, and the next one too; a moment ago."""
    for _ in range(50):
        with listening() as first:
            number = int(first.getsockname()[1])
            try:
                with socket.create_server(("127.0.0.1", number + 1)):
                    return number
            except (OSError, OverflowError):
                continue
    raise AssertionError("no two ports are free")


def places(listeners: Listeners) -> list[list[tuple[str, int]]]:
    with ExitStack() as stack:
        stack.callback(listeners.close)
        return [[made.getsockname()[:2] for made in group] for group in (listeners.http, listeners.https)]


def test_https_is_the_next_port_and_base_port_goes_before_netloc(port: int) -> None:
    expected = [[("127.0.0.1", port)], [("127.0.0.1", port + 1)]]
    assert places(bind_listeners(["127.0.0.1"], NetLoc(host="ca.invalid", port=port), None)) == expected
    assert places(bind_listeners(["127.0.0.1"], NetLoc(host="ca.invalid", port=1), port)) == expected
    assert places(bind_listeners([], NetLoc(host="127.0.0.1", port=port), None)) == expected


def test_a_name_is_resolved(port: int) -> None:
    http, https = places(bind_listeners([], NetLoc(host="localhost", port=port), None))
    assert ("127.0.0.1", port) in http
    assert ("127.0.0.1", port + 1) in https


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")  # one family alone shows nothing
def test_both_any_addresses_side_by_side(port: int) -> None:
    http, _https = places(bind_listeners(["0.0.0.0", "::", "0.0.0.0"], NetLoc(host="ca.invalid"), port))
    assert http == [("0.0.0.0", port), ("::", port)]


def test_what_cannot_be_had_is_named_and_nothing_stays_open(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port + 1)),
        pytest.raises(
            CaucaseError, match=rf"^Cannot listen on 127\.0\.0\.1:{port + 1}: Address already in use\.$"
        ),
    ):
        bind_listeners(["127.0.0.1"], NetLoc(host="localhost", port=port), None)
    with socket.create_server(("127.0.0.1", port)):
        pass
    with pytest.raises(CaucaseError, match=r"^None of the addresses of netloc's host, 192\.0\.2\.1, belongs"):
        bind_listeners([], NetLoc(host="192.0.2.1", port=port), None)
    with pytest.raises(CaucaseError, match=r"^The host of netloc, ca\.invalid, cannot be resolved: .*--bind"):
        bind_listeners([], NetLoc(host="ca.invalid", port=port), None)
