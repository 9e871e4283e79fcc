"""The transport of a connection, as aiohttp sees it: what belongs to one short answer is sent at once.

aiohttp 3.8 sends header and body apart, and a system call on a network takes as long as everything else in a short
answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

# Bytes; a longer answer is passed on as it comes, so that the transport can say when the client takes no more.
_HELD_MAX = 64 * 1024


class Wire:
    """Everything else goes to the transport as it is."""

    _transport: Any = None  # also for who looks at an object that is just being made

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._size = 0
        self._holds = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def hold(self) -> None:
        """Send nothing before ``release``, unless it is much."""
        self._holds = True

    def release(self) -> None:
        """Send what is there."""
        self._holds = False
        if self._held:
            data, self._held, self._size = b"".join(self._held), [], 0
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        if not self._holds:
            self._transport.write(data)
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_MAX:
            self.release()

    def writelines(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.write(piece)
