"""A disk that fails now and then, also when it is to be synchronised, and a server that is killed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import Crowd
from .plant import Plant
from .verdict import judge_all, works
from .weather import Weather

pytestmark = pytest.mark.xdist_group("soak")

ONE_IN = (3, 10, 50)


def test_the_disk_fails(tmp_path: Path, library: Path, seconds: float, tell: Callable[[str], None]) -> None:
    chance = random.Random(0)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    weather = Weather(library, tmp_path, data / "caucase.sqlite")
    with Plant(tmp_path, data, environment=weather.environment) as plant:
        plant.start()
        crowd = Crowd(plant.listeners, plant.user(), seconds=seconds, unable=(503,))
        crowd.start()
        while not crowd.is_over:
            weather.let_fail(chance.choice(ONE_IN))
            crowd.pause(chance.uniform(0.2, 0.8))
            if chance.random() < 0.5:
                plant.kill_all()
                weather.let_fail(0)
                plant.start()
            weather.let_fail(0)
            crowd.pause(chance.uniform(0.2, 0.8))
        crowd.wait()
        works(plant)
        tell(f"{weather.failed} failures, {plant.kills} kills, {crowd.figures()}")
        assert "Traceback" not in plant.log()
        assert weather.failed > 0
        judge_all(plant, crowd)
