"""Starts and stops what is measured: this server, or the peer's, in a folder of its own and on free ports.

Must never end a process that it did not start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import ADDRESS, Target

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
"""Where databases and prepared work are kept: on a disk, as a server's data is."""

OURS_BIN = Path(sys.executable).parent
PEER_BIN = ROOT / ".venv-peer" / "bin"

# Below the ports that outgoing connections take.
_FIRST_PORT, _LAST_PORT = 20000, 32000
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. ``pid`` is the root of its tree of processes, ``port`` that of HTTP."""

    name: str
    folder: Path
    port: int
    pid: int

    @property
    def http(self) -> Target:
        return Target(port=self.port)

    def https(self, user: Path | None) -> Target:
        """HTTPS, as the user whose key and certificate are in the file ``user``."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if user is not None:
            context.load_cert_chain(user)
        return Target(port=self.port + 1, tls=context)


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to start one. ``settings``: lines of a YAML file for what no option says."""

    name: str
    command: Path
    options: Sequence[str] = ()
    settings: Sequence[str] = ()


_QUEUE = ("--service-max-csr", "1000000")

OURS = Program(name="ours", command=OURS_BIN / "caucased", options=("--no-access-log", *_QUEUE))
OURS_EC = Program(
    name="ours, EC",
    command=OURS_BIN / "caucased",
    options=("--no-access-log", *_QUEUE),
    settings=("key_type: ec:P-256",),
)
PEER = Program(name="peer", command=PEER_BIN / "caucased", options=_QUEUE)


@contextlib.contextmanager
def making() -> Iterator[None]:
    """While something is made in build/bench that is to stay: one process at a time. Not to be nested."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder on the disk that build/ is on, which is no tmpfs."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="server-") as name:
        yield Path(name)


@contextlib.contextmanager
def running(
    program: Program,
    folder: Path,
    *,
    netloc: str = "",
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server with its data in ``folder``, answering on both ports.

    ``netloc``: of a database that was made before. ``prefix``: what goes before the command and becomes it, ``taskset``
    for one. ``environment``: variables that it has beside those of this process.
    """
    port = free_pair()
    command = [*prefix, str(program.command), "--netloc", netloc or f"localhost:{port}", *program.options]
    command += ["--base-port", str(port), "--bind", ADDRESS]
    if program.settings:
        (folder / "caucased.yaml").write_text("\n".join(program.settings) + "\n")
        command += ["--config", "caucased.yaml"]
    with (folder / "caucased.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(process, port, folder)
        yield Server(name=program.name, folder=folder, port=port, pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_pair() -> int:
    """A port that is free, and the next one is too."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT)
        if _is_free(port) and _is_free(port + 1):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (_listens(port) and _listens(port + 1)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"caucased does not start: {(folder / 'caucased.log').read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((ADDRESS, port)) == 0
