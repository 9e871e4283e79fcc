"""The load generator and wrk, on a server that does what servers may do: keep, close, split, break, be slow."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks import load, wrk
from benchmarks.load import Target, http_request

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_PUT = http_request("PUT", "/x", b"body", "text/plain")

Answer = Callable[[socket.socket, int], bool]
"""Gets the connection, and how many requests came over it; whether to keep it."""


@contextmanager
def _server(answer: Answer) -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

        def converse(connection: socket.socket) -> None:
            with connection:
                count = 0
                while request := connection.recv(65536):
                    assert request == _PUT
                    count += 1
                    if not answer(connection, count):
                        return

        threading.Thread(target=serve, daemon=True).start()
        yield Target(port=listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _run(target: Target, count: int = 20, **options: bool) -> load.Load:
    return load.run(target, [_PUT] * count, clients=3, seconds=10, keep=True, **options)


def test_connections_are_kept() -> None:
    kept: list[int] = []

    def answer(connection: socket.socket, count: int) -> bool:
        kept.append(count)
        connection.sendall(_OK)
        return True

    with _server(answer) as target:
        sent = _run(target)
    assert sent.statuses == [200] * 20
    assert sent.answers == [_OK] * 20
    assert len(sent.latencies) == 20
    assert 17 <= sent.done <= 20  # the last of each client may be after the last that was sent
    assert max(kept) > 1
    assert 0 < sent.cpu_seconds < 5
    assert not sent.failures


def test_connections_are_not_kept_when_each_request_is_to_have_its_own() -> None:
    counts: set[int] = set()

    def answer(connection: socket.socket, count: int) -> bool:
        counts.add(count)
        connection.sendall(_OK)
        return True

    with _server(answer) as target:
        assert _run(target, reconnect=True).statuses == [200] * 20
    assert counts == {1}


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_server_may_close_each_connection(answered: bytes) -> None:
    def answer(connection: socket.socket, _: int) -> bool:
        connection.sendall(answered)
        return False

    with _server(answer) as target:
        assert _run(target).answers == [answered] * 20


def test_a_kept_connection_that_ends_between_two_requests_loses_none() -> None:
    def answer(connection: socket.socket, count: int) -> bool:
        connection.sendall(_OK)
        return count < 2

    with _server(answer) as target:
        assert _run(target).statuses == [200] * 20


def test_an_answer_may_come_in_pieces() -> None:
    def answer(connection: socket.socket, _: int) -> bool:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in range(len(_OK)):
            connection.sendall(_OK[byte : byte + 1])
        return True

    with _server(answer) as target:
        assert _run(target).answers == [_OK] * 20


def test_failures_are_counted() -> None:
    def answer(connection: socket.socket, _: int) -> bool:
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return False

    with _server(answer) as target:
        sent = _run(target)
    assert sent.failures == {500: 20}
    assert (sent.done, len(sent.latencies), sent.rate) == (0, 0, 0.0)


def test_a_connection_that_breaks_is_a_request_that_is_lost() -> None:
    with _server(lambda connection, _: False) as target:
        assert _run(target).failures == {0: 20}


def test_nothing_is_sent_when_the_time_is_over() -> None:
    def answer(connection: socket.socket, _: int) -> bool:
        connection.sendall(_OK)
        return True

    with _server(answer) as target:
        sent = load.run(target, [_PUT] * 1_000_000, clients=2, seconds=0.05)
    assert 0 < len(sent.statuses) < 1_000_000
    assert sent.seconds == pytest.approx(0.05, abs=0.2)
    assert sent.answers == []


def test_parts_of_an_answer() -> None:
    assert load.body_of(_OK) == b"ok"
    assert load.header_of(_OK, "Content-Length") == "2"
    with pytest.raises(KeyError):
        load.header_of(_OK, "Location")


def test_what_wrk_says() -> None:
    output = "Running\nlatency: 1000.0 2000.0 4000.0\ncount: 100 2000000 3 1\nRequests/sec: 50\n"
    measured = wrk.parse(output)
    assert (measured.seconds, measured.done, measured.rate) == (2.0, 97, 48.5)
    assert measured.latency_ms(0.5) == 2.0
    assert measured.failures == {400: 3, 0: 1}


def test_wrk_must_say_it() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        wrk.parse("unable to connect")
