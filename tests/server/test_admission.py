"""Connections, which the daemon counts: of one address, in all, and as far as there can be files."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caucase.server.limits import RETRY_SECONDS

from .process import Listeners, Process
from .wire import ADDRESS, GET, SECONDS, eventually, everything, insecure, read_from

GOOD = "netloc: localhost:8009\nkey_type: ec:P-256\nidle_timeout: 0\nworkers: 2\n"


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    held = Listeners(host="0.0.0.0")
    held.host = ADDRESS
    yield held
    held.close()


@pytest.fixture
def start(tmp_path: Path, listeners: Listeners) -> Iterator[Callable[..., Process]]:
    """Start a server with that added to its configuration."""
    started: list[Process] = []

    def run(config: str = "", **options: Any) -> Process:
        (tmp_path / "caucased.yaml").write_text(GOOD + config)
        process = Process(tmp_path, "--config", "caucased.yaml", listeners=listeners, **options)
        started.append(process)
        process.hear("READY=1")
        return process

    yield run
    for process in started:
        process.end()


def dial(listeners: Listeners, source: str = ADDRESS, *, name: str = "http") -> socket.socket:
    return socket.create_connection(
        (ADDRESS, listeners.port(name)), timeout=SECONDS, source_address=(source, 0)
    )


def ask(connection: socket.socket) -> int:
    connection.sendall(GET)
    return read_from(connection).status


def told(server: Process, limit: str) -> list[str]:
    return re.findall(rf"Refused, because it was too much \[limit={limit} count=(\d+) ", server.log)


def test_connections_of_one_address(start: Callable[..., Process], listeners: Listeners) -> None:
    server = start("limit_connections_per_address: 5\n")
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(dial(listeners)) for _ in range(5)]
        assert [ask(one) for one in mine] == [200] * 5
        for _ in range(30):
            with dial(listeners) as refused:
                answer = read_from(refused).expect(429)
                assert answer.headers["Retry-After"] == str(RETRY_SECONDS)
        with dial(listeners, name="https") as refused:
            assert everything(refused) == b""
        # Others do not notice.
        with dial(listeners, "127.0.0.2") as other:
            assert ask(other) == 200
        assert [ask(one) for one in mine] == [200] * 5
    eventually(lambda: listeners.get("/cas")[0] == 200)
    # One entry, not thirty; the rest is told at the end.
    assert told(server, "connections_per_address") == ["1"]
    server.signal(signal.SIGTERM)
    server.wait()
    assert sum(map(int, told(server, "connections_per_address"))) >= 31


def test_connections_in_all(start: Callable[..., Process], listeners: Listeners) -> None:
    server = start("limit_connections: 16\nlimit_connections_per_address: 4\n")
    with contextlib.ExitStack() as stack:
        for number in range(16):
            assert ask(stack.enter_context(dial(listeners, f"127.0.1.{number // 4 + 1}"))) == 200
        with dial(listeners) as refused:
            read_from(refused).expect(503)
    eventually(lambda: listeners.get("/cas")[0] == 200)
    assert told(server, "connections") == ["1"]


def test_a_reload_changes_the_limits(
    start: Callable[..., Process], listeners: Listeners, tmp_path: Path
) -> None:
    server = start("limit_connections_per_address: 2\n")
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            assert ask(stack.enter_context(dial(listeners))) == 200
        with dial(listeners) as refused:
            read_from(refused).expect(429)
        server.forget()
        config = GOOD + "limit_connections_per_address: 20\nlimit_url_length: 300\n"
        (tmp_path / "caucased.yaml").write_text(config)
        server.signal(signal.SIGHUP)
        server.hear("Serving")
        assert ask(stack.enter_context(dial(listeners))) == 200
        assert listeners.get("/" + "x" * 300)[0] == 414


def test_more_connections_than_there_can_be_files(
    start: Callable[..., Process], listeners: Listeners
) -> None:
    """72 of two workers: what each may have open, without what it needs itself."""
    server = start("limit_connections_per_address: 1000\n", descriptors=100)
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(dial(listeners)) for _ in range(200)]
        answers = [ask_or_be_refused(one) for one in mine]
        assert answers.count(200) == 72
        assert answers.count(503) == 128
        # Also what needs files of its own goes on.
        assert ask_or_be_refused(mine[0]) == 200
    eventually(lambda: listeners.get("/cas/crl")[0] == 200)
    assert "Traceback" not in server.log


def ask_or_be_refused(connection: socket.socket) -> int:
    with contextlib.suppress(ConnectionError):
        connection.sendall(GET)
    return read_from(connection).status


def test_no_file_can_be_opened_at_all(start: Callable[..., Process], listeners: Listeners) -> None:
    """The daemon waits and tries again; a worker gives a connection up, and stays."""
    server = start()
    pid = server.process.pid
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    no_more_files(pid)
    with dial(listeners) as waiting:
        waiting.sendall(GET)
        eventually(lambda: "No connection can be accepted for a moment" in server.log)
        spent = cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - spent < 0.3, "it must not try again and again"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        read_from(waiting).expect(200)
    with dial(listeners) as one, dial(listeners) as other:
        assert ask(one) == ask(other) == 200
        workers = children(pid)
        assert len(workers) == 2
        for worker in workers:
            no_more_files(worker)
        with dial(listeners) as lost:
            assert everything(lost) == b""
    for worker in workers:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, usual)
    assert listeners.get("/cas")[0] == 200
    assert children(pid)[: len(workers)] == workers, "nobody died of it"
    assert "Traceback" not in server.log


def no_more_files(pid: int) -> None:
    """Whatever that process opens next, fails: the limit is one of numbers, and has an effect on new ones only."""
    taken = {int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()}
    lowest_free = next(number for number in range(1000) if number not in taken)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, hard))


def test_each_connection_ends_for_its_client(start: Callable[..., Process], listeners: Listeners) -> None:
    """Also the one for which a second worker was started: nothing else holds it."""
    server = start("limit_idle_time: 1s\n")
    with dial(listeners) as first, dial(listeners) as second:
        assert ask(first) == ask(second) == 200
        assert len(children(server.process.pid)) == 2
        assert everything(first) == everything(second) == b""


def test_a_connection_over_tls_costs_little(start: Callable[..., Process], listeners: Listeners) -> None:
    """asyncio's own buffers would be 50 MB for these."""
    server, context = start(), insecure()

    def used() -> int:
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
            for pid in children(server.process.pid)
        )

    def secure() -> socket.socket:
        return context.wrap_socket(dial(listeners, name="https"))

    with contextlib.ExitStack() as stack:
        for _ in range(10):
            assert ask(stack.enter_context(secure())) == 200
        before = used()
        for _ in range(200):
            assert ask(stack.enter_context(secure())) == 200
        assert used() - before < 200 * 100_000


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
