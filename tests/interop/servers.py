"""Starts and stops a ``caucased`` of either implementation on a free pair of local ports.

Must never end a process it did not start.
"""

from __future__ import annotations

import errno
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .programs import Programs, environment

# Below Linux's ephemeral ports (from 32768), so that no outgoing connection takes one of the pair meanwhile.
FIRST_PORT, LAST_PORT = 20000, 32000
ADDRESS = "127.0.0.1"

# Making CA keys takes seconds on a slow machine.
START_SECONDS = 30
STOP_SECONDS = 15
START_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server: where it answers, where its files are."""

    programs: Programs
    host: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    @property
    def https_port(self) -> int:
        return self.port + 1

    @property
    def https_url(self) -> str:
        return f"https://{self.host}:{self.https_port}"

    @property
    def ours(self) -> bool:
        return self.programs.ours

    def log(self) -> str:
        return (self.folder / "caucased.log").read_text(errors="replace")

    def stop(self) -> int:
        """End it as systemd would, with SIGTERM; the exit code. AssertionError if it does not end in time."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"caucased did not end on SIGTERM\n{self.log()}") from None


@contextmanager
def running(programs: Programs, folder: Path, *options: str, host: str = ADDRESS) -> Iterator[Server]:
    """A server with its data in `folder`, answering when this returns, stopped at the end.

    `host` is the host of its netloc; it always listens on 127.0.0.1.
    """
    server = start(programs, folder, *options, host=host)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def resumed(former: Server, programs: Programs, folder: Path, *options: str) -> Iterator[Server]:
    """A server with data that is in `folder` already, at the address of one that was stopped."""
    server = _launch(programs, folder, options, former.host, former.port)
    assert _answers(server), f"port {former.port} was taken by someone else"
    try:
        yield server
    finally:
        server.stop()


def start(programs: Programs, folder: Path, *options: str, host: str = ADDRESS) -> Server:
    for _attempt in range(START_ATTEMPTS):
        server = _launch(programs, folder, options, host, _free_pair())
        if _answers(server):
            return server
        _forget(folder)
    raise AssertionError(f"caucased found no free pair of ports in {START_ATTEMPTS} attempts")


def _launch(programs: Programs, folder: Path, options: tuple[str, ...], host: str, port: int) -> Server:
    command = [programs.path("caucased"), "--netloc", f"{host}:{port}", "--bind", ADDRESS, *options]
    with (folder / "caucased.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Server(programs=programs, host=host, port=port, folder=folder, process=process)


def _answers(server: Server) -> bool:
    """Wait until both ports take connections; False if the port was taken by someone else in between."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            log = server.log()
            assert "in use" in log, f"caucased ended with {server.process.returncode}\n{log}"
            return False
        if _listens(server.port) and _listens(server.https_port):
            return server.process.poll() is None
        time.sleep(0.05)
    server.stop()
    raise AssertionError(f"caucased does not answer\n{server.log()}")


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((ADDRESS, port)) == 0


def _forget(folder: Path) -> None:
    """Remove what a server left that never answered: the netloc in it is not that of the next attempt."""
    for path in folder.iterdir():
        path.unlink()


def _free_pair() -> int:
    """A port that is free, with the next one free as well."""
    while True:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if _free(port) and _free(port + 1):
            return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
