"""The life of the server's process, seen from outside: sockets, notifications, signals, exit codes."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, NotConnected
from pathlib import Path

import pytest

from .process import SECONDS, Listeners, Process, free_ports

GOOD = "netloc: localhost:8009\nkey_type: ec:P-256\nidle_timeout: 0\n"


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    held = Listeners()
    yield held
    held.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the program with ``--config caucased.yaml``, written first if it is given."""
    started: list[Process] = []

    def run(*arguments: str, config: str | None = None, **options: object) -> Process:
        if config is not None:
            (tmp_path / "caucased.yaml").write_text(config)
        process = Process(tmp_path, "--config", "caucased.yaml", *arguments, **options)  # type: ignore[arg-type]
        started.append(process)
        return process

    yield run
    for process in started:
        process.end()


def test_ready_means_that_it_answers(start: Callable[..., Process], listeners: Listeners) -> None:
    server = start(config=GOOD, listeners=listeners)
    ready = server.hear("READY=1")
    assert "STATUS=Serving localhost:8009; 0 requests waiting for a signature." in ready
    for name in ("http", "https"):
        status, body = listeners.get("/cas/crt/ca.crt.pem", name=name)
        assert status == 200
        assert body.startswith("-----BEGIN CERTIFICATE-----")
    server.signal(signal.SIGTERM)
    server.hear("STOPPING=1")
    assert server.wait() == 0


def test_a_connection_ends_whichever_worker_has_it(
    start: Callable[..., Process], listeners: Listeners
) -> None:
    """Also the one that was there when another worker was started, which must not go on holding it."""
    start(config=GOOD + "workers: 3\n", listeners=listeners).hear("READY=1")
    address = (listeners.host, listeners.port("http"))
    with contextlib.ExitStack() as stack:
        # One after the other, so that each is the reason for one more worker.
        connections = []
        for _ in range(4):
            connections.append(stack.enter_context(socket.create_connection(address, timeout=SECONDS)))
            assert listeners.get()[0] == 200
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        for connection in connections:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 ")


def sockets(pid: int) -> int:
    """How many it has open."""
    return sum("socket:" in link for link in links(Path(f"/proc/{pid}/fd")))


def links(folder: Path) -> Iterator[str]:
    for one in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(one.readlink())


def test_who_comes_after_a_crowd_has_all_workers(start: Callable[..., Process], listeners: Listeners) -> None:
    """However unevenly what is left of the crowd, which says nothing, is with them."""
    config = GOOD + "workers: 2\nlimit_connections_per_address: 1000\nlimit_header_time: 1m\n"
    server = start(config=config, listeners=listeners)
    server.hear("READY=1")
    address = (listeners.host, listeners.port("http"))

    def held(difference: range) -> tuple[int, int]:
        deadline = time.monotonic() + SECONDS
        while True:
            first, second = [sockets(pid) for pid in server.workers]
            if abs(first - second) in difference:
                return first, second
            assert time.monotonic() < deadline, (first, second)
            time.sleep(0.05)

    with contextlib.ExitStack() as stack:
        crowd = [socket.create_connection(address, timeout=SECONDS) for _ in range(200)]
        for one in crowd[1::2]:
            stack.enter_context(one)
        assert listeners.get()[0] == 200
        held(range(10))
        for one in crowd[::2]:
            one.close()
        before = held(range(90, 110))
        for _ in range(8):
            client = HTTPConnection(*address, timeout=SECONDS)
            stack.callback(client.close)
            client.request("GET", "/cas/crt/ca.crt.pem")
            assert client.getresponse().read().startswith(b"-----BEGIN CERTIFICATE-----")
        after = [sockets(pid) for pid in server.workers]
        taken = [more - fewer for more, fewer in zip(after, before, strict=True)]
        assert sum(taken) == 8
        assert min(taken) >= 3


def test_several_sockets_of_each_name_and_ipv6(start: Callable[..., Process], tmp_path: Path) -> None:
    held = Listeners(("http", "http", "https", "https"), host="::1")
    try:
        start(config=GOOD, listeners=held).hear("READY=1")
        answers = [held.get(name=name, index=index)[0] for name in ("http", "https") for index in (0, 1)]
    finally:
        held.close()
    assert answers == [200] * 4


