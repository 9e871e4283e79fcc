"""Clients that take their time, or too much of everything: each limit, what its client gets, and what is told."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from caucase.authority import Document
from caucase.host.journal import ACCESS_LOGGER
from caucase.server import connections
from caucase.server.connection import Connection
from caucase.server.limits import DEFAULT_LIMITS, Kind

from .harness import Server
from .material import make
from .wire import ADDRESS, GET, SECONDS, eventually, everything, read_from

SHORT = {"header_time": 0.3, "body_time": 0.4, "idle_time": 0.6, "send_time": 0.5}


@pytest.fixture
def impatient(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that waits for a part of a second where others wait for many, and looks more often."""
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.05)
    own_server.site.limits = dataclasses.replace(DEFAULT_LIMITS, **SHORT)  # type: ignore[arg-type]
    return own_server


def connected(server: Server) -> socket.socket:
    return socket.create_connection((ADDRESS, server.port), timeout=SECONDS)


def drip(connection: socket.socket, data: bytes) -> float:
    """Send it slowly, byte by byte, until the server has had enough; after how long that was."""
    began = time.monotonic()
    connection.setblocking(False)
    for number in data:
        with contextlib.suppress(BlockingIOError):
            if connection.recv(1, socket.MSG_PEEK) is not None:
                break
        connection.send(bytes([number]))
        time.sleep(0.03)
    connection.settimeout(SECONDS)
    return time.monotonic() - began


# Time


def test_nothing_comes(impatient: Server) -> None:
    with connected(impatient) as connection:
        assert everything(connection) == b""
    assert impatient.refusals == [(Kind.HEADER_TIME, 1, ADDRESS)]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_headers_that_take_too_long(impatient: Server, tls: bool) -> None:
    began = time.monotonic()
    connection = impatient.client.connect(tls=tls)
    connection.connect()
    connection.sock.sendall(b"GET /cas HTTP/1.1\r\nHost: ")
    answer = read_from(connection.sock).expect(408)
    connection.close()
    assert answer.sentence == "The request did not come in time."
    assert answer.headers["Connection"] == "close"
    assert 0.3 <= time.monotonic() - began < 3
    assert impatient.refusals == [(Kind.HEADER_TIME, 1, ADDRESS)]


def test_headers_byte_by_byte(impatient: Server) -> None:
    with connected(impatient) as connection:
        assert drip(connection, b"GET /cas HTTP/1.1\r\n" + b"X: y\r\n" * 100) < 3
        read_from(connection).expect(408)


def test_the_second_head_has_its_own_time(impatient: Server) -> None:
    with connected(impatient) as connection:
        for _ in range(3):
            connection.sendall(GET)
            read_from(connection).expect(200)
            time.sleep(0.4)  # longer than a head may take, shorter than a connection may be idle
        connection.sendall(GET[:20])
        read_from(connection).expect(408)


