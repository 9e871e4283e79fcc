"""A bar on a terminal, lines in the log elsewhere, and nothing for what is quick."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caucase.host import progress
from caucase.host.progress import Progress
from tests.cli.desk import environment, on_terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: its only entry."""
    moment = [100.0]
    monkeypatch.setattr(progress.clock, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is one, on a terminal that can do something."""
    monkeypatch.setattr(progress, "_allowed", True)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("command")
def test_a_bar(time: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Progress("Backup", 200)
    bar.add(25)
    time[0] += 1.9
    bar.add(25)
    assert terminal.getvalue() == ""  # what is over soon needs none
    time[0] += 0.2
    bar.add(50)
    assert f"Backup [{'#' * 15}{'.' * 15}]  50 %" in terminal.getvalue()
    time[0] += 1
    bar.add(1000)
    assert "100 %" in terminal.getvalue()
    bar.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("command")
def test_bytes_of_which_nobody_knows_how_many(time: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.progress("Fetching", 0) as bar:
        time[0] += 3
        bar.add(3 << 19)
        assert terminal.getvalue() == "\rFetching 1.5 MiB\x1b[K"
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(("allowed", "terminal"), [(False, "xterm"), (True, "dumb"), (True, "")])
def test_silence(time: list[float], monkeypatch: pytest.MonkeyPatch, allowed: bool, terminal: str) -> None:
    """Of a library, and on a terminal that could only scroll."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_allowed", allowed)
    monkeypatch.setenv("TERM", terminal)
    with progress.progress("Fetching", 10) as bar, progress.counting_seconds("Waiting"):
        time[0] += 5
        bar.add(5)
    assert stream.getvalue() == ""


PROGRAM = """
import sys, time
from caucase.host import progress
progress.allow()
try:
    with progress.counting_seconds("Making\\x1b a key " + "x" * 200):
        time.sleep(float(sys.argv[2]) if sys.argv[1] == "sleep" else 0)
        if sys.argv[1] == "fail":
            time.sleep(2.5)
            raise ValueError("told")
finally:
    print("done", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "counted"), [(("sleep", "3.5"), True), (("sleep", "0.5"), False), (("fail", "0"), True)]
)
def test_seconds_are_counted(tmp_path: Path, arguments: tuple[str, ...], counted: bool) -> None:
    shown = on_terminal(PROGRAM, tmp_path, *arguments)
    line = "\rMaking\x1b a key "
    before, _, after = shown.partition("\r\x1b[K")
    if not counted:
        assert shown == "done\n"
        return
    assert before.startswith(line)
    assert " ... 2 s\x1b[K" in before
    assert (" ... 3 s\x1b[K" in before) == (arguments[0] == "sleep")
    assert after.startswith("done\n")
    # One line: nothing of it is left behind when it is taken away.
    assert all(len(piece) <= 80 for piece in re.sub("\x1b(\\[K)?", "", before).split("\r"))


def test_a_command_that_is_killed_leaves_no_counting_behind(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "sleep", "60"],
        env=environment(tmp_path, {"TERM": "xterm"}),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        assert os.read(ours, 1024).startswith(b"\rMaking")  # the child counts
        process.kill()
        process.wait(10)
        # Once nobody has the terminal open any more, reading from it fails.
        with pytest.raises(OSError, match="Input/output error"):  # noqa: PT012 - reads what is left
            for _ in range(100):
                os.read(ours, 1024)
    finally:
        os.close(ours)


def test_lines(time: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO):
        line = Progress("Backup", 0)
        for _ in range(70):
            time[0] += 1
            line.add(1 << 19)
        line.end()
    assert caplog.messages == ["Backup: 15.0 MiB", "Backup: 30.0 MiB"]
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
