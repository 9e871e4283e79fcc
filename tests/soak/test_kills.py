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


def test_the_server_is_killed(tmp_path: Path, seconds: float, tell: Callable[[str], None]) -> None:
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
            plant.kill_all()
            plant.start(until_ready=chance.random() < 0.8)
        crowd.wait()
        tell(f"{plant.kills} kills, {crowd.figures()}")
        assert "Traceback" not in plant.log()
        judge_all(plant, crowd)
