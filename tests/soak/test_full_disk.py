"""A disk that fills up and is emptied while clients write: a real one, small and in memory, which only root can mount."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .clients import Crowd
from .plant import Plant
from .verdict import judge_all

pytestmark = [
    pytest.mark.xdist_group("soak"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that this needs"),
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
    """Leave so many pages."""
    status = os.statvfs(disk)
    free = status.f_bavail * status.f_frsize // PAGE
    (disk / "filler").write_bytes(bytes(max(free - leave, 0) * PAGE))


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
        tell(f"full {times} times, {crowd.figures()}")
        assert plant.process.process.poll() is None, "the server has ended"
        assert "Traceback" not in plant.log()
        assert "unable" in crowd.figures(), "it was never full"
        judge_all(plant, crowd)
