"""Certificates, and keys beside them: loaded, recognised, shown, taken for a CA that is to be trusted or imported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from caucase import clock
from caucase.core import profile
from caucase.core.candidates import candidates
from caucase.core.issue import Validity, issue
from caucase.core.material import read_material
from caucase.core.pem import CERTIFICATE, PEM_LIMIT
from caucase.core.profile import Asked
from caucase.core.spki import key_id
from caucase.core.trust import updated_trust
from caucase.core.x509 import (
    Serial,
    authority_key_id,
    check_validity,
    fingerprint,
    is_ca,
    is_signed_by,
    load_certificates,
    load_private_key,
    public_key,
    subject_key_id,
)
from caucase.errors import CaucaseError
from fuzz.judge import Run
from fuzz.signing import ca, in_pem
from fuzz.target import Target

_LIFE = timedelta(days=93)


@contextlib.contextmanager
def _opened(_folder: Path) -> Iterator[Run]:
    now = clock.now()
    signer = ca(now)

    def material(name: str, data: bytes) -> None:
        with contextlib.suppress(CaucaseError):
            found = read_material(name, data, lambda _: b"passphrase")
            candidates(found, now=now, period=_LIFE, allow_bad=False)
            candidates(found, now=now, period=_LIFE, allow_bad=True)

    def run(data: bytes) -> None:
        pem = in_pem(CERTIFICATE, data)
        material("file.pem", pem)
        material("file.der", data[1:])
        with contextlib.suppress(CaucaseError):
            load_private_key(pem)
        for certificate in load_certificates(pem):
            fingerprint(certificate), subject_key_id(certificate), authority_key_id(certificate)
            profile.is_auto_signed(certificate)
            is_signed_by(certificate, signer.certificate)
            with contextlib.suppress(CaucaseError):
                check_validity(certificate, now)
            if is_ca(certificate):
                with contextlib.suppress(CaucaseError):
                    profile.inherited_ca_extensions(certificate)
                with contextlib.suppress(CaucaseError):
                    updated_trust([], anchor=certificate, chain=[], now=now)
            _renewed(certificate)

    def _renewed(certificate: object) -> None:
        asked = Asked.by(certificate)  # type: ignore[arg-type]
        key = public_key(certificate)  # type: ignore[arg-type]
        issue(
            signer,
            key=key,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked, key_id=key_id(key), issuer=signer.key_id, crl_url=None, auto_signed=False
            ),
            validity=Validity.starting(now, _LIFE),
            serial=Serial(2),
        )

    yield run


TARGET = Target(
    opened=_opened,
    is_der=True,
    limit=PEM_LIMIT + 1,
    words=(
        b"\x30\x82",
        b"\x06\x03\x55\x1d\x13",
        b"\x06\x03\x55\x1d\x23",
        b"\x06\x03\x55\x1d\x0e",
        b"\x17\x0d",
        b"\x18\x0f",
        b"PRIVATE KEY-----\n",
        b"CERTIFICATE-----\n",
        b"Proc-Type: 4,ENCRYPTED\n",
    ),
    frames=(
        (b"P", b""),
        (b"D\x30\x83\x01\x00\x00", b""),
        (b"P-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"),
        (b"P-----BEGIN PRIVATE KEY-----\n", b"\n-----END PRIVATE KEY-----\n"),
    ),
)
