"""What systemd is told, read from a real notification socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.host.notify import STATUS_LIMIT, Notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    made = Notifier()
    yield made
    made.close()


def test_the_whole_life_of_a_service(manager: socket.socket, notifier: Notifier) -> None:
    assert notifier.supervised
    notifier.ready("Serving ca.example.com")
    notifier.status("waits: 3 – für Ä")
    notifier.reloading()
    notifier.watchdog()
    notifier.stopping()
    assert [manager.recv(4096).decode() for _ in range(5)] == [
        "READY=1\nSTATUS=Serving ca.example.com",
        "STATUS=waits: 3 – für Ä",
        "RELOADING=1",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_is_one_line_of_limited_length(manager: socket.socket, notifier: Notifier) -> None:
    notifier.status("two\nlines\rREADY=1\u2028x\udc80")
    assert manager.recv(4096) == b"STATUS=two lines READY=1 x?"
    notifier.status("x" * 10_000)
    assert manager.recv(20_000).decode() == "STATUS=" + "x" * (STATUS_LIMIT - 1) + "…"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    assert not notifier.supervised
    notifier.ready("nothing happens")


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("30000000", "self", 15.0), ("30000000", "", 15.0), ("30000000", "1", None), ("", "", None),
        ("0", "", None), ("soon", "", None),
    ],
)  # fmt: skip
def test_watchdog_interval(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, interval: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "self" else pid)
    assert Notifier().watchdog_interval == interval
