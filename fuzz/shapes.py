"""Large inputs: one fragment over and over, up to the size that is still read.

Coverage does not lead to what is slow or large because it is long, so these are tried each time.
"""

from __future__ import annotations

from collections.abc import Iterator

FRAGMENTS = (
    b"-----BEGIN ",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
    b"-----BEGIN A-----\n-----END B",
    b"-",
    b"A ",
    b"\n",
    b" ",
    b"\0",
    b"\x30\x80",
    b"\x06\xff\xff",
    b"[",
    b"[],",
    b'{"a":',
    b'{"":0},',
    b'"a":0,',
    b"9",
    b"1e9,",
    b"\\u0000",
    b'"',
    b"''",
    b"a: b\n",
    b"- a\n",
    b"? ",
    b"&a ",
    b"a:\n ",
    b"# comment\n",
    b"\xf0\x9f\x92\xa5",
    b"\xff",
    b"x=1;",
    b"a=b&",
)


def shapes(limit: int, frames: tuple[tuple[bytes, bytes], ...], words: tuple[bytes, ...]) -> Iterator[bytes]:
    """Each fragment, and each of a target's ``words``, repeated to ``limit`` bytes in each of its ``frames``."""
    for before, after in frames:
        room = limit - len(before) - len(after)
        for fragment in (*FRAGMENTS, *words):
            yield before + fragment * (room // len(fragment)) + after
