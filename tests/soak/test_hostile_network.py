"""Five thousand connections that say nothing, and a thousand that say it slowly; and eight clients who want an answer."""

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
    """What honest clients got: answers a second, the slowest of them in seconds, and what was no answer."""

    answers: float
    slowest: float
    trouble: str


@pytest.fixture
def files() -> None:
    """As many as that takes, here and in what is started from here."""
    wanted = 2 * (IDLE + 2 * SLOW)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


@pytest.fixture
def port(tmp_path: Path, files: None) -> Iterator[int]:
    listeners = Listeners()
    for one in listeners.sockets:
        one.listen(4096)
    (tmp_path / "caucased.yaml").write_text(CONFIG)
    server = Process(tmp_path, "--config", "caucased.yaml", listeners=listeners)
    try:
        server.hear("READY=1")
        yield listeners.port("http")
        assert server.process.poll() is None
        before, found, after = server.log.partition("Traceback")
        assert not found, before[-300:] + after[:3000]
        # However many were refused, it is one line a minute for each kind and process.
        assert server.log.count("because it was too much") < 100
    finally:
        server.end()
        listeners.close()


def honest(port: int, seconds: float) -> Rate:
    """What eight clients get for so long."""
    said = subprocess.run(
        [sys.executable, CROWD, "honest", str(port), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    count, slowest, trouble = said.split(maxsplit=2)
    return Rate(answers=int(count) / seconds, slowest=float(slowest), trouble=trouble.strip())


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


def test_honest_clients_notice_little(port: int, seconds: float, tell: Callable[[str], None]) -> None:
    each = max(seconds / 2, 3)
    best = 0.0
    for _ in range(ROUNDS):
        honest(port, 1)
        quiet = honest(port, each)
        with attack(port):
            attacked = honest(port, each)
        best = max(best, attacked.answers / quiet.answers)
        tell(
            f"{IDLE} idle, {SLOW} slow headers, {SLOW} slow bodies: 8 honest clients get {attacked.answers:.0f} answers/s,"
            f" {quiet.answers:.0f} without ({attacked.answers / quiet.answers:.0%}); the slowest takes"
            f" {attacked.slowest:.3f} s, {quiet.slowest:.3f} without"
        )
        assert attacked.trouble == quiet.trouble == "{}"
        if best >= 0.8:
            return
    assert best >= 0.8