def test_idle_server_exits_and_leaves_the_sockets(
    start: Callable[..., Process], listeners: Listeners
) -> None:
    config = GOOD.replace("idle_timeout: 0", "idle_timeout: 1s")
    server = start(config=config, listeners=listeners)
    server.hear("READY=1")
    assert listeners.get()[0] == 200
    assert server.wait() == 0
    server.hear("STOPPING=1")
    assert "Server stopped [reason=idle]" in server.log
    # Nobody listens now but the sockets do: what connects waits for the next server, and is answered by it.
    waiting = [
        socket.create_connection(("127.0.0.1", listeners.port("http")), timeout=SECONDS) for _ in range(50)
    ]
    for connection in waiting:
        connection.sendall(b"GET /cas/crl HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    start(listeners=listeners).hear("READY=1")
    for connection in waiting:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_requests_keep_it_from_being_idle(start: Callable[..., Process], listeners: Listeners) -> None:
    server = start(config=GOOD.replace("idle_timeout: 0", "idle_timeout: 2s"), listeners=listeners)
    server.hear("READY=1")
    for _ in range(8):
        time.sleep(0.5)
        assert listeners.get()[0] == 200
    assert server.process.poll() is None


def test_no_idle_exit_where_nobody_starts_it_again(
    start: Callable[..., Process], listeners: Listeners
) -> None:
    config = GOOD.replace("idle_timeout: 0", "idle_timeout: 1s")
    server = start(config=config, listeners=listeners, supervised=False)
    assert listeners.get()[0] == 200
    time.sleep(2.5)
    assert server.process.poll() is None


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("", "netloc: ca.example.com:8009"),
        (
            "netloc: localhost:8009\nnetlock: x\nthreshold: many\n",
            r"caucased.yaml:2: 'netlock': .*\n.*:3: threshold: ",
        ),
        ("netloc: [", "caucased.yaml"),
        ("netloc: localhost:8009\ndb: /nonexistent/caucase.sqlite\n", "/nonexistent/caucase.sqlite"),
    ],
)
def test_without_usable_configuration_it_says_what_to_do(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path, config: str, sentence: str
) -> None:
    server = start(config=config, listeners=listeners)
    assert "STATUS=Answering 503:" in server.hear("READY=1")
    for name in ("http", "https"):
        status, body = listeners.get(name=name)
        assert status == 503
        assert re.search(sentence, body)
    assert "Server is not configured" in server.log
    assert not list(tmp_path.glob("*.sqlite*")), "nothing may be minted yet"
    assert not list(tmp_path.glob("*.pem"))

    server.forget()
    (tmp_path / "caucased.yaml").write_text(GOOD)
    server.signal(signal.SIGHUP)
    server.hear("RELOADING=1")
    assert "Serving localhost:8009" in server.hear("READY=1")
    assert listeners.get()[0] == 200
    assert listeners.get(name="https")[0] == 200


def test_reload_with_mistakes_changes_nothing(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path
) -> None:
    server = start(config=GOOD, listeners=listeners)
    server.hear("READY=1")
    for mistake in (
        GOOD + "nonsense: 1\n",
        "",
        GOOD.replace("localhost", "elsewhere"),
        GOOD + "db: other.sqlite\n",
    ):
        server.forget()
        (tmp_path / "caucased.yaml").write_text(mistake)
        server.signal(signal.SIGHUP)
        server.hear("RELOADING=1")
        assert "Serving localhost:8009" in server.hear("READY=1")
        assert listeners.get()[0] == 200
    assert server.log.count("The configuration is left as it was") == 4
    assert "This CA was made for netloc localhost:8009" in server.log


def test_another_netloc_is_refused(start: Callable[..., Process], listeners: Listeners) -> None:
    first = start(config=GOOD, listeners=listeners)
    first.hear("READY=1")
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    second = start(config=GOOD.replace("localhost", "elsewhere"), listeners=listeners)
    assert "STATUS=Answering 503: This CA was made for netloc localhost:8009" in second.hear("READY=1")
    assert listeners.get()[0] == 503


@pytest.mark.parametrize("config", ["", "netloc: localhost:8009\nnetlock: x\n", "threshold: ["])
def test_stand_alone_it_exits_with_78(start: Callable[..., Process], config: str) -> None:
    server = start(config=config, supervised=False)
    assert server.wait() == 78
    assert "Traceback" not in server.log


