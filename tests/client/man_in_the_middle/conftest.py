"""The servers with the man in the middle, who behaves when a test begins, and the victim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.shells import Shell

from .victim import Victim
from .world import World, running


@pytest.fixture(scope="package")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.man.behave()
    return shared_world


@pytest.fixture
def victim(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shells: Callable[[str], Shell],
) -> Victim:
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("caucase.clock.sleep", lambda seconds: None)
    return Victim(world, folder, capsys, shells)
