"""What a pass of the updater costs when nothing is due: every machine pays that every quarter of an hour.

The real command on files of a real server, which is gone by then: a pass with nothing due asks nobody. Processor
time of the whole process, Python's start included; the median.
"""

from __future__ import annotations

import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.report import Verdict

NAME = "updater"

IDLE_PASS_MS = 250

_BIN = Path(sys.executable).parent
_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [str(_BIN / "caucase-updater"), "--config", str(folder / "www.yaml")]
        _enrol(folder, command)
        _pass(command)  # fills the file cache
        median = statistics.median(_pass(command) for _ in range(3 if options.quick else 21))
    judged = [
        Verdict(
            name="pass with nothing due", figure=median, target=IDLE_PASS_MS, unit="ms of CPU", at_most=True
        )
    ]
    return report.publish(NAME, [], judged, write=options.write)


def _enrol(folder: Path, command: list[str]) -> None:
    """Get a certificate from a server that signs at once, and let it go."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (folder / "www.yaml").write_text(
        f"ca_url: http://127.0.0.1:{port}\nnames: www.example.com\ndirectory: {folder / 'state'}\n"
    )
    server = subprocess.Popen(
        [str(_BIN / "caucased"), "--netloc", f"127.0.0.1:{port}", "--service-auto-approve-count", "1"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _SECONDS
        while not (folder / "state" / "pair.pem").exists():
            assert time.monotonic() < deadline, "the server gave no certificate"
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    finally:
        server.terminate()
        server.wait()


def _pass(command: list[str]) -> float:
    """Milliseconds of processor time of one pass, which must say nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=os.environ, stdout=subprocess.PIPE, check=True)
    assert not done.stdout, done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