def test_an_idle_connection_ends(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(GET)
        read_from(connection).expect(200)
        began = time.monotonic()
        assert everything(connection) == b""
        assert 0.5 <= time.monotonic() - began < 3
    # Which is nothing to tell.
    assert impatient.refusals == []


def test_bodies_byte_by_byte(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert drip(connection, b"x" * 1000) < 3
        answer = read_from(connection).expect(408)
        assert answer.sentence == "The body did not come within 0.4 seconds."
        assert answer.headers["Connection"] == "close"
    assert impatient.refusals == [(Kind.BODY_TIME, 1, ADDRESS)]


def test_a_body_that_nobody_wants_does_not_hold_the_connection(impatient: Server) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /cas HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        read_from(connection).expect(200)
        assert everything(connection) == b""


# Clients that go


def gone(server: Server, data: bytes, *, reset: bool) -> None:
    """Send that and close the connection, or break it, at once."""
    connection = connected(server)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(data)
    connection.close()


def test_who_goes_in_the_middle_is_no_defect(impatient: Server, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(20):
        begun = b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhello"
        gone(impatient, begun, reset=bool(number % 2))
    impatient.client.get("/cas").expect(200)
    eventually(lambda: impatient.in_loop(lambda: impatient.site.in_flight) == 0)
    assert caplog.text == ""


def slow_lists(server: Server, monkeypatch: pytest.MonkeyPatch, make: Callable[[], None]) -> None:
    """Every list has to be made first, by this."""
    assert server.authority is not None
    lists = server.authority.services.lists
    document = Document.of(b"list", datetime.now(UTC))

    def newest() -> SimpleNamespace:
        make()
        return SimpleNamespace(all=document)

    monkeypatch.setattr(lists, "current", lambda: None)
    monkeypatch.setattr(lists, "newest", newest)


def test_a_request_that_comes_in_the_moment_in_which_its_client_goes(
    impatient: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(impatient) as client:
        client.sendall(GET)
        read_from(client).expect(200)
        connections_ = [one for one in gc.get_objects() if isinstance(one, Connection)]
        there: Connection | None = next(one for one in connections_ if one._wire is not None)

        def lose() -> None:
            assert there is not None
            assert there._wire is not None
            there._wire.abort()
            there.data_received(GET)

        impatient.in_loop(lose)
    there = None
    connections_.clear()
    impatient.client.get("/cas").expect(200)
    impatient.in_loop(gc.collect)
    assert caplog.text == ""


def test_who_has_gone_is_still_known_by_address(
    impatient: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it would look like one that has come over a Unix socket."""
    arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        go_on.wait(SECONDS)

    slow_lists(impatient, monkeypatch, wait)
    caplog.set_level(logging.INFO, ACCESS_LOGGER)
    with connected(impatient) as connection:
        connection.sendall(b"GET /cas/crl HTTP/1.1\r\nHost: x\r\n\r\n")
        assert arrived.wait(SECONDS)
    impatient.client.get("/cas")
    go_on.set()
    eventually(lambda: "/cas/crl" in caplog.text)
    assert {record.getMessage().split()[0] for record in caplog.records} == {ADDRESS}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.45, 0.6, 2.3])
def test_who_is_too_slow_and_goes_is_no_defect(
    impatient: Server, caplog: pytest.LogCaptureFixture, seconds: float, reset: bool
) -> None:
    """Before the answer, at that moment, and while what it still sends is thrown away."""
    begun = b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhello"
    connections_ = [connected(impatient) for _ in range(20)]
    for connection in connections_:
        connection.sendall(begun)
    time.sleep(seconds)
    for connection in connections_:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            connection.sendall(b"x")
        connection.close()
    impatient.client.get("/cas").expect(200)
    eventually(lambda: impatient.in_loop(lambda: impatient.site.in_flight) == 0)
    time.sleep(0.2)
    assert caplog.text == ""


# Slow readers


@pytest.fixture
def large_list(impatient: Server, monkeypatch: pytest.MonkeyPatch) -> int:
    """All lists are one of a million entries; its size."""
    document = Document.of(os.urandom(40_000_000), datetime.now(UTC))
    assert impatient.authority is not None
    lists = impatient.authority.services.lists
    monkeypatch.setattr(lists, "current", lambda: SimpleNamespace(all=document))
    return len(document.body)


def reader(server: Server) -> socket.socket:
    """Somebody who has asked for a large list and has not begun to read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(SECONDS)
    connection.connect((ADDRESS, server.port))
    connection.sendall(b"GET /cas/crl HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection


def test_who_does_not_read_is_let_go(impatient: Server, large_list: int) -> None:
    with reader(impatient) as connection:
        time.sleep(1.5)
        assert len(everything(connection)) < large_list
    assert impatient.refusals == [(Kind.SEND_TIME, 1, ADDRESS)]


def test_who_reads_slowly_gets_it_all(impatient: Server, large_list: int) -> None:
    """Slower than it could be, and longer than the limit is, but always more than the least."""
    with reader(impatient) as connection:
        began, got = time.monotonic(), 0
        while got < large_list:
            data = connection.recv(1 << 20)
            assert data
            got += len(data)
            if time.monotonic() - began < 1.5:
                time.sleep(0.05)
    assert impatient.refusals == []


def test_ranges_are_not_taken_apart(impatient: Server, large_list: int) -> None:
    """A thousand overlapping ones would be a thousand times as much."""
    ranges = "bytes=0-" + ",5-{}" * 1000
    answer = impatient.client.get("/cas/crl", {"Range": ranges.format(*range(6, 1006))})
    assert len(answer.expect(200).body) == large_list


def resident() -> int:
    """Bytes of memory of this process, where the server is."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_eight_slow_readers_share_one_list(impatient: Server, large_list: int) -> None:
    impatient.site.limits = dataclasses.replace(DEFAULT_LIMITS, send_time=30)
    before = resident()
    readers = [reader(impatient) for _ in range(8)]
    for one in readers:
        assert one.recv(10_000).startswith(b"HTTP/1.1 200 OK\r\n")
    time.sleep(0.3)
    grown = resident() - before
    for one in readers:
        one.close()
    assert grown < 8_000_000, f"{grown} bytes for 8 readers of {large_list}"


# Requests in flight


def test_more_in_work_than_there_may_be(impatient: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient.site.limits = dataclasses.replace(DEFAULT_LIMITS, requests=2)
    assert impatient.authority is not None
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        arrived.release()
        go_on.wait(SECONDS)

    slow_lists(impatient, monkeypatch, wait)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(connected(impatient)) for _ in range(2)]
        for one in busy:
            one.sendall(b"GET /cas/crl HTTP/1.1\r\nHost: x\r\n\r\n")
            assert arrived.acquire(timeout=SECONDS)
        refused = impatient.client.get("/cas").expect(503)
        assert refused.sentence.startswith("The server has too much to do at the moment.")
        assert int(refused.headers["Retry-After"]) > 0
        go_on.set()
        for one in busy:
            read_from(one).expect(200)
    impatient.client.get("/cas").expect(200)
    assert impatient.refusals == [(Kind.REQUESTS, 1, ADDRESS)]


def test_who_sends_slowly_is_not_in_work(impatient: Server) -> None:
    impatient.site.limits = dataclasses.replace(DEFAULT_LIMITS, requests=1)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(connected(impatient))
            connection.sendall(b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        impatient.client.get("/cas").expect(200)


# The queue


def test_one_address_cannot_fill_the_queue(impatient: Server) -> None:
    assert impatient.authority is not None
    services = impatient.authority.services
    policy = dataclasses.replace(services.requests._issuer.policy, max_pending_per_address=2)
    services.requests._issuer.policy = policy
    first = make("one").csr_pem
    for csr_pem in (first, make("two").csr_pem):
        impatient.client.submit("cas", csr_pem)
    refused = impatient.client.ask("PUT", "/cas/csr", make("three").csr_pem).expect(507)
    assert refused.sentence.startswith("Too many requests from this address are pending.")
    # What is there already is recognised.
    impatient.client.submit("cas", first)
    assert impatient.refusals == [(Kind.PENDING_PER_ADDRESS, 1, ADDRESS)]
