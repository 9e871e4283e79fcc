"""A clock that is put a day forward and back while clients write."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import Crowd
from .plant import Plant
from .verdict import judge_all
from .weather import Weather

pytestmark = pytest.mark.xdist_group("soak")

DAY = 86_400


def test_the_clock_is_put_forward_and_back(
    tmp_path: Path, library: Path, seconds: float, tell: Callable[[str], None]
) -> None:
    chance = random.Random(0)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    weather = Weather(library, tmp_path, data / "caucase.sqlite")
    # What is valid from now on is valid wherever the clock is put later.
    weather.put_clock_ahead(-2 * DAY)
    with Plant(tmp_path, data, environment=weather.environment) as plant:
        plant.start()
        # 400, 404: the certificate is of the future, or its answer of the day before yesterday.
        crowd = Crowd(plant.listeners, plant.user(), seconds=seconds, refused=(400, 404))
        crowd.start()
        steps = 0
        while not crowd.is_over:
            weather.put_clock_ahead(chance.choice((-DAY, 0, DAY)))
            steps += 1
            crowd.pause(chance.uniform(0.1, 1))
        weather.put_clock_ahead(0)
        crowd.wait()
        tell(f"{steps} steps, {crowd.figures()}")
        assert "Traceback" not in plant.log()
        judge_all(plant, crowd, answers_expire=True)
