"""The previous state survives kill -9 at any point, and a full disk at any point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("mishaps.py")
# A file system of its own, seen by the program alone. Who is not root becomes so in a namespace, which needs a kernel
# that lets users have them; where it does not, this fails: run the tests as root then.
SMALL_DISK = 'mount -t tmpfs -o size=2m,mode=700 caucase-test "$1/small" && shift && exec "$@"'


def run(what: str, folder: Path) -> dict[str, int]:
    """How many attempts there were of what."""
    (folder / "small").mkdir()
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    done = subprocess.run(
        [
            *("unshare", *namespaces, "sh", "-c", SMALL_DISK, "sh", str(folder)),
            *(sys.executable, str(PROGRAM), what, str(folder)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: int(count) for name, count in (line.split() for line in done.stdout.splitlines())}


def test_killed_at_any_point(tmp_path: Path) -> None:
    attempts = run("kill", tmp_path)
    # So many points there are at least: rows, statements, files.
    assert attempts["backup"] > 50
    assert attempts["restore"] > 200
    assert attempts["migrate"] > 100


def test_disk_full_at_any_point(tmp_path: Path) -> None:
    attempts = run("full", tmp_path)
    assert attempts["backup"] > 20
    assert attempts["restore"] > 20
    assert attempts["migrate"] > 10
