"""A server that is killed and started again, on listening sockets that outlive it, as systemd would do it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.server.material import make
from tests.server.process import ROOT, SECONDS, Listeners, Process
from tests.server.wire import Client

_MANAGE = "import sys; from caucase.cli.manage import main; sys.exit(main())"
_CONFIGURATION = """\
netloc: localhost:8009
key_type: ec:P-256
idle_timeout: 0
user_auto_approve_count: 1
service_max_csr: 1000000
workers: 2
"""


class Plant:
    """``folder`` for configuration and logs, ``data`` for what the server keeps."""

    def __init__(
        self, folder: Path, data: Path, *, environment: Mapping[str, str] | None = None, more: str = ""
    ) -> None:
        self.folder = folder
        self.database = data / "caucase.sqlite"
        self.listeners = Listeners()
        self.kills = 0
        self._environment = dict(environment or {})
        self._processes: list[Process] = []
        names = {"db": self.database, "server_key": data / "server.key", "cors_key_store": data / "cors.key"}
        lines = "".join(f"{key}: {path}\n" for key, path in names.items())
        (folder / "caucased.yaml").write_text(_CONFIGURATION + lines + more)

    def __enter__(self) -> Plant:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill_all()
        self.orphans()
        self.listeners.close()
        for process in self._processes:
            process.end()

    @property
    def process(self) -> Process:
        return self._processes[-1]

    def start(self, *, until_ready: bool = True) -> None:
        process = Process(
            self.folder,
            *("--config", "caucased.yaml"),
            listeners=self.listeners,
            environment=self._environment,
        )
        self._processes.append(process)
        if until_ready:
            process.hear("READY=1")

    def user(self) -> Path:
        """Key and certificate of the first user, who is approved at once."""
        made = make("boss")
        http = self.listeners.port("http")
        return made.bundle(self.folder / "boss.pem", Client(port=http).become_user(made.csr_pem))

    # Violence

    def kill_all(self) -> None:
        """The server with all its workers, as the kernel does it when a cgroup has no memory left; until they are gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.process.pid, signal.SIGKILL)
        self.process.process.wait(SECONDS)
        assert not _left({self.process.process.pid})
        self.kills += 1

    def kill_parent(self) -> None:
        """The process that systemd knows, and it alone."""
        self.process.process.kill()
        self.process.process.wait(SECONDS)
        self.kills += 1

    def kill_worker(self, choice: int) -> None:
        """One of them, if there is any at the moment."""
        if workers := self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[choice % len(workers)], signal.SIGKILL)
            self.kills += 1

    def workers(self) -> list[int]:
        """The process ids of the server's workers."""
        pid = self.process.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def orphans(self) -> list[int]:
        """What is left of the servers, all of which were killed, or their parents."""
        return _left({process.process.pid for process in self._processes})

    # Questions

    def log(self) -> str:
        """Of all servers there were."""
        return "".join(process.log for process in self._processes)

    def manage(self, *arguments: str) -> str:
        """What ``caucased-manage`` prints, which must not fail."""
        done = subprocess.run(
            [sys.executable, "-c", _MANAGE, "--config", "caucased.yaml", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _left(groups: set[int]) -> list[int]:
    """Which processes are still there of these groups, after as long as they may take to notice what happened."""
    deadline = time.monotonic() + SECONDS
    while left := [pid for pid, group in _groups() if group in groups]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return left


def _groups() -> list[tuple[int, int]]:
    """Process id and process group of everything that runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, can hold anything.
            state, _parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                found.append((int(folder.name), int(group)))
    return found
