"""Fixtures: an authority over a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.authority import Authority

from .world import World


@pytest.fixture
def world(tmp_path: Path, clock, keys, make_csr) -> Iterator[World]:
    made = World(tmp_path / "caucase.sqlite", clock, keys, make_csr)
    yield made
    made.stop()


@pytest.fixture
def authority(world: World) -> Authority:
    return world.start()
