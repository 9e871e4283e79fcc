"""PEM (RFC 7468): the text form of certificates, requests, lists and keys, found in a text and written, also in pieces.

What is inside is not looked at.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Iterator, Sequence

from caucase.errors import Malformed

CERTIFICATE = "CERTIFICATE"
REQUEST = "CERTIFICATE REQUEST"
CRL = "X509 CRL"
PRIVATE_KEY = "PRIVATE KEY"

PEM_LIMIT = 64 * 1024  # characters of one request or certificate: far more than any real one

_PEM_LINE = 64  # section 2
PEM_LINE_BYTES = _PEM_LINE * 3 // 4
_PIECE_LINES = 1024
_PEM_PIECE = _PIECE_LINES * PEM_LINE_BYTES
# Cuts a whole piece into lines, in a third of the time that slices take.
_LINES = struct.Struct(f"{_PEM_LINE}s" * _PIECE_LINES)

# Section 3; "NEW CERTIFICATE REQUEST" and "TRUSTED CERTIFICATE" are other formats.
_PEM_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s[^-]*-----END (?P=label)-----", re.ASCII | re.DOTALL
)


def pem_blocks(data: bytes, label: str) -> list[bytes]:
    """The PEM blocks with that label, in order; text around them is explanation (section 5.2)."""
    wanted = label.encode("ascii")
    return [match.group(0) + b"\n" for match in _PEM_BLOCK.finditer(data) if match["label"] == wanted]


def pem_blocks_ending(data: bytes, ending: str) -> list[bytes]:
    """Likewise, whose labels end so: private keys have several."""
    wanted = ending.encode("ascii")
    return [match.group(0) + b"\n" for match in _PEM_BLOCK.finditer(data) if match["label"].endswith(wanted)]


def single_pem_block(data: bytes, label: str, what: str) -> bytes:
    """The one block with that label, of limited size; Malformed. ``what``: how an error calls it."""
    if len(data) > PEM_LIMIT:
        raise Malformed(f"The {what} is larger than {PEM_LIMIT} bytes.")
    blocks = pem_blocks(data, label)
    if len(blocks) != 1:
        raise Malformed(f"Exactly one PEM block '{label}' is expected here, and there are {len(blocks)}.")
    return blocks[0]


def to_pem(der: bytes, label: str) -> bytes:
    """The PEM form of something in DER."""
    return b"".join(pem_pieces((der,), label))


def pem_pieces(parts: Iterable[bytes], label: str) -> Iterator[bytes]:
    """The PEM form of something in DER that comes in parts, each but the last of a multiple of ``PEM_LINE_BYTES``."""
    yield f"-----BEGIN {label}-----\n".encode("ascii")
    for part in parts:
        for start in range(0, len(part), _PEM_PIECE):
            text = base64.b64encode(part[start : start + _PEM_PIECE])
            if len(text) == _LINES.size:
                lines: Sequence[bytes] = _LINES.unpack(text)
            else:
                lines = [text[line : line + _PEM_LINE] for line in range(0, len(text), _PEM_LINE)]
            yield b"\n".join((*lines, b""))
    yield f"-----END {label}-----\n".encode("ascii")


def pem_size(size: int, label: str) -> int:
    """The size of the PEM form of something that has so many bytes in DER."""
    characters = (size + 2) // 3 * 4
    lines = -(-characters // _PEM_LINE)
    return len("-----BEGIN -----\n-----END -----\n") + 2 * len(label) + characters + lines