def test_stand_alone_it_exits_with_78_for_another_netloc(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    options = ("--bind", "127.0.0.1", "--base-port", str(free_ports()))
    first = start(*options, config=GOOD)
    first.hear("READY=1")
    first.signal(signal.SIGINT)
    assert first.wait() == 0
    second = start(*options, "--netloc", "elsewhere", supervised=False)
    assert second.wait() == 78
    assert "made for netloc localhost:8009" in second.log


def test_requests_in_flight_are_finished(start: Callable[..., Process], listeners: Listeners) -> None:
    server = start(config=GOOD, listeners=listeners)
    server.hear("READY=1")
    body = b"x" * 60_000
    with socket.create_connection(("127.0.0.1", listeners.port("http")), timeout=SECONDS) as connection:
        connection.sendall(
            b"PUT /cas/csr HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" + body[:30_000]
        )
        time.sleep(0.5)
        server.signal(signal.SIGTERM)
        server.hear("STOPPING=1")
        time.sleep(1)
        assert server.process.poll() is None
        connection.sendall(body[30_000:])
        assert connection.recv(12) == b"HTTP/1.1 400"
    assert server.wait() == 0


def test_a_busy_connection_does_not_hold_up_the_end(
    start: Callable[..., Process], listeners: Listeners
) -> None:
    server = start(config=GOOD, listeners=listeners)
    server.hear("READY=1")
    connection = HTTPConnection("127.0.0.1", listeners.port("http"), timeout=SECONDS)
    connection.request("GET", "/")
    assert connection.getresponse().read()
    server.signal(signal.SIGTERM)
    began = time.monotonic()
    with contextlib.suppress(ConnectionError, NotConnected):
        while time.monotonic() - began < 10:
            connection.auto_open = 0  # type: ignore[assignment]  # one connection only
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.status == 200
            response.read()
            if response.will_close:
                break
    connection.close()
    assert server.wait() == 0
    assert time.monotonic() - began < 5


def test_watchdog_follows_a_real_read(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path
) -> None:
    server = start(config=GOOD, listeners=listeners, watchdog_seconds=0.6)
    server.hear("READY=1")
    server.forget()
    server.hear("WATCHDOG=1", seconds=5)
    with sqlite3.connect(tmp_path / "caucase.sqlite") as other:
        other.execute("ALTER TABLE pending RENAME TO gone")
    other.close()
    server.forget()
    time.sleep(1)
    server.listen()
    assert "WATCHDOG=1" not in "".join(server.said)
    assert "No sign of life" in server.log


def test_status_counts_what_waits(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path
) -> None:
    server = start(config=GOOD, listeners=listeners, watchdog_seconds=0.4)
    server.hear("READY=1")
    with sqlite3.connect(tmp_path / "caucase.sqlite") as other:
        other.execute(
            "INSERT INTO request (id, context, key_id, digest, csr, address, submitted_at)"
            " VALUES (1, 'cas', x'00', x'00', x'00', '', 0)"
        )
    other.close()
    server.hear("STATUS=Serving localhost:8009; 1 request waiting for a signature.")


def test_each_acknowledged_write_is_synchronised() -> None:
    """``synchronous=FULL`` (2) on every connection, and write-ahead logging."""
    from tempfile import TemporaryDirectory

    from caucase.store import Database

    with TemporaryDirectory() as folder, Database(Path(folder) / "caucase.sqlite") as database:
        with database.read() as transaction:
            assert transaction.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.write(lambda transaction: transaction.execute("PRAGMA synchronous").fetchone()) == (
            2,
        )


def test_an_answer_is_sent_to_its_end(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path
) -> None:
    """To somebody who reads slowly, while the server reloads and while it ends."""
    server = start(config=GOOD, listeners=listeners)
    server.hear("READY=1")
    revoke_many(tmp_path / "caucase.sqlite", 40_000)
    for number, end in ((signal.SIGHUP, "RELOADING=1"), (signal.SIGTERM, "STOPPING=1")):
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(SECONDS)
            reader.connect(("127.0.0.1", listeners.port("http")))
            reader.sendall(b"GET /cas/crl HTTP/1.1\r\nHost: localhost\r\n\r\n")
            data = reader.recv(4096)
            server.forget()
            server.signal(number)
            server.hear(end)
            length = int(re.search(rb"Content-Length: (\d+)", data).group(1))  # type: ignore[union-attr]
            assert length > 1_500_000
            wanted = data.index(b"\r\n\r\n") + 4 + length
            got, began = len(data), time.monotonic()
            while got < wanted:
                part = reader.recv(65536)
                assert part, f"{got} of {wanted} bytes"
                got += len(part)
                if time.monotonic() - began < 1.5:
                    time.sleep(0.05)
    assert server.wait() == 0


def revoke_many(path: Path, count: int) -> None:
    """As a server would have done it, entries that are no serials of ours."""
    from datetime import UTC, datetime

    from caucase.core.crl import revocation_entry
    from caucase.core.x509 import Serial

    now = datetime.now(UTC)
    until = int(now.timestamp()) + 10**8
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO revocation VALUES ('cas', ?, x'', 1, ?, ?)",
            (
                (f"{serial:x}", until, revocation_entry(Serial(serial), now))
                for serial in range(2**100, 2**100 + count)
            ),
        )
        connection.execute(
            "UPDATE counter SET value = value + 1 WHERE context = 'cas' AND name = 'crl_number'"
        )
    connection.close()


@pytest.mark.parametrize(
    ("setting", "supervised", "is_logged"),
    [
        ("", True, False),
        ("", False, True),
        ("access_log: yes\n", True, True),
        ("access_log: no\n", False, False),
    ],
)
def test_requests_are_logged_where_that_is_wanted(
    start: Callable[..., Process], listeners: Listeners, setting: str, supervised: bool, is_logged: bool
) -> None:
    server = start(config=GOOD + setting, listeners=listeners, supervised=supervised)
    assert listeners.get("/cas?line")[0] == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert ("/cas?line" in server.log) == is_logged
