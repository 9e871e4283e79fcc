"""Certificate signing requests: loaded, shown, certified; what was issued is loaded again, and is as foreseen."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from caucase import clock
from caucase.cli.csr import ShownRequest, show_details, show_list
from caucase.client import Mode
from caucase.core import profile
from caucase.core.issue import Validity, issue
from caucase.core.pem import PEM_LIMIT, REQUEST
from caucase.core.preview import Fate, preview
from caucase.core.profile import Asked
from caucase.core.spki import key_id
from caucase.core.x509 import Serial, dump_pem, load_certificate, load_request, public_key
from fuzz.judge import Run
from fuzz.signing import ca, in_pem
from fuzz.target import Target

_LIFE = timedelta(days=93)
_POLICIES = ExtensionOID.CERTIFICATE_POLICIES.dotted_string


@contextlib.contextmanager
def _opened(_folder: Path) -> Iterator[Run]:
    now = clock.now()
    signer = ca(now)

    def run(data: bytes) -> None:
        csr = load_request(in_pem(REQUEST, data))
        for backups in (True, False):
            profile.check_request(csr, backups=backups)
        found = preview(csr, backups=False, publishes_crl_url=True)
        _show(csr)
        key, asked = public_key(csr), Asked.by(csr)
        certificate = issue(
            signer,
            key=key,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked, key_id=key_id(key), issuer=signer.key_id, crl_url="http://ca/crl/1", auto_signed=True
            ),
            validity=Validity.starting(now, _LIFE),
            serial=Serial(2),
        )
        extensions = {one.oid.dotted_string for one in load_certificate(dump_pem(certificate)).extensions}
        foreseen = {one.oid for one in found.extensions if one.fate is not Fate.DROPPED}
        # The mark of automatic signing is what it cannot know.
        assert extensions == foreseen | {_POLICIES}

    yield run


def _show(csr: x509.CertificateSigningRequest) -> None:
    """Nothing of it acts upon a terminal."""
    shown = [ShownRequest.read("1", dump_pem(csr), Mode.SERVICE)]
    terminal = io.StringIO()
    show_list(shown, Mode.SERVICE, now=clock.now(), stream=terminal)
    show_details(shown, Mode.SERVICE, stream=terminal)
    assert terminal.getvalue().replace("\n", "").isprintable()


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
