"""Strict loading: whatever comes in, the answer is an object or one of two refusals."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import profile
from caucase.core import x509 as core
from caucase.core.issue import Validity, issue, issue_ca, random_serial
from caucase.core.pem import PEM_LIMIT
from caucase.core.profile import Asked, check_request
from caucase.core.spki import key_id
from caucase.errors import CertificateInvalid, Malformed, NotAcceptable

from . import der
from .der import CN, NAME, UTF8, name, pem, seq, tlv

START = datetime(2030, 1, 1, tzinfo=UTC)
CA = issue_ca(
    der.KEY,
    subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")]),
    extensions=profile.ca_extensions(),
    validity=Validity(not_before=START, not_after=START + timedelta(days=9)),
    serial=random_serial(),
)


def through(load: Callable[[bytes], x509.CertificateSigningRequest], data: bytes) -> str:
    """What a server does with a request: take it, and certify it. What is accepted must be so to the end."""
    try:
        request = load(data)
        check_request(request, backups=False)
    except (Malformed, NotAcceptable) as error:
        return type(error).__name__
    request.subject.rfc4514_string()
    key = core.public_key(request)
    extensions = profile.leaf_extensions(
        Asked.by(request),
        key_id=key_id(key),
        issuer=core.subject_key_id(CA.certificate),
        crl_url="http://x/",
        auto_signed=True,
    )
    validity = Validity(not_before=START, not_after=START + timedelta(days=1))
    made = issue(
        CA, key=key, subject=request.subject, extensions=extensions, validity=validity, serial=random_serial()
    )
    again = core.load_certificate_der(core.dump_der(made))
    assert core.is_signed_by(again, CA.certificate)
    assert again.subject == request.subject
    return "accepted"


def unnamed(_: bytes) -> str:
    """The name of a parameter that is another one each time: processes must agree on the names of tests."""
    return ""


ACCEPTED = {
    "plain": der.request(),
    "longest name": der.request(name((CN, UTF8, b"a" * 64))),
    "name in UTF-16": der.request(name((CN, der.BMP, b"\0x"))),
    "two names": der.request(name((CN, UTF8, b"x"), (CN, UTF8, b"y"))),
    "only an alternative name": der.request(name(), der.san(tlv(0x82, b"www.example"))),
    "registered id": der.request(NAME, der.san(tlv(0x88, b"\x2a\x03"))),
    "other name": der.request(NAME, der.san(tlv(0xA0, der.oid("1.2.3"), tlv(0xA0, b"\x0c\x01x")))),
    "directory name": der.request(NAME, der.san(tlv(0xA4, NAME))),
    "odd mail": der.request(NAME, der.san(tlv(0x81, b"Foo <a@b>"))),
    "odd URI": der.request(NAME, der.san(tlv(0x86, b"http://[bad"))),
    "no alternative name": der.request(NAME, der.san()),
    "no key usage": der.request(NAME, der.extension(der.KEY_USAGE, tlv(der.BIT_STRING, b"\0"))),
    "too many key usages": der.request(
        NAME, der.extension(der.KEY_USAGE, tlv(der.BIT_STRING, b"\0\xfe\0\xff"))
    ),
    "policy": der.request(NAME, der.policy("1.2.3")),
    "empty notice": der.request(NAME, der.policy("1.2.3", seq(der.oid("1.3.6.1.5.5.7.2.2"), seq()))),
    "unknown extension": der.request(NAME, der.extension("1.2.3.4", b"any", critical=True)),
}

# Parts of public keys.
RSA = seq(der.oid("1.2.840.113549.1.1.1"), b"\5\0")
P256 = seq(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7"))
NUMBER, E = tlv(der.INTEGER, b"\x7f" * 256), tlv(der.INTEGER, b"\1\0\1")

REFUSED = {
    "no subject": der.request(name()),
    "no subject, empty alternative name": der.request(name(), der.san()),
    "empty common name": der.request(name((CN, UTF8, b""))),
    "long common name": der.request(name((CN, UTF8, b"a" * 65))),
    "very long common name": der.request(name((CN, UTF8, b"a" * 60_000))),
    "common name not UTF-8": der.request(name((CN, UTF8, b"\xff"))),
    "common name not text": der.request(name((CN, der.INTEGER, b"\x01"))),
    "common name is a list": der.request(name((CN, der.SEQUENCE, b""))),
    "country of three letters": der.request(name((der.COUNTRY, der.PRINTABLE, b"DEU"))),
    "empty RDN": der.request(seq(tlv(der.SET))),
    "alternative name not ASCII": der.request(NAME, der.san(tlv(0x82, b"\xe9"))),
    "address of 3 octets": der.request(NAME, der.san(tlv(0x87, b"abc"))),
    "X.400 address": der.request(NAME, der.san(tlv(0xA3, b""))),
    "EDI party name": der.request(NAME, der.san(tlv(0xA5, b""))),
    "bad other name": der.request(NAME, der.san(tlv(0xA0, der.oid("1.2.3"), tlv(0xA0, b"zz")))),
    "unknown kind of name": der.request(NAME, der.san(tlv(0x8F, b"x"))),
    "twice the same extension": der.request(NAME, der.san(tlv(0x82, b"a")), der.san(tlv(0x82, b"b"))),
    "encipherOnly alone": der.request(NAME, der.extension(der.KEY_USAGE, tlv(der.BIT_STRING, b"\0\x01"))),
    "unknown qualifier": der.request(NAME, der.policy("1.2.3", seq(der.oid("1.2.3.4"), tlv(der.IA5, b"x")))),
    "broken known extension": der.request(NAME, der.extension("2.5.29.35", b"zzz")),
    "version 3": der.request(version=2),
    "attribute without values": der.request(attributes=der.attribute()),
    "attribute with two values": der.request(attributes=der.attribute(seq(), seq())),
    "attribute that is no list": der.request(attributes=der.attribute(b"\x05\x00")),
    "unknown signature": der.request(algorithm=seq(der.oid("1.2.3.4"))),
    "RSASSA-PSS without parameters": der.request(algorithm=seq(der.oid("1.2.840.113549.1.1.10"))),
    "RSA signature of an EC key": der.request(algorithm=seq(der.oid("1.2.840.113549.1.1.11"), b"\x05\x00")),
    "unknown key": der.request(public_key=seq(seq(der.oid("1.2.3")), tlv(der.BIT_STRING, b"\0x"))),
    "signed by another key": der.request(public_key=der.spki(ec.generate_private_key(ec.SECP256R1()))),
    "RSA key, EC signature": der.request(public_key=der.spki(rsa.generate_private_key(65537, 2048))),
    "DSA key": der.request(public_key=der.spki(dsa.generate_private_key(1024))),
    "Ed448 key": der.request(public_key=der.spki(ed448.Ed448PrivateKey.generate())),
    **{
        f"RSA key {what}": der.request(public_key=seq(RSA, tlv(der.BIT_STRING, inner)))
        for what, inner in {
            "without a word": b"",
            "without content": b"\0",
            "without numbers": b"\0" + seq(),
            "of one number": b"\0" + seq(NUMBER),
            "of three numbers": b"\0" + seq(NUMBER, E, E),
            "without an exponent": b"\0" + seq(NUMBER, tlv(der.INTEGER)),
            "that is cut off": b"\0" + seq(NUMBER, E)[:-1],
            "in a tag alone": b"\0\x30",
            "of a length alone": b"\0\x30\x84",
            "and something more": b"\0" + seq(NUMBER, E) + b"\0",
            "of unused bits": b"\7" + seq(NUMBER, E),
            "below zero": b"\0" + seq(tlv(der.INTEGER, b"\xff" * 256), E),
            "with zeros": b"\0" + seq(tlv(der.INTEGER, b"\0\0" + b"\x7f" * 256), E),
            "of strings": b"\0" + seq(tlv(der.OCTET_STRING, b"\x7f" * 256), E),
            "of zero": b"\0" + seq(tlv(der.INTEGER, b"\0"), tlv(der.INTEGER, b"\0")),
            "that fills the request": b"\0" + seq(tlv(der.INTEGER, b"\x7f" * 40_000), E),
        }.items()
    },
    "EC key without a point": der.request(public_key=seq(P256, tlv(der.BIT_STRING, b"\0"))),
    "EC key not on the curve": der.request(public_key=seq(P256, tlv(der.BIT_STRING, b"\0\4" + b"\1" * 64))),
    "empty": b"",
    "a sequence": seq(),
    "a certificate": der.certificate(),
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_odd_and_accepted(data: bytes) -> None:
    assert through(core.load_request_der, data) == "accepted"
    assert through(core.load_request, pem("CERTIFICATE REQUEST", data)) == "accepted"


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes) -> None:
    assert through(core.load_request_der, data) in ("Malformed", "NotAcceptable")
    assert through(core.load_request, pem("CERTIFICATE REQUEST", data)) in ("Malformed", "NotAcceptable")


@pytest.mark.parametrize(
    "data",
    [
        der.request(name((CN, der.TELETEX, b"x\xe9"))),
        der.request(seq(tlv(der.SET, seq(der.oid(CN), tlv(UTF8, b"a")), seq(der.oid(CN), tlv(UTF8, b"b"))))),
        der.request(NAME, der.san(tlv(0x82, b""))),
        der.request(NAME, der.san(tlv(0x87, b"\1\2\3\4\xff\xff\xff\0"))),
        der.request(NAME, der.san(tlv(0xA4, name((CN, UTF8, b""))))),
        der.request(NAME, der.extension(der.EKU, seq())),
        der.request(NAME, der.policy("1.2.3"), der.extension("2.5.29.30", seq())),
        der.request(NAME, der.policy("2.25.285541874270823339875695650038637483517.0")),
        der.request(NAME, der.extension("1.3.6.1.4.1.11129.2.4.2", b"\x04\x02zz")),
    ],
    ids=unnamed,
)
def test_judged_differently_by_different_versions(data: bytes) -> None:
    """All that matters is that nothing else than the two refusals comes out, and what is accepted can be certified."""
    assert through(core.load_request_der, data) in ("Malformed", "NotAcceptable", "accepted")


@pytest.mark.parametrize(("kind", "answer"), [("secp256k1", "NotAcceptable"), ("rsa:1024", "NotAcceptable")])
def test_properly_signed_with_a_key_that_is_not_accepted(kind: str, answer: str) -> None:
    key = (
        rsa.generate_private_key(65537, 1024)
        if kind == "rsa:1024"
        else ec.generate_private_key(ec.SECP256K1())
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(CA.certificate.subject)
        .sign(key, hashes.SHA256())
    )
    assert through(core.load_request, core.dump_pem(made)) == answer


@pytest.mark.parametrize("digest", ["-md5", "-sha1", "-sha3-256", "-sha512"])
def test_hashes_of_requests(digest: str, tmp_path) -> None:
    key = core.dump_private_key(rsa.generate_private_key(65537, 2048))
    (tmp_path / "key").write_bytes(key)
    command = ["openssl", "req", "-new", "-key", str(tmp_path / "key"), "-subj", "/CN=x", digest]
    made = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
    allowed = {"accepted"} if digest == "-sha512" else {"accepted", "Malformed", "NotAcceptable"}
    assert through(core.load_request, made) in allowed


# PEM


GOOD = pem("CERTIFICATE REQUEST", der.request())


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(b"\n", b"\r\n"),
        b"Subject: x\n" + GOOD + b"\ntrailing - text -----\n",
        b"\xff\xfe\x00" + GOOD,
        GOOD.rstrip(),
        pem("X509 CRL", b"zz") + GOOD,
        b"-----BEGIN CERTIFICATE REQUEST-----\nno end\n" + GOOD,
        GOOD + b"-----BEGIN CERTIFICATE REQUEST-----\n",
    ],
    ids=unnamed,
)
def test_text_around_a_block_does_not_matter(text: bytes) -> None:
    assert core.load_request(text) == core.load_request(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"x", GOOD + GOOD, GOOD[:-10], GOOD[10:], der.request(), pem("NEW CERTIFICATE REQUEST", der.request()),
        pem("CERTIFICATE", der.request()), pem("CERTIFICATE REQUEST", b""), pem("CERTIFICATE REQUEST", b"\0" * 99),
        pem("CERTIFICATE REQUEST", der.request() + b"\0"), GOOD + b" " * PEM_LIMIT, GOOD.replace(b"M", b"-", 1),
        pem("CERTIFICATE REQUEST", der.request(NAME, der.extension("1.2.3", b"\0" * PEM_LIMIT))),
        b"-----BEGIN CERTIFICATE REQUEST-----\n\xff\xff\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\n=\n-----END CERTIFICATE REQUEST-----\n",
    ],
    ids=unnamed,
)  # fmt: skip
def test_not_one_request(text: bytes) -> None:
    with pytest.raises(Malformed):
        core.load_request(text)


def test_several_certificates() -> None:
    two = [core.load_certificate_der(der.certificate(serial=bytes((number,)))) for number in (1, 2)]
    text = b"a\n" + b"text\n".join(map(core.dump_pem, two))
    assert core.load_certificates(text) == two
    assert core.load_certificates(b"") == []
    with pytest.raises(Malformed):
        core.load_certificate(text)
    with pytest.raises(Malformed):
        core.load_certificates(text + pem("CERTIFICATE", b"zz"))


# Anything at all


SEEDS = [der.request(), *ACCEPTED.values(), *(data for data in REFUSED.values() if data)]


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with some octets changed, cut, repeated or inserted."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        position = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "cut", "insert", "end"])):
            case "change" if position < len(data):
                data[position] = draw(st.integers(0, 255))
            case "cut":
                del data[position : position + draw(st.integers(1, 8))]
            case "insert":
                data[position:position] = draw(st.binary(max_size=8))
            case "end":
                del data[position:]
    return bytes(data)


@given(mutated(SEEDS))
def test_any_request_in_der(data: bytes) -> None:
    through(core.load_request_der, data)


@given(mutated([GOOD]) | st.binary())
def test_any_request_in_pem(data: bytes) -> None:
    through(core.load_request, data)


@st.composite
def asked(draw: st.DrawFn) -> bytes:
    """A properly signed request, with any subject and extensions."""
    tags = st.sampled_from(
        [UTF8, der.PRINTABLE, der.TELETEX, der.IA5, der.BMP, der.INTEGER, der.BIT_STRING, 23, 26, 28]
    )
    kinds = st.sampled_from(
        [CN, der.COUNTRY, "2.5.4.10", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "1.2.3"]
    )
    values = st.binary(max_size=6) | st.text(max_size=6).map(str.encode)
    subject = name(*draw(st.lists(st.tuples(kinds, tags, values), max_size=3)))
    general = st.builds(tlv, st.integers(0x80, 0x89) | st.integers(0xA0, 0xA9), values | st.just(subject))
    known = [der.KEY_USAGE, der.SAN, der.POLICIES, der.EKU] + [f"2.5.29.{n}" for n in range(14, 38)]
    contents = (
        st.builds(seq, general) | st.builds(tlv, tags, values) | values | st.just(seq(seq(der.oid("1.2.3"))))
    )
    extensions = draw(st.lists(st.builds(der.extension, st.sampled_from(known), contents), max_size=3))
    return der.request(subject, *extensions)


@given(asked())
def test_any_subject_and_extensions(data: bytes) -> None:
    through(core.load_request_der, data)


CERTIFICATES = {
    "plain": der.certificate(),
    "negative serial": der.certificate(serial=b"\xff"),
    "serial of 21 octets": der.certificate(serial=b"\x01" * 21),
    "version 2": der.certificate(version=1),
    "no such date": der.certificate(end=b"261301000000Z"),
    "RSASSA-PSS": der.certificate(algorithm=seq(der.oid("1.2.840.113549.1.1.10"))),
    "RSASSA-PSS with parameters": der.certificate(algorithm=seq(der.oid("1.2.840.113549.1.1.10"), seq())),
    "unknown signature": der.certificate(algorithm=seq(der.oid("1.2.3.4"))),
    "SHA-3": der.certificate(algorithm=seq(der.oid("2.16.840.1.101.3.4.3.10"))),
    "SHA-1": der.certificate(algorithm=seq(der.oid("1.2.840.10045.4.1"))),
    "Ed25519": der.certificate(algorithm=seq(der.oid("1.3.101.112"))),
    "bad common name": der.certificate(subject=name((CN, UTF8, b""))),
    "issuer that is not text": der.certificate(issuer=name((CN, der.INTEGER, b"x"))),
    "bad extension": der.certificate(der.extension("2.5.29.19", b"zz")),
    "bad key identifier": der.certificate(der.extension("2.5.29.14", b"zz")),
    "long key identifier": der.certificate(der.extension("2.5.29.14", tlv(der.OCTET_STRING, b"z" * 999))),
}


def look_at(data: bytes) -> str:
    """All that is done with a certificate of a stranger before anything is known of it."""
    try:
        loaded = core.load_certificate_der(data)
        core.check_validity(loaded, START)
    except (Malformed, NotAcceptable, CertificateInvalid) as error:
        return type(error).__name__
    core.is_ca(loaded)
    core.subject_key_id(loaded)
    core.authority_key_id(loaded)
    core.is_signed_by(loaded, CA.certificate)
    profile.is_auto_signed(loaded)
    loaded.subject.rfc4514_string()
    return str(core.is_signed_by(loaded, loaded))


@pytest.mark.parametrize("data", CERTIFICATES.values(), ids=CERTIFICATES)
def test_odd_certificates(data: bytes) -> None:
    plain = data == CERTIFICATES["plain"]
    allowed = {"True"} if plain else {"True", "False", "Malformed", "NotAcceptable", "CertificateInvalid"}
    assert look_at(data) in allowed


@pytest.mark.parametrize("odd", ["RSASSA-PSS", "unknown signature", "SHA-1", "Ed25519"])
def test_other_signature_algorithms_are_no_signature_of_ours(odd: str) -> None:
    assert look_at(CERTIFICATES[odd]) in ("False", "Malformed")


@given(mutated(list(CERTIFICATES.values())))
def test_any_certificate(data: bytes) -> None:
    look_at(data)


# Dates and signatures


def test_validity_includes_both_ends() -> None:
    loaded = core.load_certificate_der(der.certificate(start=b"300101000000Z", end=b"300102000000Z"))
    first, last = START, START + timedelta(days=1)
    assert (core.not_before(loaded), core.not_after(loaded)) == (first, last)
    for now in (first, first + timedelta(hours=1), last, last + timedelta(microseconds=999_999)):
        core.check_validity(loaded, now)
    for now in (first - timedelta(microseconds=1), last + timedelta(seconds=1)):
        with pytest.raises(CertificateInvalid):
            core.check_validity(loaded, now)


def test_signed_by_the_key_and_the_name() -> None:
    assert core.is_signed_by(CA.certificate, CA.certificate)
    validity = Validity(not_before=START, not_after=START + timedelta(days=9))
    other_name = issue_ca(
        CA.key,
        subject=x509.Name([]),
        extensions=profile.ca_extensions(),
        validity=validity,
        serial=random_serial(),
    )
    other_key = issue_ca(
        ec.generate_private_key(ec.SECP256R1()),
        subject=CA.certificate.subject,
        extensions=profile.ca_extensions(),
        validity=validity,
        serial=random_serial(),
    )
    for other in (other_name, other_key):
        assert not core.is_signed_by(CA.certificate, other.certificate)
        assert not core.is_signed_by(other.certificate, CA.certificate)


# Outside of pytest, where warnings are not errors by themselves.

PROGRAM = """
import sys, threading, warnings
from caucase.core import x509
from caucase.errors import Malformed

