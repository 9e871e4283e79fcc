"""How quickly the server answers when nobody has needed it, and how little it takes while nobody does.

Cold start: from the first connection to the first byte of the answer, the server being started by that
connection (``systemd-socket-activate`` stands for systemd), with a database that exists. Idle memory:
resident, after that answer. A figure that misses its target makes the exit status 1.

    python benchmarks/start.py [RUNS]
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLD_START_MS = 350
IDLE_MEMORY_MIB = 60

_BIN = Path(sys.executable).parent
_REQUEST = b"GET /cas/crt/ca.crt.pem HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory() as folder:
        config = _configuration(Path(folder))
        _measure(config)  # makes the database, and fills the file cache
        results = [_measure(config) for _ in range(runs)]
    start = statistics.median(milliseconds for milliseconds, _ in results)
    memory = max(mib for _, mib in results)
    slowest = max(milliseconds for milliseconds, _ in results)
    verdict = _verdict(start, COLD_START_MS, "ms")
    print(f"cold start   {start:6.0f} ms   {verdict}, median of {runs}, slowest {slowest:.0f} ms")
    print(f"idle memory  {memory:6.1f} MiB  {_verdict(memory, IDLE_MEMORY_MIB, 'MiB')}")
    return 0 if start <= COLD_START_MS and memory <= IDLE_MEMORY_MIB else 1


def _configuration(folder: Path) -> Path:
    config = folder / "caucased.yaml"
    names = {"db": "caucase.sqlite", "server_key": "server.key.pem", "cors_key_store": "cors.key"}
    lines = [f"{key}: {folder / name}" for key, name in names.items()]
    config.write_text("\n".join(["netloc: localhost:8009", *lines]))
    return config


def _measure(config: Path) -> tuple[float, float]:
    """Milliseconds to the first byte, and MiB resident afterwards."""
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
        memory = _resident_mib(server.pid)
        server.terminate()
        server.stderr.read()
    return elapsed * 1000, memory


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def _verdict(figure: float, target: float, unit: str) -> str:
    return f"{'PASS' if figure <= target else 'MISSED'} (target {target} {unit})"


if __name__ == "__main__":
    sys.exit(main())
