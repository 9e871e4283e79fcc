"""Moments as JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import iso8601
from caucase.errors import Malformed


@given(st.datetimes(timezones=st.just(UTC)))
def test_there_and_back(moment: datetime) -> None:
    text = iso8601.dump(moment)
    assert text.endswith("Z")
    assert iso8601.load(text) == moment.replace(microsecond=0)


def test_other_zones_are_told_in_utc() -> None:
    moment = datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert iso8601.dump(moment) == "2029-12-31T23:00:00Z"
    assert iso8601.load("2030-01-01T01:00:00+02:00") == moment
    assert iso8601.dump(None) is None


@pytest.mark.parametrize(
    "text", ["", "soon", "2030-01-01T00:00:00", "0001-01-01T00:00:00+23:59", 7, None, []]
)
def test_what_is_none(text: object) -> None:
    with pytest.raises(Malformed):
        iso8601.load(text)
