"""Five thousand connections that say nothing, and a thousand that say it slowly; and eight clients who want an answer.

All share this machine, and slowhttptest takes much of it: a third of two processors, which elsewhere would be its own.
So what counts is what an answer takes of the server and of who asked, in seconds of CPU: it decides how many there are.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.process import Listeners, Process

CROWD = Path(__file__).with_name("crowd.py")
IDLE, SLOW = 5000, 500
# slowhttptest has one address, so for once one address may have that many; all else is as it comes.
CONFIG = """\
netloc: localhost:8009
key_type: ec:P-256
idle_timeout: 0
access_log: no
limit_connections_per_address: 2000
"""
# The machine may be busy with something else for a moment, but not each time.
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What honest clients got: answers a second, what of the server's and of their time (CPU, in seconds) each took, the
    slowest of them in seconds, and what was no answer.
    """

    answers: float
    cost: float
    slowest: float
    trouble: str


@dataclass(frozen=True, kw_only=True)
class Server:
    process: Process
    port: int

    def cpu(self) -> float:
        """Seconds that it and its workers have had so far (proc_pid_stat(5): utime, stime)."""
        ticks = 0
        for pid in (self.process.process.pid, *self.process.workers):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def files() -> None:
    """As many as that takes, here and in what is started from here."""
    wanted = 2 * (IDLE + 2 * SLOW)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


@pytest.fixture
def server(tmp_path: Path, files: None) -> Iterator[Server]:
    listeners = Listeners()
    for one in listeners.sockets:
        one.listen(4096)
    (tmp_path / "caucased.yaml").write_text(CONFIG)
    process = Process(tmp_path, "--config", "caucased.yaml", listeners=listeners)
    try:
        process.hear("READY=1")
        yield Server(process=process, port=listeners.port("http"))
        assert process.process.poll() is None
        before, found, after = process.log.partition("Traceback")
        assert not found, before[-300:] + after[:3000]
        # However many were refused, it is one line a minute for each kind and process.
        assert process.log.count("because it was too much") < 100
    finally:
        process.end()
        listeners.close()


def honest(server: Server, seconds: float) -> Rate:
    """What eight clients get for so long."""
    before = server.cpu() + own_cpu()
    said = subprocess.run(
        [sys.executable, CROWD, "honest", str(server.port), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    count, slowest, trouble = said.split(maxsplit=2)
    return Rate(
        answers=int(count) / seconds,
        cost=(server.cpu() + own_cpu() - before) / int(count),
        slowest=float(slowest),
        trouble=trouble.strip(),
    )


def own_cpu() -> float:
    """Of the programs that this one has started, and that have ended: not the server, nor who attacks it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def program(*command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """It and all that it starts, until the context ends."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def attack(port: int) -> Iterator[None]:
    """All of them at once, until the context ends."""
    with (
        program(sys.executable, CROWD, "idle", str(port), str(IDLE)) as idle,
        program("/bin/sh", "-c", slowhttptest(port, "-H -t GET", "/")),
        program("/bin/sh", "-c", slowhttptest(port, "-B -t PUT", "/cas/csr")),
    ):
        assert idle.stdout is not None
        assert idle.stdout.readline() == b"connected\n"
        time.sleep(1)
        yield


def slowhttptest(port: int, kind: str, path: str) -> str:
    """Slow headers (-H) or slow bodies (-B): a few bytes a second. Begun again when the server has ended them all."""
    return (
        f"while :; do slowhttptest {kind} -c {SLOW} -r {SLOW} -i 1 -x 8 -s 60000 -p 3 -l 3600"
        f" -u http://127.0.0.1:{port}{path} >/dev/null || sleep 1; done"
    )


def test_honest_clients_notice_little(server: Server, seconds: float, tell: Callable[[str], None]) -> None:
    each = max(seconds / 2, 3)
    best = 0.0
    for _ in range(ROUNDS):
        honest(server, 1)
        quiet = honest(server, each)
        with attack(server.port):
            attacked = honest(server, each)
        best = max(best, quiet.cost / attacked.cost)
        tell(
            f"{IDLE} idle, {SLOW} slow headers, {SLOW} slow bodies: 8 honest clients get {attacked.answers:.0f} answers/s at"
            f" {1e6 * attacked.cost:.0f} µs of CPU each, {quiet.answers:.0f} at {1e6 * quiet.cost:.0f} µs without"
            f" ({quiet.cost / attacked.cost:.0%} if who attacks has processors of his own,"
            f" {attacked.answers / quiet.answers:.0%} on the same); the slowest takes {attacked.slowest:.3f} s,"
            f" {quiet.slowest:.3f} without"
        )
        assert attacked.trouble == quiet.trouble == "{}"
        if best >= 0.8:
            return
    assert best >= 0.8
