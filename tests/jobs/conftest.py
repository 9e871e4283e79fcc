"""Fixtures: a certificate authority with users, and a folder for its backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority.world import World

from .office import Office


@pytest.fixture
def office(tmp_path: Path, clock, keys, make_csr) -> Iterator[Office]:
    for name in ("state", "backups"):
        (tmp_path / name).mkdir(mode=0o700)
    world = World(tmp_path / "state" / "caucase.sqlite", clock, keys, make_csr)
    made = Office(world=world, authority=world.start(), folder=tmp_path)
    made.authority.maintain()
    yield made
    world.stop()
