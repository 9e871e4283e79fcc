"""An entry of the record, and the hash that binds it to the one before."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import profile
from caucase.core.issue import Signer, Validity, issue, issue_ca
from caucase.core.netloc import NetLoc
from caucase.core.record import START, Entry, Kind, issued, link
from caucase.core.spki import KeyId, key_id
from caucase.core.x509 import Serial

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENTRY = Entry(kind=Kind.SIGNED, at=1, serial=Serial(255), issuer=KeyId(b"\x01"), not_after=9)

stored = st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.floats())


@pytest.fixture(scope="module")
def ca(keys) -> Signer:
    return issue_ca(
        keys(),
        subject=profile.ca_subject("CA", NetLoc.parse("ca.example")),
        extensions=profile.ca_extensions(),
        validity=Validity.starting(NOW, timedelta(days=400)),
        serial=Serial(1),
    )


def certificate(ca: Signer, keys, *names: x509.GeneralName, subject: str = "www, or so") -> x509.Certificate:
    asked = profile.Asked(
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]),
        extensions=x509.Extensions(
            [x509.Extension(x509.SubjectAlternativeName.oid, False, x509.SubjectAlternativeName(names))]
        ),
    )
    key = keys(number=1).public_key()
    return issue(
        ca,
        key=key,
        subject=asked.subject,
        extensions=profile.leaf_extensions(
            asked, key_id=key_id(key), issuer=ca.key_id, crl_url=None, auto_signed=False
        ),
        validity=Validity.starting(NOW, timedelta(days=93)),
        serial=Serial(0xABCDEF),
    )


def test_what_is_recorded_of_a_certificate(ca: Signer, keys) -> None:
    made = certificate(ca, keys, x509.DNSName("www.example"))
    entry = issued(made, Kind.RENEWED, at=7, address="192.0.2.1", actor="CN=boss", renewed_from=Serial(0x1F))
    start = int(NOW.timestamp()) - 10
    assert entry.values("cas", 3) == (
        "cas", 3, "renewed", 7, "abcdef", r"CN=www\, or so", '["DNS:www.example"]', key_id(keys(number=1).public_key()),
        ca.key_id, start, start + 93 * 86400, "192.0.2.1", "CN=boss", "1f",
    )  # fmt: skip


def test_names_of_every_kind(ca: Signer, keys) -> None:
    """None of them can look like one of another kind."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x\nü")])
    made = certificate(
        ca,
        keys,
        x509.DNSName("*.example"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("a@example"),
        x509.UniformResourceIdentifier("spiffe://example/IP:1"),
        x509.DirectoryName(name),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.2.4"), b"\x04\x01a"),
    )
    entry = issued(made, Kind.SIGNED, at=1)
    assert entry.names is not None
    assert entry.names.isascii()
    assert json.loads(entry.names) == [
        "DNS:*.example", "IP:2001:db8::1", "email:a@example", "URI:spiffe://example/IP:1", "DirName:CN=x\nü", "RID:1.2.3",
        "othername:1.2.4:040161",
    ]  # fmt: skip


def test_no_names_and_no_subject(ca: Signer, keys) -> None:
    entry = issued(ca.certificate, Kind.IMPORTED, at=None)
    assert (entry.names, entry.at, entry.actor, entry.issuer) == ("[]", None, None, ca.key_id)


def test_every_field_is_hashed() -> None:
    values = ENTRY.values("cas", 1)
    assert len(values) == len(fields(Entry)) + 2
    assert all(
        link(START, [*values[:place], "other", *values[place + 1 :]]) != link(START, values)
        for place in range(len(values))
    )


def test_the_hash_never_changes() -> None:
    """By hand, as docs/record.md describes it."""
    issuer = {"base64": base64.b64encode(b"\x01").decode()}
    line = '["cas", 1, "signed", 1, "ff", null, null, null, {"base64": "AQ=="}, null, 9, null, null, null]'
    assert json.loads(line)[8] == issuer
    expected = hashlib.sha256(bytes(32) + line.encode()).digest()
    assert link(START, ENTRY.values("cas", 1)) == expected
    assert link(expected, ENTRY.values("cas", 1)) == hashlib.sha256(expected + line.encode()).digest()
    text = rb'["\u00fc\ud83d\ude00\u007f\u0000\n/\"\\"]'
    assert link(START, ['\u00fc\U0001f600\x7f\x00\n/"\\']) == hashlib.sha256(bytes(32) + text).digest()


@given(st.lists(stored, max_size=4), st.lists(stored, max_size=4))
def test_different_values_have_different_hashes(one: list[object], other: list[object]) -> None:
    """Of whatever type somebody has put into the database."""

    def typed(values: list[object]) -> list[tuple[str, str]]:
        return [(type(value).__name__, repr(value)) for value in values]

    assert (link(START, one) == link(START, other)) == (typed(one) == typed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([b"ab"], ["YWI="]),
        ([b"ab"], ['{"base64": "YWI="}']),
        ([1], ["1"]),
        ([None], ["null"]),
        ([1], [1.0]),
        ([""], [None]),
        ([b""], [""]),
        ([], [None]),
        (['a", "b'], ["a", "b"]),
    ],
)
def test_values_that_look_alike(one: list[object], other: list[object]) -> None:
    assert link(START, one) != link(START, other)


def test_what_comes_before_matters() -> None:
    values = ENTRY.values("cas", 1)
    assert link(START, values) != link(bytes(31) + b"\x01", values)
