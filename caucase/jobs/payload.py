"""What is inside a backup: a snapshot of this program's database, or a dump of the peer's. Here is where that is
decided, by the content alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from caucase.authority import Policy, take_over
from caucase.errors import Malformed
from caucase.store import Database, snapshot
from caucase.store.legacy_dump import read_dump

_LOGGER = logging.getLogger(__name__)

# The peer's data is an SQL dump, which begins like any that sqlite3 makes.
_LEGACY_MARK = b"BEGIN TRANSACTION;\0"

_ANOTHER = "Name a backup that caucased or caucased-manage --backup has made."


def load_payload(blocks: Iterator[bytes], path: Path, *, policy: Policy | None, now: datetime) -> datetime:
    """Make a database at ``path``, where none is, out of a backup's content; a moment at which the backup was not made
    yet, as late as is known.

    A dump of the peer's must fit ``policy``, if there is one. Malformed, NotAcceptable, ConfigError, TooLarge,
    StoreError; a file is left behind then.
    """
    first = next(blocks, b"")
    whole = chain([first], blocks)
    if first.startswith(snapshot.MARK):
        head = snapshot.load(whole, path)
        try:
            return datetime.fromtimestamp(head.taken_at, UTC)
        except (OverflowError, ValueError, OSError):
            raise Malformed("The date in the backup is out of range.", _ANOTHER) from None
    if first.startswith(_LEGACY_MARK):
        with Database(path) as database:
            taken = take_over(database, read_dump(whole), policy, now=now)
        for sentence in taken.left_out:
            _LOGGER.warning("left out: %s", sentence)
        return taken.last_change
    raise Malformed("What is in the backup is not a copy of a database of this program.", _ANOTHER)