refused = bytes.fromhex(sys.argv[1])
accepted = bytes.fromhex(sys.argv[2])
before = list(warnings.filters)
wrong = []

def work():
    for _ in range(200):
        x509.load_request_der(accepted)
        try:
            x509.load_request_der(refused)
            wrong.append("accepted")
        except Malformed:
            pass

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not wrong, wrong
assert warnings.filters == before
warnings.warn("a warning of another module is no error")
"""


@pytest.mark.parametrize("refused", ["country of three letters", "long common name", "empty common name"])
def test_what_the_library_only_warns_of_is_refused_in_all_threads(refused: str) -> None:
    arguments = [REFUSED[refused].hex(), ACCEPTED["plain"].hex()]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no error" in done.stderr


@pytest.mark.parametrize(
    ("attributes", "names"), [(1, 8000), (2800, 1)], ids=["alternative names", "subject"]
)
def test_what_strangers_sent_is_not_kept(attributes: int, names: int) -> None:
    """However many large requests come, and whatever is remembered of each: they would be a megabyte."""

    def load(number: int) -> None:
        subject = name(*((CN, UTF8, b"x"),) * attributes, (CN, UTF8, b"%d" % number))
        request = der.request(subject, der.san(*[tlv(0x82, b"abc")] * names))
        core.spki_in(core.load_request(pem("CERTIFICATE REQUEST", request)))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    for number in range(10):
        load(number)
    before = resident()
    for number in range(10, 50):
        load(number)
    assert resident() - before < 15_000_000
