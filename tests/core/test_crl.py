"""Revocation lists: our encoder against the library's parser."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import profile
from caucase.core.crl import build_crl, revocation_entry
from caucase.core.issue import Signer, Validity, issue_ca, random_serial
from caucase.core.pem import CRL, to_pem
from caucase.core.x509 import (
    SERIAL_MAX,
    Serial,
    authority_key_id,
    is_signed_by,
    load_crl,
    load_crls,
    next_update,
    subject_key_id,
    this_update,
)
from caucase.errors import Malformed

START = datetime(2030, 1, 1, tzinfo=UTC)
KINDS = ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521"]


def make_ca(key) -> Signer:
    return issue_ca(
        key,
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Liste é")]),
        extensions=profile.ca_extensions(),
        validity=Validity(not_before=START, not_after=START + timedelta(days=9999)),
        serial=random_serial(),
    )


def make(
    ca: Signer,
    revoked: Sequence[tuple[int, datetime]] = (),
    *,
    number: int = 1,
    start: datetime = START,
    end: datetime = START + timedelta(days=30),
) -> x509.CertificateRevocationList:
    entries = b"".join(revocation_entry(Serial(serial), date) for serial, date in revoked)
    der = build_crl(ca, entries, number=number, this_update=start, next_update=end)
    crl = load_crl(to_pem(der, CRL))
    assert crl.public_bytes(serialization.Encoding.DER) == der
    return crl


def revoked_at(entry: x509.RevokedCertificate) -> datetime:
    if hasattr(entry, "revocation_date_utc"):
        return entry.revocation_date_utc
    return entry.revocation_date.replace(tzinfo=UTC)


def crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@pytest.mark.parametrize("kind", KINDS)
def test_list(keys, kind: str) -> None:
    ca = make_ca(keys(kind))
    crl = make(ca, [(7, START), (8, START + timedelta(seconds=1))], number=42)
    assert is_signed_by(crl, ca.certificate)
    assert crl.is_signature_valid(ca.key.public_key())
    assert crl.issuer == ca.certificate.subject
    assert crl.issuer.public_bytes() == ca.certificate.subject.public_bytes()
    assert (this_update(crl), next_update(crl)) == (START, START + timedelta(days=30))
    assert [(entry.serial_number, revoked_at(entry)) for entry in crl] == [
        (7, START),
        (8, START + timedelta(seconds=1)),
    ]
    assert authority_key_id(crl) == subject_key_id(ca.certificate)
    assert crl_number(crl) == 42
    assert [extension.critical for extension in crl.extensions] == [False, False]
    other = make_ca(keys(kind, 1))
    assert not is_signed_by(crl, other.certificate)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_list_has_no_list(keys, kind: str) -> None:
    crl = make(make_ca(keys(kind)))
    assert len(crl) == 0
    assert list(crl) == []
    # RFC 5280 section 5.1.2.6: nextUpdate is followed by the extensions at once.
    assert b"Z\xa0" in crl.tbs_certlist_bytes


SERIALS = [1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 2**63, 2**64 - 1, 2**152 - 1, 2**158, SERIAL_MAX]


@pytest.mark.parametrize("serial", SERIALS)
def test_serials(keys, serial: int) -> None:
    crl = make(make_ca(keys()), [(serial, START)])
    [entry] = crl
    assert entry.serial_number == serial
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


@given(
    st.integers(1, SERIAL_MAX),
    st.datetimes(START.replace(year=1951, tzinfo=None), START.replace(year=9998, tzinfo=None)),
)
def test_any_entry_comes_back(serial: int, date: datetime) -> None:
    date = date.replace(tzinfo=UTC, microsecond=0)
    crl = make(FUZZ_CA, [(serial, date)])
    [entry] = crl
    assert (entry.serial_number, revoked_at(entry)) == (serial, date)


def test_same_bytes_as_the_library(keys) -> None:
    ca = make_ca(keys("rsa:2048"))  # PKCS #1 v1.5 signatures are deterministic
    revoked = [(serial, START + timedelta(days=serial % 9999)) for serial in SERIALS]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(START)
        .next_update(START + timedelta(days=30))
        .add_extension(
            x509.AuthorityKeyIdentifier(subject_key_id(ca.certificate), None, None), critical=False
        )
        .add_extension(x509.CRLNumber(300), critical=False)
    )
    for serial, date in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date).build()
        builder = builder.add_revoked_certificate(one)
    theirs = builder.sign(ca.key, hashes.SHA256())
    assert make(ca, revoked, number=300) == theirs


@pytest.mark.parametrize("number", [1, 127, 128, 255, 256, 32767, 32768, 2**31, 2**63, 2**159 - 1])
def test_numbers(keys, number: int) -> None:
    assert crl_number(make(make_ca(keys()), number=number)) == number


@pytest.mark.parametrize(
    ("date", "encoded"),
    [
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(2099, 2, 28, 1, 2, 3, 999_999, tzinfo=UTC), b"\x18\x0f20990228010203Z"),
    ],
)
def test_dates_around_2050(keys, date: datetime, encoded: bytes) -> None:
    assert encoded in revocation_entry(Serial(1), date)
    crl = make(make_ca(keys()), [(1, date)], start=date, end=date + timedelta(days=1))
    assert this_update(crl) == date.replace(microsecond=0)
    assert next_update(crl) == date.replace(microsecond=0) + timedelta(days=1)
    assert [revoked_at(entry) for entry in crl] == [date.replace(microsecond=0)]


@pytest.mark.parametrize("count", [1, 3, 4, 6, 7, 8, 1500, 2000, 100_000])
def test_lengths(keys, count: int) -> None:
    """Every form of length octets, and a large list in little time."""
    entries = b"".join(revocation_entry(Serial(serial), START) for serial in range(1, count + 1))
    started = perf_counter()
    der = build_crl(
        make_ca(keys()), entries, number=1, this_update=START, next_update=START + timedelta(days=1)
    )
    pem = to_pem(der, CRL)
    assert perf_counter() - started < 2
    crl = load_crl(pem)
    assert len(crl) == count
    assert crl[count - 1].serial_number == count


def test_pem(keys) -> None:
    one, two = (
        to_pem(build_crl(make_ca(keys(kind)), b"", number=1, this_update=START, next_update=START), CRL)
        for kind in KINDS[:2]
    )
    assert max(map(len, one.splitlines())) <= 64
    assert one.endswith(b"\n")
    assert [crl.public_bytes(serialization.Encoding.PEM) for crl in load_crls(one + b"text\n" + two)] == [
        one,
        two,
    ]
    for wrong in (b"", one + two, one[:-30], one.replace(b"X509 CRL", b"CRL"), one.replace(b"M", b"N", 1)):
        with pytest.raises(Malformed):
            load_crl(wrong)


def test_an_ed25519_key_signs_no_list(keys) -> None:
    with pytest.raises((TypeError, KeyError)):
        make(make_ca(keys("ed25519")))


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_any_list_is_read_or_malformed(noise: bytes, position: int) -> None:
    position %= len(FUZZ_DER)
    for data in (
        FUZZ_DER[:position] + noise,
        FUZZ_DER[:position] + noise + FUZZ_DER[position + len(noise) :],
    ):
        try:
            crl = load_crl(to_pem(data, CRL))
        except Malformed:
            continue
        authority_key_id(crl)
        is_signed_by(crl, FUZZ_CA.certificate)
        this_update(crl)


FUZZ_CA = make_ca(ec.generate_private_key(ec.SECP256R1()))
FUZZ_DER = build_crl(
    FUZZ_CA, revocation_entry(Serial(5), START), number=1, this_update=START, next_update=START
)
