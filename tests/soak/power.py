"""What a power cut would leave on the disk, at any moment of a run whose writes were noted (``weather.c``).

A disk keeps what was written before a synchronisation began that has ended. Of what was written since, it keeps
anything: some writes, in any order, and the first sectors of one. What was to be synchronised when that failed can be lost
for good, although the kernel goes on showing it: no later synchronisation writes it again (fsync(2)).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# As weather.c has it.
_NOTE = struct.Struct("=IIQQ")
_WRITTEN, _TRUNCATED, _UNLINKED, _BEGUN, _ENDED, _FAILED = map(ord, "wtubef")
_SUFFIXES = ("", "-wal")
_SECTOR = 512


@dataclass
class _File:
    """``later``: what was written and not synchronised yet. ``begun``: how much of that there was when each of the
    synchronisations began that have not ended.
    """

    content: bytearray = field(default_factory=bytearray)
    later: list[tuple[int, bytes | None]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    def synchronise(self) -> None:
        # Which of several has ended is not noted: the first to begin is the one that promises least.
        done = self.begun.pop(0)
        for offset, data in self.later[:done]:
            _change(self.content, offset, data)
        del self.later[:done]
        self.begun = [max(0, one - done) for one in self.begun]

    def forget(self) -> None:
        self.later.clear()
        self.begun = [0 for _ in self.begun]

    def left(self, chance: random.Random) -> bytes:
        content = bytearray(self.content)
        some = [one for one in self.later if chance.random() < 0.5]
        chance.shuffle(some)
        for offset, data in some:
            if data is not None and chance.random() < 0.2:
                data = data[: _SECTOR * chance.randrange(len(data) // _SECTOR + 1)]
            _change(content, offset, data)
        return bytes(content)


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    """``None``: the file is cut off there."""
    if data is None:
        del content[offset:]
    content.extend(bytes(max(0, offset - len(content))))
    if data is not None:
        content[offset : offset + len(data)] = data


class Disk:
    """Both files, as the notes make them grow. ``position``: how many bytes of notes have happened."""

    def __init__(self, notes: Path) -> None:
        self.position = 0
        self._notes = notes
        self._files = [_File(), _File()]

    def happen(self) -> Iterator[int]:
        """The position after each change."""
        with self._notes.open("rb") as file:
            while head := file.read(_NOTE.size):
                what, number, offset, length = _NOTE.unpack(head)
                one = self._files[number]
                if what == _WRITTEN:
                    one.later.append((offset, file.read(length)))
                elif what == _TRUNCATED:
                    one.later.append((length, None))
                elif what == _BEGUN:
                    one.begun.append(len(one.later))
                elif what == _ENDED:
                    one.synchronise()
                elif what == _FAILED:
                    one.forget()
                else:
                    assert what == _UNLINKED
                    self._files[number] = _File()
                self.position = file.tell()
                yield self.position

    def cut(self, database: Path, chance: random.Random) -> None:
        """Leave at ``database`` what is left."""
        for one, suffix in zip(self._files, _SUFFIXES, strict=True):
            database.with_name(database.name + suffix).write_bytes(one.left(chance))
        database.with_name(database.name + "-shm").unlink(missing_ok=True)
