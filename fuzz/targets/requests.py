"""Certificate signing requests: loaded, examined, shown, certified; what was issued is loaded again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from caucase import clock
from caucase.core import profile
from caucase.core.issue import Validity, issue
from caucase.core.pem import PEM_LIMIT, REQUEST
from caucase.core.profile import Asked
from caucase.core.x509 import Serial, dump_pem, load_certificate, load_request, public_key
from fuzz.judge import Run
from fuzz.signing import ca, in_pem
from fuzz.target import Target

_LIFE = timedelta(days=93)


@contextlib.contextmanager
def _opened(_folder: Path) -> Iterator[Run]:
    now = clock.now()
    signer = ca(now)

    def run(data: bytes) -> None:
        csr = load_request(in_pem(REQUEST, data))
        for backups in (True, False):
            profile.check_request(csr, backups=backups)
        key, asked = public_key(csr), Asked.by(csr)
        certificate = issue(
            signer,
            key=key,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked, key=key, issuer=signer.key_id, crl_url="http://ca/crl/1", auto_signed=True
            ),
            validity=Validity.starting(now, _LIFE),
            serial=Serial(2),
        )
        load_certificate(dump_pem(certificate))

    yield run


TARGET = Target(
    opened=_opened,
    is_der=True,
    limit=PEM_LIMIT + 1,
    words=(
        b"\x30\x82",
        b"\x06\x03\x55\x1d\x11",
        b"\x06\x03\x55\x1d\x20",
        b"\x06\x03\x55\x04\x03",
        b"\x0c",
        b"\xa0\x82",
    ),
    frames=(
        (b"P", b""),
        (b"D\x30\x83\x01\x00\x00", b""),
        (b"P-----BEGIN CERTIFICATE REQUEST-----\n", b"\n-----END CERTIFICATE REQUEST-----\n"),
    ),
)
