"""Which CA certificates a client accepts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from caucase.core import message, profile, trust
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.message import SignedMessage
from caucase.core.spki import key_id
from caucase.core.x509 import dump_pem, not_after, subject_key_id
from caucase.errors import CaucaseError, Untrusted

START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIFE = 40 * DAY
SUBJECT = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])


@pytest.fixture
def generations(keys) -> list[Signer]:
    """Four CAs, each made when half of the life of the one before is over."""
    return [
        issue_ca(
            keys("ec:P-256", number),
            subject=SUBJECT,
            extensions=profile.ca_extensions(),
            validity=Validity(
                not_before=START + number * LIFE / 2, not_after=START + number * LIFE / 2 + LIFE
            ),
            serial=random_serial(),
        )
        for number in range(4)
    ]


def link(old: Signer, new: Signer | x509.Certificate, *, by: Signer | None = None) -> SignedMessage:
    certificate = new.certificate if isinstance(new, Signer) else new
    payload = {"old_pem": dump_pem(old.certificate).decode(), "new_pem": dump_pem(certificate).decode()}
    return message.sign(payload, (by or old).key)


def accept(
    trusted: list[Signer], anchor: Signer, chain: list[SignedMessage], now: datetime
) -> list[x509.Certificate]:
    return trust.updated_trust(
        [signer.certificate for signer in trusted], anchor=anchor.certificate, chain=chain, now=now
    )


def certificates(*signers: Signer) -> list[x509.Certificate]:
    return [signer.certificate for signer in signers]


def leaf(ca: Signer) -> x509.Certificate:
    key = ca.key.public_key()
    extensions = profile.leaf_extensions(
        profile.Asked(subject=SUBJECT, extensions=x509.Extensions([])),
        key_id=key_id(key),
        issuer=subject_key_id(ca.certificate),
        crl_url=None,
        auto_signed=False,
    )
    validity = Validity(not_before=START, not_after=START + LIFE)
    return issue(
        ca, key=key, subject=SUBJECT, extensions=extensions, validity=validity, serial=random_serial()
    )


def test_first_contact_takes_the_servers_word(generations) -> None:
    a, b, *_ = generations
    assert accept([], a, [], START) == certificates(a)
    assert accept([], a, [link(a, b)], START + LIFE / 2) == certificates(a, b)


def test_nothing_new(generations) -> None:
    a, *_ = generations
    assert accept([a], a, [], START) == certificates(a)


def test_one_generation(generations) -> None:
    a, b, *_ = generations
    assert accept([a], a, [link(a, b)], START + LIFE / 2) == certificates(a, b)
    assert accept([a, b], a, [link(a, b)], START + LIFE / 2) == certificates(a, b)


def test_several_generations_at_once_over_expired_links(generations) -> None:
    a, b, c, d = generations
    chain = [link(a, b), link(b, c), link(c, d)]
    now = START + 1.9 * LIFE  # a and b have expired
    assert accept([a], c, chain, now) == certificates(c, d)
    assert accept([b, a], c, chain, now) == certificates(c, d)
    assert accept([c], c, chain[2:], now) == certificates(c, d)


def test_links_before_the_trusted_one_do_not_matter(generations) -> None:
    a, b, c, _ = generations
    forged = link(a, b, by=c)
    assert accept([b], b, [forged, link(b, c)], START + LIFE) == certificates(b, c)


def test_the_old_one_is_forgotten_after_its_last_second(generations) -> None:
    a, b, *_ = generations
    end = not_after(a.certificate)
    last = end + timedelta(microseconds=999_999)
    assert accept([a, b], a, [link(a, b)], last) == certificates(a, b)
    assert accept([a, b], b, [], end + timedelta(seconds=1)) == certificates(b)


def test_skipped_generation_breaks_the_chain(generations) -> None:
    a, b, c, d = generations
    with pytest.raises(Untrusted, match="broken"):
        accept([a], a, [link(a, b), link(c, d)], START + LIFE / 2)


def test_no_path_from_what_is_trusted(generations) -> None:
    a, b, c, _ = generations
    with pytest.raises(Untrusted, match="None of the server's"):
        accept([a], b, [link(b, c)], START + LIFE / 2)


def test_another_server(generations, keys) -> None:
    a, *_ = generations
    validity = Validity(not_before=START, not_after=START + LIFE)
    other = issue_ca(
        keys("ec:P-384"),
        subject=SUBJECT,
        extensions=profile.ca_extensions(),
        validity=validity,
        serial=random_serial(),
    )
    with pytest.raises(Untrusted):
        accept([a], other, [], START)
    # Whoever vouches for what is trusted is not thereby trusted.
    assert accept([a], other, [link(other, a)], START) == certificates(a)


def test_link_signed_by_another_key(generations) -> None:
    a, b, *_ = generations
    for wrong in (link(a, b, by=b), message.null(link(a, b).fields)):
        with pytest.raises(Untrusted, match="not signed by the CA before it"):
            accept([a], a, [wrong], START + LIFE / 2)


def test_swapped_certificate(generations) -> None:
    a, b, c, _ = generations
    good = link(a, b)
    swapped = SignedMessage(payload=link(a, c).payload, digest=good.digest, signature=good.signature)
    with pytest.raises(Untrusted):
        accept([a], a, [swapped], START + LIFE / 2)


def test_another_certificate_of_the_same_key_is_not_the_same(generations, keys) -> None:
    a, b, *_ = generations
    validity = Validity(not_before=START, not_after=START + 100 * LIFE)
    again = issue_ca(
        a.key, subject=SUBJECT, extensions=profile.ca_extensions(), validity=validity, serial=random_serial()
    )
    with pytest.raises(Untrusted):
        accept([a], again, [link(again, b)], START)


def test_roll_back_is_refused(generations) -> None:
    a, b, c, _ = generations
    now = START + LIFE / 2
    with pytest.raises(Untrusted, match="back in time"):
        accept([a, b], a, [], now)
    with pytest.raises(Untrusted, match="back in time"):
        accept([a, b, c], a, [link(a, b)], now)


def test_expired_newest_is_no_roll_back(generations) -> None:
    a, b, *_ = generations
    with pytest.raises(Untrusted, match="expired"):
        accept([a, b], b, [], START + 2 * LIFE)


@pytest.mark.parametrize("first", [True, False])
def test_not_a_ca(generations, first: bool) -> None:
    a, *_ = generations
    fake = Signer(certificate=leaf(a), key=a.key, key_id=a.key_id)
    with pytest.raises(Untrusted, match="not one"):
        accept([] if first else [a], fake, [], START)
    with pytest.raises(Untrusted, match="not one"):
        accept([] if first else [a], a, [link(a, fake)], START)


def test_ca_certificate_that_another_ca_signed(generations) -> None:
    a, b, *_ = generations
    validity = Validity(not_before=START, not_after=START + LIFE)
    sub = issue(
        a,
        key=b.key.public_key(),
        subject=SUBJECT,
        extensions=profile.ca_extensions(),
        validity=validity,
        serial=random_serial(),
    )
    with pytest.raises(Untrusted, match="not one"):
        accept([], Signer(certificate=sub, key=b.key, key_id=b.key_id), [], START)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"old_pem": 1, "new_pem": 2},
        {"old_pem": "", "new_pem": ""},
        {"old_pem": "\ud800", "new_pem": "\udfff"},
    ],
)
def test_unreadable_link(generations, fields: dict[str, object]) -> None:
    a, *_ = generations
    with pytest.raises(Untrusted, match="cannot be read"):
        accept([a], a, [message.sign(fields, a.key)], START)


@pytest.fixture
def https_ca(generations) -> Callable[..., x509.Certificate]:
    """``https_ca(payload_certificate, signer, trusted, now)``."""

    def decide(
        certificate: x509.Certificate, signer: Signer, trusted: list[Signer], now: datetime
    ) -> x509.Certificate:
        signed = message.sign({"https_ca_pem": dump_pem(certificate).decode()}, signer.key)
        return trust.https_ca(signed, [ca.certificate for ca in trusted], now)

    return decide


def test_https_ca(generations, https_ca) -> None:
    a, b, c, _ = generations
    now = START + LIFE
    assert https_ca(c.certificate, a, [a, b], now) == c.certificate
    assert https_ca(c.certificate, b, [a, b], now) == c.certificate


def test_https_ca_signed_by_a_stranger(generations, https_ca) -> None:
    a, b, c, _ = generations
    for trusted in ([], [b]):
        with pytest.raises(Untrusted, match="not signed by a service CA"):
            https_ca(c.certificate, a, trusted, START + LIFE)


def test_https_ca_signed_by_an_expired_ca(generations, https_ca) -> None:
    a, _, c, _ = generations
    with pytest.raises(Untrusted):
        https_ca(c.certificate, a, [a], START + LIFE + timedelta(seconds=1))


def test_https_ca_unsigned(generations) -> None:
    a, *_ = generations
    with pytest.raises(Untrusted):
        trust.https_ca(
            message.null({"https_ca_pem": dump_pem(a.certificate).decode()}), [a.certificate], START
        )


@pytest.mark.parametrize("now", [START - DAY, START + 2 * LIFE])
def test_https_ca_out_of_its_dates(generations, https_ca, now: datetime) -> None:
    a, _, _, d = generations
    long = issue_ca(
        d.key,
        subject=SUBJECT,
        extensions=profile.ca_extensions(),
        validity=Validity(not_before=START - 9 * DAY, not_after=START + 9 * LIFE),
        serial=random_serial(),
    )
    with pytest.raises(Untrusted, match="cannot be used"):
        https_ca(a.certificate, long, [long], now)


def test_https_ca_that_is_no_ca(generations, https_ca) -> None:
    a, *_ = generations
    with pytest.raises(Untrusted, match="not one"):
        https_ca(leaf(a), a, [a], START)


@pytest.mark.parametrize(
    "text", ["", "\ud800", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_https_ca_that_is_no_certificate(generations, text: str) -> None:
    a, *_ = generations
    with pytest.raises(CaucaseError):
        trust.https_ca(message.sign({"https_ca_pem": text}, a.key), [a.certificate], START)
