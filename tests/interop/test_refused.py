"""What must fail: for want of a right, for a bad request, for a full queue, or because it was done before.

A refusal is exit code 1, and leaves the server and the client's files as they were.
"""

from __future__ import annotations

from collections.abc import Callable

from .desk import Desk
from .material import make_foreign_certificate, read_certificate, tampered
from .wire import pending, request

DUE = ("--threshold", "100")


def test_without_a_user_key(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("www")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    for asked in (
        ("--list-csr",),
        ("--sign-csr", csr_id),
        ("--sign-csr-with", csr_id, made.csr),
        ("--reject-csr", csr_id),
        ("--revoke-other-crt", user),
        ("--revoke-serial", "1"),
    ):
        assert desk.caucase(*asked).code != 0, asked
    assert csr_id in pending(desk.server, "cas", desk.folder / user)


def test_with_a_certificate_of_another_authority(desk: Desk) -> None:
    made = desk.request("www")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    stranger = make_foreign_certificate(desk.folder, "stranger").name
    desk.caucase("--user-key", stranger, "--list-csr").expect(1)
    desk.caucase("--user-key", stranger, "--sign-csr", csr_id).expect(1)
    desk.caucase("--get-crt", csr_id, "www.crt.pem").expect(2)


def test_with_a_service_certificate(desk: Desk) -> None:
    """Services have no privilege on the server."""
    service = desk.service("www", desk.user("signer"))
    desk.caucase("--user-key", service, "--list-csr").expect(1)


def test_with_a_key_that_is_not_the_certificates(desk: Desk) -> None:
    user, other = desk.user("one"), desk.request("other")
    crt, _key = desk.split(user)
    mixed = desk.folder / "mixed.pem"
    mixed.write_text(other.key_path.read_text() + (desk.folder / crt).read_text())
    desk.caucase("--user-key", mixed.name, "--list-csr").expect(1)
    assert desk.caucase("--mode", "user", *DUE, "--renew-crt", crt, other.key).code != 0


def test_request_with_a_wrong_signature(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("www")
    made.csr_path.write_bytes(tampered(made.csr_pem))
    desk.caucase("--send-csr", made.csr).expect(1)
    waiting = pending(desk.server, "cas", desk.folder / user)
    assert made.csr_pem.decode().split() not in [pem.split() for pem in waiting.values()]


def test_file_that_is_no_request(desk: Desk) -> None:
    (desk.folder / "note.txt").write_text("not a request\n")
    desk.caucase("--send-csr", "note.txt").expect(1)
    desk.caucase("--send-csr", "missing.csr.pem").expect(1)


def test_signing_an_unknown_or_a_signed_request(desk: Desk) -> None:
    user = desk.user("signer")
    made = desk.request("www")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(0)
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(1)
    desk.caucase("--user-key", user, "--reject-csr", csr_id).expect(1)
    desk.caucase("--user-key", user, "--sign-csr", "1").expect(1)
    desk.caucase("--get-crt", csr_id, made.key).expect(0)
    assert read_certificate(made.key_path)


def test_second_revocation(desk: Desk) -> None:
    user = desk.user("revoker")
    bundle = desk.service("www", user)
    crt, _key = desk.split(bundle)
    serial = str(read_certificate(desk.folder / bundle).serial_number)
    desk.caucase("--revoke-crt", bundle, "unused").expect(0)

    desk.caucase("--revoke-crt", bundle, "unused").expect(1)
    desk.caucase("--user-key", user, "--revoke-other-crt", crt).expect(1)
    desk.caucase("--user-key", user, "--revoke-serial", serial).expect(1)


def test_renewing_a_revoked_certificate(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"))
    path = desk.folder / bundle
    desk.caucase("--revoke-crt", bundle, "unused").expect(0)
    before = path.read_bytes()
    desk.caucase(*DUE, "--renew-crt", bundle, "unused").expect(1)
    assert path.read_bytes() == before


def test_renewing_in_the_wrong_context(desk: Desk) -> None:
    """A service's certificate does not become a user's. The peer's client says so and calls it a success."""
    bundle = desk.service("www", desk.user("signer"))
    before = (desk.folder / bundle).read_bytes()
    refused = desk.caucase("--mode", "user", *DUE, "--renew-crt", bundle, "unused")
    refused.expect(1 if desk.programs.ours else 0)
    assert (desk.folder / bundle).read_bytes() == before


def test_full_queue(own_desk: Callable[..., Desk]) -> None:
    desk = own_desk("--service-max-csr", "2", "--user-auto-approve-count", "1")
    user = desk.user("signer")
    one, two, three = desk.request("one"), desk.request("two"), desk.request("three")
    first_id = desk.caucase("--send-csr", one.csr).expect(0).out.split()[0]
    desk.caucase("--send-csr", two.csr).expect(0)

    desk.caucase("--send-csr", three.csr).expect(1)
    request(desk.server, "PUT", "/cas/csr", three.csr_pem).expect(507)
    assert desk.caucase("--send-csr", one.csr).expect(0).out.split()[0] == first_id

    desk.caucase("--user-key", user, "--sign-csr", first_id).expect(0)
    desk.caucase("--send-csr", three.csr).expect(0)


def test_no_server(desk: Desk) -> None:
    nobody = "http://127.0.0.1:1"
    desk.programs.run("caucase", "--ca-url", nobody, cwd=desk.folder).expect(1)
    assert not list(desk.folder.iterdir())
