"""What a server says of what it issued, parsed strictly; and which certificates need another one."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.client.listing import IssuedCertificate, expiring, parse_page
from caucase.errors import Malformed

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GOOD = {"serial": "1f", "kind": "signed", "subject": "CN=x", "names": ["DNS:x"], "not_after": "2030-01-02T00:00:00Z",
        "approved_by": "CN=boss", "renewed_from": None, "revoked": None, "number": 1, "later": [1]}  # fmt: skip


def page(*certificates: object, following: object = None) -> bytes:
    return json.dumps({"certificates": certificates, "next": following}).encode()


def test_a_page() -> None:
    found = parse_page(page(GOOD, {**GOOD, "names": None, "subject": None, "revoked": {}}), after=3)
    first, second = found.certificates
    assert (first.serial, first.subject, first.names, first.approved_by) == (
        "1f",
        "CN=x",
        ("DNS:x",),
        "CN=boss",
    )
    assert (first.renewed_from, first.is_revoked, first.not_after) == ("", False, NOW + timedelta(days=1))
    assert (second.subject, second.names, second.is_revoked) == ("", (), True)
    assert first.document == GOOD
    assert found.next is None
    assert parse_page(page(following=4), after=3).next == 4


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"certificates": {}}', b'{"certificates": [1]}', page(following=3), page(following="4"),
        page(following=True), page(following=4.5), page({}), page({**GOOD, "serial": None}), page({**GOOD, "serial": 5}),
        page({**GOOD, "serial": ""}), page({**GOOD, "serial": "1F"}), page({**GOOD, "renewed_from": "x"}),
        page({**GOOD, "not_after": None}), page({**GOOD, "not_after": "soon"}),
        page({**GOOD, "not_after": "2030-01-02T00:00:00"}), page({**GOOD, "names": "x"}), page({**GOOD, "subject": ["x"]}),
    ],
)  # fmt: skip
def test_what_is_no_page(body: bytes) -> None:
    """One that does not lead on would be asked for again for ever."""
    with pytest.raises(Malformed):
        parse_page(body, after=3)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: page(x)))
def test_any_bytes(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse_page(body, after=0)


def certificate(serial: str, days: float, **fields: Any) -> IssuedCertificate:
    values = {
        "kind": "signed",
        "subject": "",
        "names": (),
        "approved_by": "",
        "renewed_from": "",
        "is_revoked": False,
    }
    return IssuedCertificate(
        serial=serial, not_after=NOW + timedelta(days=days), document={}, **{**values, **fields}
    )


def test_which_ones_expire() -> None:
    every = [
        certificate("over", -0.1),
        certificate("a", 1),
        certificate("revoked", 1, is_revoked=True),
        certificate("renewed", 2),
        certificate("in time", 30, renewed_from="renewed"),
        certificate("b", 7),
        certificate("later", 7.1),
        certificate("again", 3, renewed_from="gone"),
    ]
    found = expiring(every, now=NOW, until=NOW + timedelta(days=7))
    assert [one.serial for one in found] == ["a", "b", "again"]
