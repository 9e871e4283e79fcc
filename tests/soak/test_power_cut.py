"""Whenever the power goes, what was answered is on the disk: not only in the kernel's memory, which kill -9 leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .clients import Crowd
from .plant import Plant
from .power import Disk
from .verdict import judge
from .weather import Weather

pytestmark = pytest.mark.xdist_group("soak")

CUTS = 40
# Once the server has started, one of so many reads, writes and synchronisations fails.
ONE_IN = 200


def test_the_power_goes(tmp_path: Path, library: Path, seconds: float, tell: Callable[[str], None]) -> None:
    """One run, and afterwards many cuts, each at another moment of it."""
    data, notes = tmp_path / "data", tmp_path / "notes"
    data.mkdir(mode=0o700)
    weather = Weather(library, tmp_path, data / "caucase.sqlite", notes=notes)
    with Plant(tmp_path, data, environment=weather.environment) as plant:
        plant.start()
        user = plant.user()
        crowd = Crowd(
            plant.listeners,
            user,
            seconds=seconds,
            unable=(503,),
            now=lambda: float(notes.stat().st_size),
        )
        first = notes.stat().st_size
        weather.let_fail(ONE_IN)
        crowd.start()
        crowd.wait()
        tell(f"{CUTS} cuts, {weather.failed} failures, {crowd.figures()}")
    chance = random.Random(0)
    last = notes.stat().st_size
    moments = sorted(chance.uniform(first, last) for _ in range(CUTS))
    disk, left = Disk(notes), tmp_path / "left" / "caucase.sqlite"
    left.parent.mkdir()
    for position in disk.happen():
        while moments and position >= moments[0]:
            moments.pop(0)
            disk.cut(left, chance)
            judge(left, [life.until(position) for life in crowd.lives])
    assert not moments
