"""What goes wrong around a server, decided by the test: see ``weather.c``, which is compiled here."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("weather.c")
_FIELD = struct.Struct("=q")
_SHIFT, _ONE_IN, _FAILED = (number * _FIELD.size for number in range(3))


def build(folder: Path) -> Path:
    """The library, compiled."""
    library = folder / "weather.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, _SOURCE, "-ldl"],
        check=True,
    )
    return library


class Weather:
    """For the programs that are started with its ``environment``; for those that run already, too."""

    def __init__(self, library: Path, folder: Path, database: Path, *, notes: Path | None = None) -> None:
        path = folder / "weather"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._fields = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.environment = {
            "LD_PRELOAD": str(library),
            "WEATHER": str(path),
            "WEATHER_DATABASE": str(database.resolve()),
        }
        if notes is not None:
            self.environment["WEATHER_NOTES"] = str(notes)

    def put_clock_ahead(self, seconds: int) -> None:
        """By so much compared with the machine's, not with what it was before."""
        self._set(_SHIFT, seconds)

    def let_fail(self, one_in: int) -> None:
        """One of so many reads, writes and synchronisations of the database; 0 for none."""
        self._set(_ONE_IN, one_in)

    @property
    def failed(self) -> int:
        value: int = _FIELD.unpack_from(self._fields, _FAILED)[0]
        return value

    def _set(self, offset: int, value: int) -> None:
        _FIELD.pack_into(self._fields, offset, value)
