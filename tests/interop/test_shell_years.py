"""Two years of ``caucase.sh`` with either server: certificates are renewed, CAs roll over until the first two are gone. All
processes see the date that it is said to be, as in ``test_years.py``.
"""

# ruff: noqa: F401 - imported is what pytest is to find here
# ruff: noqa: F811 - fixtures with the same names

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.shell.shells import NAMES, Shell

from .moved_clock import MovedClock
from .programs import IMPLEMENTATIONS
from .servers import running
from .test_years import check, enrol, moved_clock

# A certificate lives for 93 days, a CA for 372; its successor is made when 186 are left, so on days 0, 225 and 450.
STEP = timedelta(days=45)
STEPS = 15
THRESHOLD = ("--threshold", "60")


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_years(name: str, tmp_path: Path, moved_clock: MovedClock, shells: Callable[[str], Shell]) -> None:
    data = tmp_path / "server"
    data.mkdir()
    with running(IMPLEMENTATIONS[name](), data) as server:
        parties = enrol(tmp_path, server, NAMES)
        for _step in range(STEPS):
            for party, shell in zip(parties, NAMES, strict=True):
                renewal = ("--renew-crt", party.bundle, party.bundle)
                shells(shell).run("--ca-url", server.url, *THRESHOLD, *renewal, cwd=party.folder).expect(0)
            check(parties, moved_clock.now)
            moved_clock.advance(STEP)
    for party in parties:
        assert len(party.cas) >= 3
        assert not set(party.cas[:2]) & set(party.trusted())
        assert len(party.serials) >= STEPS - 1
