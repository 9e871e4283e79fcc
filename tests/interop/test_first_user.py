"""The first user of a fresh authority is approved at once and can sign; the second one waits."""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from .desk import Desk
from .material import AUTO_SIGNED_OID, read_certificate, same_key, verify


def test_first_user_is_approved_and_the_second_is_not(own_desk: Callable[..., Desk]) -> None:
    """On a server with a name; those of the other tests have an address."""
    desk = own_desk(host="localhost")
    first, second = desk.request("first"), desk.request("second")

    sent = desk.caucase("--mode", "user", "--send-csr", first.csr).expect(0)
    first_id, path = sent.out.split()
    assert path == first.csr
    fetched = desk.caucase("--mode", "user", "--get-crt", first_id, first.key).expect(0)
    assert "automatically approved" in fetched.out
    assert same_key(first.key_path, read_certificate(first.key_path))

    second_id = desk.caucase("--mode", "user", "--send-csr", second.csr).expect(0).out.split()[0]
    waits = desk.caucase("--mode", "user", "--get-crt", second_id, second.key).expect(2)
    assert "still pending" in waits.out + waits.err
    assert "CERTIFICATE" not in second.key_path.read_text()

    listed = desk.caucase("--mode", "user", "--user-key", first.key, "--list-csr").expect(0)
    assert second_id in listed.out
    assert first_id not in listed.out
    desk.caucase("--mode", "user", "--user-key", first.key, "--sign-csr", second_id).expect(0)
    fetched = desk.caucase("--mode", "user", "--get-crt", second_id, second.key).expect(0)
    assert "manually approved" in fetched.out
    desk.caucase("--user-key", second.key, "--list-csr").expect(0)

    for user, automatic in ((first, True), (second, False)):
        assert verify(desk.folder, user.key, ca="cau.crt.pem", crl=None) == ""
        assert _marked_automatic(read_certificate(user.key_path)) == automatic


def test_sending_a_request_again_gives_its_id_again(desk: Desk) -> None:
    made = desk.request("repeated")
    first = desk.caucase("--send-csr", made.csr).expect(0).out
    assert desk.caucase("--send-csr", made.csr).expect(0).out == first


def _marked_automatic(crt: x509.Certificate) -> bool:
    try:
        policies = crt.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return False
    return any(policy.policy_identifier.dotted_string == AUTO_SIGNED_OID for policy in policies)
