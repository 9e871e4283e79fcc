"""The holder of a certificate renews it: new key, new certificate, same subject and names; --on-renew."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from .desk import Desk
from .material import key_id, read_certificate, same_key, verify

# Above the 93 days that certificates live here: always due.
DUE = ("--threshold", "100")


@pytest.mark.parametrize("mode", ["service", "user"])
def test_renewal_in_one_file(desk: Desk, mode: str) -> None:
    user = desk.user("holder")
    if mode == "user":
        bundle = user
    else:
        bundle = desk.service("www", user, "subjectAltName=DNS:www.example", "extendedKeyUsage=serverAuth")
    path = desk.folder / bundle
    old_crt, old_key = read_certificate(path), key_id(path)

    desk.caucase("--mode", mode, *DUE, "--renew-crt", bundle, "unused").expect(0)

    _assert_renewed(old_crt, read_certificate(path))
    assert key_id(path) != old_key
    assert same_key(path, read_certificate(path))
    assert not (desk.folder / "unused").exists()
    if mode == "user":
        desk.caucase("--user-key", bundle, "--list-csr").expect(0)
    else:
        assert verify(desk.folder, bundle, crl="cas.crl.pem") == ""


def test_renewal_in_two_files(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"), "subjectAltName=DNS:www.example")
    crt, key = desk.split(bundle)
    (desk.folder / key).chmod(0o600)
    old_crt, old_key = read_certificate(desk.folder / crt), key_id(desk.folder / key)

    desk.caucase(*DUE, "--renew-crt", crt, key).expect(0)

    new_crt = read_certificate(desk.folder / crt)
    _assert_renewed(old_crt, new_crt)
    assert key_id(desk.folder / key) != old_key
    assert same_key(desk.folder / key, new_crt)
    assert "PRIVATE KEY" not in (desk.folder / crt).read_text()
    assert (desk.folder / key).stat().st_mode & 0o777 == 0o600
    assert verify(desk.folder, crt) == ""


def test_several_renewals_at_once(desk: Desk) -> None:
    user = desk.user("signer")
    one, two = desk.service("one", user), desk.service("two", user)
    before = {name: read_certificate(desk.folder / name).serial_number for name in (one, two)}
    desk.caucase(*DUE, "--renew-crt", one, "unused", "--renew-crt", two, "unused").expect(0)
    for name, serial in before.items():
        assert read_certificate(desk.folder / name).serial_number != serial


def test_nothing_happens_before_the_threshold(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"))
    path = desk.folder / bundle
    desk.caucase().expect(0)
    hook, called = _hook(desk.folder)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    desk.caucase("--on-renew", hook, "--renew-crt", bundle, "unused").expect(0)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert not called.exists()


def test_key_length_of_the_new_key(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"))
    desk.caucase(*DUE, "--key-len", "3072", "--renew-crt", bundle, "unused").expect(0)
    public = read_certificate(desk.folder / bundle).public_key()
    assert public.key_size == 3072  # type: ignore[union-attr]


def test_on_renew_is_called_after_a_renewal(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"))
    desk.caucase().expect(0)
    hook, called = _hook(desk.folder)

    desk.caucase("--on-renew", hook).expect(0)
    assert not called.exists()
    desk.caucase(*DUE, "--on-renew", hook, "--renew-crt", bundle, "unused").expect(0)
    assert called.read_text() == "called\n"


def test_on_renew_is_called_for_new_authority_files(desk: Desk) -> None:
    hook, called = _hook(desk.folder)
    desk.caucase("--on-renew", hook).expect(0)
    assert called.read_text() == "called\n"


def test_on_renew_that_fails_is_told_after_the_renewal(desk: Desk) -> None:
    bundle = desk.service("www", desk.user("signer"))
    old_crt = read_certificate(desk.folder / bundle)
    hook, called = _hook(desk.folder, exit_code=7)
    desk.caucase(*DUE, "--on-renew", hook, "--renew-crt", bundle, "unused").expect(3)
    assert called.exists()
    _assert_renewed(old_crt, read_certificate(desk.folder / bundle))


def test_automatic_mark_survives_renewal(desk: Desk) -> None:
    user = desk.user("automatic")
    old = _policies(read_certificate(desk.folder / user))
    assert len(old) == 1
    desk.caucase("--mode", "user", *DUE, "--renew-crt", user, "unused").expect(0)
    assert _policies(read_certificate(desk.folder / user)) == old


def _hook(folder: Path, exit_code: int = 0) -> tuple[str, Path]:
    """An executable, as --on-renew wants it, and the file in which it leaves a line for each call."""
    hook, called = folder / "hook", folder / "called"
    hook.write_text(f"#!/bin/sh\necho called >> {called}\nexit {exit_code}\n")
    hook.chmod(0o755)
    return str(hook), called


def _policies(crt: x509.Certificate) -> list[x509.PolicyInformation]:
    return list(crt.extensions.get_extension_for_class(x509.CertificatePolicies).value)


def _assert_renewed(old: x509.Certificate, new: x509.Certificate) -> None:
    """Another certificate in which only what belongs to the new key is different."""
    assert new.serial_number != old.serial_number
    assert new.subject == old.subject
    assert new.issuer == old.issuer
    key_identifier = x509.SubjectKeyIdentifier
    assert new.extensions.get_extension_for_class(key_identifier) != old.extensions.get_extension_for_class(
        key_identifier
    )
    kept = [extension for extension in old.extensions if extension.oid != key_identifier.oid]
    assert [extension for extension in new.extensions if extension.oid != key_identifier.oid] == kept
