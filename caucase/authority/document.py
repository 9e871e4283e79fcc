"""What an authority publishes, ready to be sent, with validators for conditional requests (RFC 9110, 8.8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Document:
    """``etag``: a strong validator with its quotes. ``last_modified``: aware."""

    body: bytes
    etag: str
    last_modified: datetime

    @classmethod
    def of(cls, body: bytes, last_modified: datetime) -> Document:
        digest = hashlib.sha256(body).hexdigest()
        return cls(body=body, etag=f'"{digest[:32]}"', last_modified=last_modified)
