"""A bar on a terminal, lines in the log elsewhere, and nothing for what is quick."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from caucase.host import progress
from caucase.host.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: its only entry."""
    moment = [100.0]
    monkeypatch.setattr(progress.clock, "monotonic", lambda: moment[0])
    return moment


def test_a_bar(time: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Progress("Backup", 200)
    bar.add(50)
    assert terminal.getvalue() == ""
    time[0] += 1
    bar.add(50)
    assert f"Backup [{'#' * 15}{'.' * 15}]  50 %" in terminal.getvalue()
    time[0] += 1
    bar.add(1000)
    assert "100 %" in terminal.getvalue()
    bar.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_lines(time: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO):
        line = Progress("Backup", 0)
        for _ in range(70):
            time[0] += 1
            line.add(0)
        line.end()
    assert caplog.messages == ["Backup: 0 %", "Backup: 0 %"]
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
