"""How much memory a backup of a large database takes, and getting it back, and how long.

Memory is what a command needs at its peak beyond what the same command needs for an empty database. Twice the size of
the database, which is 2 GiB, is needed in the folder for temporary files.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.report import Verdict, number

NAME = "backup"

EXTRA_MEMORY_MIB = 64

_MANAGE = Path(sys.executable).parent / "caucased-manage"
_MIB = 1 << 20
_BLOB_SIZE = 48 * 1024  # the largest request has 64 KiB in PEM


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    size = 64 if options.quick else 2048
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = _measure_all(folder / "small", 0)
        large = _measure_all(folder / "large", size)
    table = report.table(
        (f"of {size} MiB", "s", "MiB at the peak"),
        [(what, number(seconds), number(memory)) for what, (seconds, memory) in large.items()],
    )
    judged = [
        Verdict(
            name=f"{what}: memory more than for an empty database",
            figure=memory - small[what][1],
            target=EXTRA_MEMORY_MIB,
            unit="MiB",
            at_most=True,
        )
        for what, (_, memory) in large.items()
    ]
    return report.publish(NAME, [table], judged, write=options.write)


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
            "INSERT INTO request (id, context, key_id, digest, csr, address, submitted_at)"
            " VALUES (?, 'cas', ?, ?, ?, '', 0)",
            (
                (number, os.urandom(20), os.urandom(32), os.urandom(_BLOB_SIZE))
                for number in range(size * _MIB // _BLOB_SIZE)
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


if __name__ == "__main__":
    sys.exit(main())
