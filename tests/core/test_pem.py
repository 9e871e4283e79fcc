"""PEM: found quickly in any text, and the same whether it is written at once or in pieces."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from caucase.core.pem import PEM_LINE_BYTES, pem_blocks, pem_pieces, pem_size, to_pem


def test_many_beginnings_are_quick() -> None:
    """No quadratic search."""
    text = b"-----BEGIN CERTIFICATE-----\n" * 100_000
    started = datetime.now(UTC)
    assert pem_blocks(text, "CERTIFICATE") == []
    assert datetime.now(UTC) - started < timedelta(seconds=2)


# What is written at once are 1,024 lines: around one, and two.
@example(der=bytes(range(256)) * 191, lines=4000)
@example(der=bytes(range(256)) * 192, lines=4000)
@example(der=bytes(range(256)) * 193, lines=4000)
@example(der=bytes(range(256)) * 384, lines=1024)
@given(der=st.binary(max_size=500), lines=st.integers(1, 4))
def test_in_pieces_it_is_the_same(der: bytes, lines: int) -> None:
    size = lines * PEM_LINE_BYTES
    parts = [der[start : start + size] for start in range(0, len(der), size)]
    text = to_pem(der, "X509 CRL")
    assert b"".join(pem_pieces(parts, "X509 CRL")) == text
    assert pem_size(len(der), "X509 CRL") == len(text)
    assert ssl.PEM_cert_to_DER_cert(text.decode("ascii").replace("X509 CRL", "CERTIFICATE")) == der
    assert max(map(len, text.splitlines())) <= 64
