"""A disk that fills up and is emptied while clients write: a real one, small and in memory, which only root can mount."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.process import SECONDS

from .clients import Crowd
from .plant import Plant
from .verdict import judge_all, works

pytestmark = [
    pytest.mark.xdist_group("soak"),
    pytest.mark.root("mount the small disk that this needs"),
]

MIB = 1 << 20
PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path, seconds: float) -> Iterator[Path]:
    """With room for what is written in that time; SQLite's log alone becomes as large as 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = int(16 * MIB + 2 * MIB * seconds)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Leave so many pages; whoever else writes meanwhile may take them."""
    chunk = bytes(16 * PAGE)
    with (disk / "filler").open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            # A chunk that has no room any more is written in part.
            while file.write(chunk):
                pass
        file.truncate(max(0, file.tell() - leave * PAGE))


def test_the_disk_fills_up(tmp_path: Path, disk: Path, seconds: float, tell: Callable[[str], None]) -> None:
    chance = random.Random(0)
    with Plant(tmp_path, disk) as plant:
        plant.start()
        crowd = Crowd(plant.listeners, plant.user(), seconds=seconds, unable=(503, 507))
        crowd.start()
        times = 0
        while not crowd.is_over:
            crowd.pause(chance.uniform(0.2, 1))
            fill(disk, leave=chance.randrange(8))
            times += 1
            crowd.pause(chance.uniform(0.2, 1))
            (disk / "filler").unlink()
        crowd.wait()
        works(plant)
        tell(f"full {times} times, {crowd.figures()}")
        assert plant.process.process.poll() is None, "the server has ended"
        assert "Traceback" not in plant.log()
        assert "unable" in crowd.figures(), "it was never full"
        judge_all(plant, crowd)


def test_a_server_starts_on_a_full_disk(tmp_path: Path, disk: Path) -> None:
    """It says so, and goes to work once there is room, without being told."""
    with Plant(tmp_path, disk) as plant:
        plant.start()
        plant.process.signal(signal.SIGTERM)
        assert plant.process.wait() == 0
        fill(disk, leave=0)
        plant.start()
        assert plant.listeners.get("/cas/crt/ca.crt.pem")[0] == 503
        (disk / "filler").unlink()
        deadline = time.monotonic() + SECONDS
        while plant.listeners.get("/cas/crt/ca.crt.pem")[0] != 200:
            assert time.monotonic() < deadline, plant.log()
            time.sleep(0.1)
