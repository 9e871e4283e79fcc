"""A service asks for a certificate, a user looks at it and decides: sign, sign with a template, or reject."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from .desk import Desk
from .material import (
    AUTO_SIGNED_OID,
    CAUCASE_OID,
    authority_key_id,
    openssl,
    read_certificate,
    same_key,
    verify,
)

CAS_FILES = ("--ca-crt", "cas.crt.pem", "--crl", "cas.crl.pem")


def test_request_waits_until_it_is_signed(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("www", "subjectAltName=DNS:www.example")

    csr_id, path = desk.caucase("--send-csr", made.csr).expect(0).out.split()
    assert path == made.csr
    waits = desk.caucase("--get-crt", csr_id, "www.crt.pem").expect(2)
    assert "still pending" in waits.out + waits.err
    assert not (desk.folder / "www.crt.pem").exists()

    listed = desk.caucase("--user-key", user, "--list-csr").expect(0)
    line = next(line for line in listed.out.splitlines() if csr_id in line)
    assert "www" in line
    desk.caucase("--get-csr", csr_id, "seen.csr.pem").expect(0)
    assert (desk.folder / "seen.csr.pem").read_bytes().split() == made.csr_pem.split()

    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(0)
    assert csr_id not in desk.caucase("--user-key", user, "--list-csr").expect(0).out
    fetched = desk.caucase(*CAS_FILES, "--get-crt", csr_id, "www.crt.pem").expect(0)
    assert "manually approved" in fetched.out
    assert verify(desk.folder, "www.crt.pem") == ""
    assert verify(desk.folder, "www.crt.pem", crl="cas.crl.pem") == ""
    assert same_key(made.key_path, read_certificate(desk.folder / "www.crt.pem"))

    desk.caucase("--get-crt", csr_id, made.key).expect(0)
    assert made.key_path.read_text().count("-----BEGIN CERTIFICATE-----") == 1


def test_certificate_is_not_put_beside_another_key(desk: Desk) -> None:
    user = desk.user("signer")
    made, other = desk.request("www"), desk.request("other")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(0)

    before = other.key_path.read_bytes()
    desk.caucase("--get-crt", csr_id, other.key).expect(1)
    assert other.key_path.read_bytes() == before


def test_several_at_once(desk: Desk) -> None:
    user = desk.user("signer")
    one, two, three = desk.request("one"), desk.request("two"), desk.request("three")
    sent = desk.caucase("--send-csr", one.csr, two.csr, three.csr).expect(0).out.splitlines()
    ids = {path: csr_id for csr_id, path in (line.split() for line in sent)}
    assert list(ids) == [one.csr, two.csr, three.csr]

    desk.caucase(
        *("--user-key", user),
        *("--sign-csr", ids[one.csr], ids[two.csr]),
        *("--reject-csr", ids[three.csr]),
    ).expect(0)
    desk.caucase("--get-crt", ids[one.csr], one.key, "--get-crt", ids[two.csr], two.key).expect(0)
    for made in (one, two):
        assert same_key(made.key_path, read_certificate(made.key_path))
    gone = desk.caucase("--get-crt", ids[three.csr], three.key).expect(1)
    assert "still pending" not in gone.out + gone.err


def test_an_id_cannot_be_signed_and_rejected(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("both")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]

    assert desk.caucase("--user-key", user, "--sign-csr", csr_id, "--reject-csr", csr_id).code != 0
    assert csr_id in desk.caucase("--user-key", user, "--list-csr").expect(0).out


def test_extensions_of_the_certificate(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request(
        "www",
        "subjectAltName=DNS:www.example,IP:192.0.2.1,email:www@example",
        "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign,cRLSign",
        "extendedKeyUsage=serverAuth,clientAuth,OCSPSigning",
        f"certificatePolicies=1.2.3.4,{AUTO_SIGNED_OID},{CAUCASE_OID}.999.5",
        "basicConstraints=CA:TRUE",
        "nsComment=dropped",
    )
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(0)
    fetched = desk.caucase("--get-crt", csr_id, "www.crt.pem").expect(0)
    assert "manually approved" in fetched.out

    crt = read_certificate(desk.folder / "www.crt.pem")
    ca = read_certificate(desk.folder / "cas.crt.pem")
    csr = x509.load_pem_x509_csr(made.csr_pem)
    found = {extension.oid.dotted_string: extension for extension in crt.extensions}
    aki = authority_key_id(crt)
    assert aki == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    basic = crt.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value == x509.BasicConstraints(ca=False, path_length=None)
    asked_names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert crt.extensions.get_extension_for_class(x509.SubjectAlternativeName) == asked_names
    usage = crt.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment
    assert not usage.value.key_cert_sign
    assert not usage.value.crl_sign
    purposes = crt.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert not purposes.critical
    assert set(purposes.value) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    policies = crt.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [policy.policy_identifier.dotted_string for policy in policies] == ["1.2.3.4"]
    key_identifier = crt.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert key_identifier == x509.SubjectKeyIdentifier.from_public_key(csr.public_key())
    assert _distribution_points(crt) == [_expected_distribution_point(desk, aki)]
    assert len(found) == 8
    assert crt.subject == csr.subject


def test_relying_party_fetches_the_crl_by_itself(desk: Desk) -> None:
    """Ours only: the peer publishes PEM where RFC 5280 (4.2.1.13) asks for DER, and openssl refuses it."""
    user = desk.user("signer")
    bundle = desk.service("www", user)
    desk.caucase().expect(0)
    asked = ("verify", "-crl_check", "-crl_download", "-CAfile", "cas.crt.pem", bundle)
    accepted = openssl(*asked, cwd=desk.folder).returncode == 0
    assert accepted == desk.server.ours


def test_template_gives_subject_and_names_but_not_the_key(desk: Desk) -> None:
    user = desk.user("signer")
    asked = desk.request("asked", "subjectAltName=DNS:asked.example")
    template = desk.request("granted", "subjectAltName=DNS:granted.example", "extendedKeyUsage=serverAuth")
    csr_id = desk.caucase("--send-csr", asked.csr).expect(0).out.split()[0]
    desk.caucase("--user-key", user, "--sign-csr-with", csr_id, template.csr).expect(0)
    desk.caucase("--get-crt", csr_id, asked.key).expect(0)

    crt = read_certificate(asked.key_path)
    assert same_key(asked.key_path, crt)
    assert crt.subject.rfc4514_string() == "CN=granted"
    names = crt.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["granted.example"]
    purposes = crt.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert verify(desk.folder, asked.key) == ""


def test_rejected_request_is_gone(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("unwanted")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    desk.caucase("--user-key", user, "--reject-csr", csr_id).expect(0)

    gone = desk.caucase("--get-crt", csr_id, made.key).expect(1)
    assert "not found" in (gone.out + gone.err).lower()
    assert "CERTIFICATE" not in made.key_path.read_text()
    desk.caucase("--get-csr", csr_id, "seen.csr.pem").expect(1)
    desk.caucase("--user-key", user, "--reject-csr", csr_id).expect(1)
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(1)


def _distribution_points(crt: x509.Certificate) -> list[str]:
    points = crt.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return [name.value for point in points for name in point.full_name or []]


def _expected_distribution_point(desk: Desk, aki: bytes) -> str:
    """Ours ends in .der, so that DER can be served there while the peer's address stays PEM."""
    suffix = ".der" if desk.server.ours else ""
    return f"{desk.server.url}/cas/crl/{int.from_bytes(aki, 'big')}{suffix}"
