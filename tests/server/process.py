"""Runs the server's program as systemd would: with listening sockets, names for them, and somebody who hears
what it says.

The sockets and the notification socket are real and speak systemd's protocols (sd_listen_fds(3),
sd_notify(3)); only the process that holds them is this one instead of systemd, so that a test sees every
message.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Also where the package is not installed: the tests run with several versions of cryptography.
PROGRAM = "import sys; from caucase.cli.caucased import main; sys.exit(main())"
SECONDS = 30.0
_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
# The shell becomes the program, so its process id is the one that LISTEN_PID has to be.
_AS_SYSTEMD = 'LISTEN_PID=$$ exec "$@"'


def free_ports() -> int:
    """A free port after which the next is free, too; not one of those that other tests are given by the kernel."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError):
            for one in (port, port + 1):
                socket.create_server(("127.0.0.1", one)).close()
            return port


class Listeners:
    """Listening sockets that outlive any server, as systemd's do. ``names``: one for each."""

    def __init__(self, names: Sequence[str] = ("http", "https"), host: str = "127.0.0.1") -> None:
        self.names = tuple(names)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host = host
        self.sockets = [socket.create_server((host, 0), family=family, backlog=512) for _ in names]

    def port(self, name: str, index: int = 0) -> int:
        found = [one for one, its in zip(self.sockets, self.names, strict=True) if its == name]
        port: int = found[index].getsockname()[1]
        return port

    def get(self, path: str = "/", *, name: str = "http", index: int = 0) -> tuple[int, str]:
        """Status and body, over an unverified connection."""
        response = self.open(path, name=name, index=index)
        return response.status, response.read().decode()

    def open(self, path: str = "/", *, name: str = "http", index: int = 0) -> HTTPResponse:
        port = self.port(name, index)
        if name == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection: HTTPConnection = HTTPSConnection(self.host, port, timeout=SECONDS, context=context)
        else:
            connection = HTTPConnection(self.host, port, timeout=SECONDS)
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        connection.close()  # the response keeps its own hold of the socket
        return response

    def close(self) -> None:
        for one in self.sockets:
            one.close()


class Process:
    """One run of the program, in a process group of its own. ``said``: the notifications so far, in order."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        listeners: Listeners | None = None,
        supervised: bool = True,
        watchdog_seconds: float | None = None,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
    ) -> None:
        """``descriptors``: how many files it may have open."""
        self.said: list[str] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.settimeout(0.05)
        address = folder / f"notify.{time.monotonic_ns()}"
        self._notify.bind(str(address))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")},
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }
        if supervised:
            environment["NOTIFY_SOCKET"] = str(address)
        if watchdog_seconds is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))
        command = [sys.executable, "-c", PROGRAM, *arguments]
        inherited: list[socket.socket] = []
        if listeners is not None:
            inherited = listeners.sockets
            environment |= {"LISTEN_FDS": str(len(inherited)), "LISTEN_FDNAMES": ":".join(listeners.names)}
            command = ["/bin/sh", "-c", _AS_SYSTEMD, "sh", *command]
        self.log_path = folder / f"log.{time.monotonic_ns()}"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,
                preexec_fn=lambda: _prepare(inherited, descriptors),
                process_group=0,
            )

    @property
    def workers(self) -> list[int]:
        """Their process ids."""
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def hear(self, text: str, *, seconds: float = SECONDS) -> str:
        """Wait for a notification with that text, said now or before; the notification."""
        deadline = time.monotonic() + seconds
        while True:
            for one in self.said:
                if text in one:
                    return one
            assert time.monotonic() < deadline, f"never heard {text!r} among {self.said}; log: {self.log}"
            self.listen()

    def listen(self) -> None:
        """Take what has been said, waiting a moment for it."""
        try:
            self.said.append(self._notify.recv(65536).decode())
        except TimeoutError:
            assert self.process.poll() in (None, 0), self.log

    def forget(self) -> None:
        """So that ``hear`` waits for something new."""
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            self.listen()
        self.said.clear()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit status."""
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        self._notify.close()


def _prepare(inherited: Sequence[socket.socket], descriptors: int | None) -> None:
    """In the child."""
    _place(inherited)
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def _place(inherited: Sequence[socket.socket]) -> None:
    """In the child: the descriptors 3 and up are the sockets, and everything else is closed."""
    # First out of the way, so that no placement overwrites one that is still to be placed.
    copies = [os.dup2(one.fileno(), 200 + index) for index, one in enumerate(inherited)]
    os.closerange(_FIRST_DESCRIPTOR, 200)
    for index, copy in enumerate(copies):
        os.dup2(copy, _FIRST_DESCRIPTOR + index)
    os.closerange(200, 200 + len(copies))
