"""What one pass of the updater tells the next: a small JSON file beside what it keeps.

Nothing depends on it for good: without it the next pass asks the server once more than it had to. It holds
no secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from caucase.host.files import read_limited, write_atomic

_SIZE_LIMIT = 64 * 1024
_MODE = 0o600


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """A request that the server knows by ``csr_id``, and since when. ``digest``: which request that is."""

    csr_id: str
    sent_at: datetime
    digest: str


@dataclass(frozen=True, kw_only=True)
class Memory:
    """``checked_at``: when CA certificates and lists were last seen to be those of the server. ``request``: what
    waits for a signature. ``asked``: a digest of what the certificate was asked to say, empty if unknown.
    """

    checked_at: datetime | None = None
    request: SentRequest | None = None
    asked: str = ""


def read_memory(path: Path) -> Memory:
    """What is remembered; nothing where nothing, or nothing intelligible, is. OSError."""
    try:
        value = json.loads(read_limited(path, _SIZE_LIMIT))
        return Memory(
            checked_at=_date(value["checked_at"]),
            request=_request(value["request"]),
            asked=str(value["asked"]),
        )
    except FileNotFoundError:
        return Memory()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Memory()


def write_memory(path: Path, memory: Memory) -> None:
    """Replace what is remembered, if it changed. OSError."""
    if memory != read_memory(path):
        request = memory.request
        value = {
            "checked_at": None if memory.checked_at is None else memory.checked_at.isoformat(),
            "request": None if request is None else {**vars(request), "sent_at": request.sent_at.isoformat()},
            "asked": memory.asked,
        }
        write_atomic(path, json.dumps(value).encode("ascii"), mode=_MODE)


def _request(value: Any) -> SentRequest | None:
    if value is None:
        return None
    csr_id, sent_at, digest = value["csr_id"], _date(value["sent_at"]), value["digest"]
    if not isinstance(csr_id, str) or not isinstance(digest, str) or sent_at is None:
        raise ValueError("not a request")
    return SentRequest(csr_id=csr_id, sent_at=sent_at, digest=digest)


def _date(value: Any) -> datetime | None:
    if value is None:
        return None
    date = datetime.fromisoformat(value)
    if date.tzinfo is None:
        raise ValueError("a date without a zone")
    return date
