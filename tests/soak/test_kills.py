"""kill -9, each second, while clients write: what was answered is there, once; what was not, is there once or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import Crowd
from .plant import Plant
from .verdict import judge_all

pytestmark = pytest.mark.xdist_group("soak")


@pytest.mark.parametrize("who", ["all", "one of them"])
def test_processes_are_killed(tmp_path: Path, seconds: float, who: str, tell: Callable[[str], None]) -> None:
    """The server with its workers, as when a cgroup has no memory left; or a worker, or the parent alone."""
    chance = random.Random(0)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with Plant(tmp_path, data) as plant:
        plant.start()
        crowd = Crowd(plant.listeners, plant.user(), seconds=seconds)
        crowd.start()
        while not crowd.is_over:
            # Now and then while it starts.
            crowd.pause(chance.uniform(0, 1.5))
            if who == "all":
                plant.kill_all()
            elif chance.random() < 0.6:
                plant.kill_worker(chance.randrange(2))
                continue
            else:
                plant.kill_parent()
            plant.start(until_ready=chance.random() < 0.8)
        crowd.wait()
        tell(f"{plant.kills} kills, {crowd.figures()}")
        assert "Traceback" not in plant.log()
        judge_all(plant, crowd)
