"""Which keys and certificates make a CA, and the reason against each of the others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from caucase.core import profile
from caucase.core.candidates import Candidates, candidates
from caucase.core.issue import Validity, issue, issue_ca, random_serial
from caucase.core.material import FoundCertificate, FoundKey, Material
from caucase.core.profile import Extension

PERIOD = timedelta(days=93)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours")])


def of(*certificates, keys=()) -> Material:
    return Material(
        certificates=tuple(
            FoundCertificate(place=f"c{n}", certificate=one) for n, one in enumerate(certificates)
        ),
        keys=tuple(FoundKey(place=f"k{n}", key=key) for n, key in enumerate(keys)),
    )


@pytest.fixture
def made(clock, keys):
    def run(*, number=0, kind="ec:P-256", age=timedelta(), life=4 * PERIOD, extensions=None):
        return issue_ca(
            keys(kind, number),
            subject=NAME,
            extensions=profile.ca_extensions() if extensions is None else extensions,
            validity=Validity.starting(clock() - age, life),
            serial=random_serial(),
        )

    return run


@pytest.fixture
def decide(clock):
    def run(material: Material, *, allow_bad: bool = False) -> Candidates:
        return candidates(material, now=clock(), period=PERIOD, allow_bad=allow_bad)

    return run


def test_in_any_order_oldest_first(made, decide) -> None:
    young, old = made(number=0), made(number=1, age=2 * PERIOD)
    found = decide(of(young.certificate, old.certificate, keys=(old.key, young.key)))
    assert [one.certificate for one in found.signers] == [old.certificate, young.certificate]
    assert [one.key for one in found.signers] == [old.key, young.key]
    assert found.skipped == ()


def test_the_same_twice_is_once(made, decide) -> None:
    one = made()
    assert len(decide(of(one.certificate, one.certificate, keys=(one.key, one.key))).signers) == 1


def test_of_two_certificates_for_a_key_the_longer_one(made, decide) -> None:
    short, long = made(), made(life=5 * PERIOD)
    for pair in ((short, long), (long, short)):
        (signer,) = decide(of(*(one.certificate for one in pair), keys=(short.key,))).signers
        assert signer.certificate == long.certificate


def test_what_has_no_partner(made, decide, keys) -> None:
    one = made()
    found = decide(of(one.certificate, keys=(keys("ec:P-256", 5),)))
    assert found.signers == ()
    assert found.skipped == (
        "c0 (CN=ours): there is no key for it.",
        "k0: there is no certificate for this key.",
    )


def leaf() -> list[Extension]:
    return [Extension(value=x509.BasicConstraints(ca=False, path_length=None), critical=True)]


def without_lists() -> list[Extension]:
    return [profile.ca_extensions()[0], Extension(value=profile._key_usage("key_cert_sign"), critical=True)]


@pytest.mark.parametrize(
    ("options", "reason", "even_bad"),
    [
        (
            {"life": 3 * PERIOD - timedelta(seconds=1)},
            "cannot sign certificates that live for 93 days",
            False,
        ),
        ({"age": 4 * PERIOD + timedelta(days=1)}, "it expired on", False),
        ({"kind": "ed25519"}, "an Ed25519 key cannot sign revocation lists", False),
        ({"extensions": []}, "it is not a CA certificate", True),
        ({"extensions": leaf()}, "it is not a CA certificate", True),
        ({"extensions": without_lists()}, "may not sign both", True),
    ],
)
def test_reasons(made, decide, options, reason: str, even_bad: bool) -> None:
    one = made(**options)
    material = of(one.certificate, keys=(one.key,))
    found = decide(material)
    assert found.signers == ()
    assert len(found.skipped) == 1
    assert reason in found.skipped[0]
    assert len(decide(material, allow_bad=True).signers) == even_bad


def test_three_periods_are_enough(made, decide) -> None:
    one = made(life=3 * PERIOD)
    assert len(decide(of(one.certificate, keys=(one.key,))).signers) == 1


def test_signed_by_another_ca(made, decide, keys, clock) -> None:
    root = made()
    key = keys("ec:P-256", 7)
    middle = issue(
        root,
        key=key.public_key(),
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "below")]),
        extensions=profile.ca_extensions(),
        validity=Validity.starting(clock(), 4 * PERIOD),
        serial=random_serial(),
    )
    material = of(middle, keys=(key,))
    assert "signed by another CA" in decide(material).skipped[0]
    assert len(decide(material, allow_bad=True).signers) == 1


def test_no_usage_means_every_usage(made, decide) -> None:
    one = made(extensions=profile.ca_extensions()[:1])
    assert len(decide(of(one.certificate, keys=(one.key,))).signers) == 1


def test_what_could_not_be_read_is_said_too(decide) -> None:
    assert decide(Material(skipped=("x: y.",))).skipped == ("x: y.",)
