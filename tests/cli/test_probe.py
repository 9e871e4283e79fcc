"""``caucase-probe``, at every time of a server's life."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from caucase.cli.probe import main
from caucase.store import Database
from tests.server.harness import running

DAY = timedelta(days=1)


@pytest.mark.parametrize("age", [0, 150, 200, 250, 300, 350])
def test_server_of_any_age(age: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when the CA that signs is not the one that is handed out."""
    with Database(tmp_path / "caucase.sqlite") as database, running(tmp_path) as server:
        server.clock.ahead = -age * DAY
        server.configure(database)
        assert server.authority is not None
        for days in range(age, -1, -25):
            server.clock.ahead = -days * DAY
            server.authority.maintain()
        assert main([server.origin]) == 0, capsys.readouterr().err
