"""Signed messages: as they come, and with payloads that are signed as they should be, on their way to a use case.

``@CRT@`` and ``@CSR@`` stand for a certificate and a request of the known key, ``@OLD@`` for a certificate that may be
revoked: they are others in each run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from caucase import clock
from caucase.core import message
from caucase.core.message import SignedMessage
from caucase.core.trust import https_ca, updated_trust
from caucase.core.x509 import load_certificate
from caucase.errors import CaucaseError
from fuzz.authority import ADDRESS, office
from fuzz.judge import Run
from fuzz.signing import KEY, signed_message
from fuzz.target import Target


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    # A certificate that is revoked cannot be renewed any more.
    with office(folder / "renewing") as known, office(folder / "revoking") as other:
        now, services = clock.now(), known.authority.services
        anchor = load_certificate(services.ca_certificate().body)
        user = other.user
        places = {b"@CRT@": known.service_pem, b"@CSR@": known.csr_pem, b"@OLD@": other.service_pem}

        def received(kind: bytes, data: bytes) -> SignedMessage:
            for place, pem in places.items():
                data = data.replace(place, json.dumps(pem.decode("ascii"))[1:-1].encode("ascii"), 1)
            if kind == b"W":
                return message.parse(data)
            payload = data.decode("utf-8", "replace")
            if kind == b"N":
                return SignedMessage(payload=payload, digest=None, signature=b"")
            return signed_message(payload)

        def run(data: bytes) -> None:
            signed = received(data[:1], data[1:])
            for use_case in (
                lambda: services.renewals.renew(signed, address=ADDRESS),
                lambda: other.authority.services.revocations.revoke(signed, by=user, address=ADDRESS),
                lambda: updated_trust([anchor], anchor=anchor, chain=[signed], now=now),
                lambda: https_ca(signed, [anchor], now),
                lambda: signed.check(KEY.public_key()),
            ):
                with contextlib.suppress(CaucaseError):
                    use_case()

        yield run


TARGET = Target(
    opened=_opened,
    limit=message.MESSAGE_LIMIT + 1,
    words=(
        b'{"payload": "',
        b'"digest": "sha256"',
        b'"digest": null',
        b'"signature": "',
        b'\\"crt_pem\\": \\"',
        b'"crt_pem": "',
        b'"renew_csr_pem": "',
        b'"revoke_crt_pem": "',
        b'"revoke_serial": ',
        b"@CRT@",
        b"@CSR@",
        b"@OLD@",
        b"\\ud800",
    ),
    frames=(
        (b"W", b""),
        (b'W{"payload": "', b'", "digest": null}'),
        (b'W{"payload": "{}", "digest": "sha256", "signature": "', b'"}'),
        (b"S", b""),
        (b"N", b""),
        (b'S{"crt_pem": "@CRT@", "renew_csr_pem": "', b'"}'),
        (b'N{"revoke_serial": ', b"}"),
    ),
)
