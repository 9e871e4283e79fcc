"""What an authority publishes, ready to be sent, with validators for conditional requests (RFC 9110, 8.8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

# Of a long document, so much is in memory for each reader, however slowly it reads.
_SLICE = 64 * 1024


def slices(body: bytes, size: int = _SLICE) -> Iterator[bytes]:
    """It, so many bytes at a time."""
    return (body[start : start + size] for start in range(0, len(body), size))


@dataclass(frozen=True, kw_only=True)
class Document:
    """``size``: of its body in bytes. ``etag``: a strong validator with its quotes. ``last_modified``: aware.

    ``slices``: gives the body, piece by piece. StoreError if it has been replaced twice in the meantime.
    """

    size: int
    etag: str
    last_modified: datetime
    slices: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: bytes, last_modified: datetime) -> Document:
        """One that is in memory. The validator is made of the body."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(size=len(body), etag=etag, last_modified=last_modified, slices=partial(slices, body))

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.slices())
