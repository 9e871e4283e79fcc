"""Five years of a server, a user and twenty services, in which nobody is needed after the first signatures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from caucase.client.updater.plan import CHECK_INTERVAL as DAILY

from .habits import SERVICES
from .world import REVOCATIONS, World

# CAUCASE_YEARS=10 runs ten times five years, each with other chances, and with a check each day as in reality. Else
# machines ask less often what is new, which takes a third of the time, and is harder on them.
RUNS = int(os.environ.get("CAUCASE_YEARS", "0"))
CHECK_INTERVAL = DAILY if RUNS else 3 * DAILY


pytestmark = pytest.mark.xdist_group("years")  # it takes minutes


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.client.transport.BACK_OFF_SECONDS", 0)
    # The package has a function of the module's name.
    monkeypatch.setattr(import_module("caucase.client.updater.plan"), "CHECK_INTERVAL", CHECK_INTERVAL)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be had: thousands of passes wait for the disk twice each."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="caucase-years-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.parametrize("seed", range(max(RUNS, 1)))
def test_five_years(folder: Path, seed: int) -> None:
    with World(folder, seed, CHECK_INTERVAL) as world:
        world.run()
    figures = world.figures
    print(", ".join(f"{name}: {number}" for name, number in sorted(figures.items())))
    assert figures["CAs of services"] >= 9
    assert figures["signatures"] == len(SERVICES) + REVOCATIONS
    assert figures["refusals of revoked"] > 0
    for machine in world.services:
        assert len(machine.files) >= 5 * 365 / 93, machine.name
