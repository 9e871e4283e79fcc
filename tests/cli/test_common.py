"""What all commands have in common, by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caucase.cli.common import age


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0 s"), (0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
        (172799, "47 h"), (172800, "2 days"), (1e7, "115 days"),
    ],
)  # fmt: skip
def test_age(seconds: float, shown: str) -> None:
    assert age(timedelta(seconds=seconds)) == shown
