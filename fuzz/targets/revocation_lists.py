"""Revocation lists: those that a client is given, and those that an operator imports, to their last entry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase import clock
from caucase.core.pem import CRL
from caucase.core.x509 import (
    authority_key_id,
    crl_number,
    dump_pem,
    is_signed_by,
    load_crls,
    next_update,
    revocation_date,
    this_update,
)
from fuzz.judge import Run
from fuzz.signing import ca, in_pem
from fuzz.target import Target


@contextlib.contextmanager
def _opened(_folder: Path) -> Iterator[Run]:
    signer = ca(clock.now())

    def run(data: bytes) -> None:
        for crl in load_crls(in_pem(CRL, data)):
            authority_key_id(crl), crl_number(crl), this_update(crl), next_update(crl), dump_pem(crl)
            is_signed_by(crl, signer.certificate)
            for entry in crl:
                _ = entry.serial_number, revocation_date(entry)

    yield run


TARGET = Target(
    opened=_opened,
    is_der=True,
    limit=1024 * 1024,
    words=(
        b"\x30\x82",
        b"\x17\x0d",
        b"\x18\x0f",
        b"\x06\x03\x55\x1d\x14",
        b"\x06\x03\x55\x1d\x23",
        b"\x02\x14",
    ),
    frames=(
        (b"P", b""),
        (b"D\x30\x84\x00\x10\x00\x00", b""),
        (b"P-----BEGIN X509 CRL-----\n", b"\n-----END X509 CRL-----\n"),
    ),
)
