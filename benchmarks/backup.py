"""How much memory a backup of a large database takes, and getting it back, and how long.

Memory is what a command needs at its peak beyond what the same command needs for an empty database. A figure that
misses its target makes the exit status 1.

    python benchmarks/backup.py [MIB]

``MIB``: the size of the database, 2048 if not given. Twice as much space is needed in the folder for temporary files.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXTRA_MEMORY_MIB = 64

_MANAGE = Path(sys.executable).parent / "caucased-manage"
_MIB = 1 << 20
_BLOB_SIZE = 48 * 1024  # the largest request has 64 KiB in PEM


def main() -> int:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = _measure_all(folder / "small", 0)
        large = _measure_all(folder / "large", size)
    worst = 0.0
    print(
        f"{size} MiB in the database, and up to {EXTRA_MEMORY_MIB} MiB of memory more than for an empty one:"
    )
    for what, (seconds, memory) in large.items():
        extra = memory - small[what][1]
        worst = max(worst, extra)
        print(f"{what:8} {seconds:7.1f} s   {memory:6.1f} MiB, {extra:5.1f} more   {_verdict(extra)}")
    return 0 if worst <= EXTRA_MEMORY_MIB else 1


def _measure_all(folder: Path, size: int) -> dict[str, tuple[float, float]]:
    folder.mkdir()
    for key in ("old", "new"):
        command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        command += ["-keyout", f"{key}.key", "-out", f"{key}.csr", "-subj", f"/CN={key}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    _measure(folder, "--netloc", "localhost:8009", "--sign-user-csr", "old.csr", "old.crt")
    _fill(folder / "caucase.sqlite", size)
    figures = {"backup": _measure(folder, "--backup", ".")}
    (backup,) = folder.glob("*.caucased")
    (folder / "caucase.sqlite").unlink()
    figures["drill"] = _measure(folder, "--drill", backup.name, "old.key")
    figures["restore"] = _measure(folder, "--restore-backup", backup.name, "old.key", "new.csr", "new.crt")
    return figures


def _fill(path: Path, size: int) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO request (context, key_id, digest, csr, address, submitted_at) VALUES ('cas', ?, ?, ?, '', 0)",
            (
                (os.urandom(20), os.urandom(32), os.urandom(_BLOB_SIZE))
                for _ in range(size * _MIB // _BLOB_SIZE)
            ),
        )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _measure(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds, and MiB at the peak."""
    began = time.monotonic()
    command = [str(_MANAGE), *arguments]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said.decode()
    return time.monotonic() - began, _mib(usage)


def _mib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def _verdict(extra: float) -> str:
    return "ok" if extra <= EXTRA_MEMORY_MIB else f"more than {EXTRA_MEMORY_MIB} MiB"


if __name__ == "__main__":
    sys.exit(main())
