"""How quickly the server answers when nobody has needed it, and how little it takes while nobody does.

Cold start: from the first connection to the first byte of the answer, the server being started by that
connection (``systemd-socket-activate`` stands for systemd), with a database that exists. Idle memory:
after that answer, of the server's processes together.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes, report
from benchmarks.report import Verdict

NAME = "start"

COLD_START_MS = 350
IDLE_MEMORY_MIB = 60

_BIN = Path(sys.executable).parent
_REQUEST = b"GET /cas/crt/ca.crt.pem HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(Path(folder))
        measure(config)  # makes the database, and fills the file cache
        results = [measure(config) for _ in range(3 if options.quick else 21)]
    start = statistics.median(milliseconds for milliseconds, _ in results)
    memory = max(mib for _, mib in results)
    judged = [
        Verdict(name="cold start", figure=start, target=COLD_START_MS, unit="ms", at_most=True),
        Verdict(name="idle memory", figure=memory, target=IDLE_MEMORY_MIB, unit="MiB", at_most=True),
    ]
    return report.publish(NAME, [], judged, write=options.write)


def configuration(folder: Path) -> Path:
    """The file that says that all of a server's files are in ``folder``."""
    config = folder / "caucased.yaml"
    names = {"db": "caucase.sqlite", "server_key": "server.key.pem", "cors_key_store": "cors.key"}
    lines = [f"{key}: {folder / name}" for key, name in names.items()]
    config.write_text("\n".join(["netloc: localhost:8009", *lines]))
    return config


def measure(config: Path) -> tuple[float, float]:
    """Milliseconds to the first byte, and MiB in memory afterwards."""
    http, https = _free_ports()
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{http}", "-l", f"127.0.0.1:{https}"]
    command += ["--fdname=http:https", str(_BIN / "caucased"), f"--config={config}"]
    # systemd-socket-activate becomes the server, so this is its process id.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if f"127.0.0.1:{https}" in line:
                break
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", http), timeout=30) as connection:
            connection.sendall(_REQUEST)
            first = connection.recv(1)
            elapsed = time.perf_counter() - started
        assert first == b"H", "there was no answer"
        memory = processes.memory(server.pid).pss
        server.terminate()
        server.stderr.read()
    return elapsed * 1000, memory


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
