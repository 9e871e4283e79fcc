"""Certificates are revoked by their holder, by a user, or by serial; the lists then name them."""

from __future__ import annotations

import pytest

from .desk import Desk
from .material import crl_number, read_certificate, read_crls, revoked_serials, verify
from .wire import request

CAS_CRL, CAU_CRL = "cas.crl.pem", "cau.crl.pem"


@pytest.mark.parametrize("how", ["own", "own-two-files", "other", "serial"])
def test_revoked_service_is_on_the_list(desk: Desk, how: str) -> None:
    """The call that revokes also fetches the list that says so."""
    user = desk.user("revoker")
    bundle, bystander = desk.service("www", user), desk.service("bystander", user)
    serial = read_certificate(desk.folder / bundle).serial_number
    _fetch(desk)
    number = _number(desk)
    assert serial not in revoked_serials(desk.folder / CAS_CRL)

    crt, key = desk.split(bundle)
    arguments = {
        "own": ("--revoke-crt", bundle, "unused"),
        "own-two-files": ("--revoke-crt", crt, key),
        "other": ("--user-key", user, "--revoke-other-crt", crt),
        "serial": ("--user-key", user, "--revoke-serial", str(serial)),
    }
    desk.caucase(*arguments[how]).expect(0)

    assert serial in revoked_serials(desk.folder / CAS_CRL)
    assert _number(desk) > number
    assert "revoked" in verify(desk.folder, bundle, crl=CAS_CRL)
    assert verify(desk.folder, bystander, crl=CAS_CRL) == ""


def test_serial_of_no_certificate_can_be_revoked(desk: Desk) -> None:
    """For a certificate that is lost or unknown: nobody can tell whether the serial was ever issued."""
    user = desk.user("revoker")
    serial = read_certificate(desk.folder / user).serial_number + 1
    desk.caucase("--user-key", user, "--revoke-serial", str(serial)).expect(0)
    assert serial in revoked_serials(desk.folder / CAS_CRL)


@pytest.mark.parametrize("how", ["own", "other", "serial"])
def test_revoked_user_is_on_the_list_and_shut_out(desk: Desk, how: str) -> None:
    """All users authorise with certificates of one CA: a revoked one is refused in both contexts."""
    revoked, remaining = desk.user("revoked"), desk.user("remaining")
    serial = read_certificate(desk.folder / revoked).serial_number
    for context in ("cau", "cas"):
        request(desk.server, "GET", f"/{context}/csr", user=desk.folder / revoked).expect(200)

    arguments = {
        "own": ("--revoke-crt", revoked, "unused"),
        "other": ("--user-key", remaining, "--revoke-other-crt", revoked),
        "serial": ("--user-key", remaining, "--revoke-serial", str(serial)),
    }
    desk.caucase("--update-user", "--mode", "user", *arguments[how]).expect(0)

    assert serial in revoked_serials(desk.folder / CAU_CRL)
    assert "revoked" in verify(desk.folder, revoked, ca="cau.crt.pem", crl=CAU_CRL)
    for context in ("cau", "cas"):
        refused = request(desk.server, "GET", f"/{context}/csr", user=desk.folder / revoked).expect(401)
        assert refused.headers["WWW-Authenticate"] == "transport"
    desk.caucase("--user-key", revoked, "--list-csr").expect(1)
    desk.caucase("--user-key", remaining, "--list-csr").expect(0)


def _fetch(desk: Desk) -> None:
    (desk.folder / CAS_CRL).write_bytes(request(desk.server, "GET", "/cas/crl").expect(200).body)


def _number(desk: Desk) -> int:
    (only,) = read_crls(desk.folder / CAS_CRL)
    return crl_number(only)
