"""CA certificates and revocation lists on disk: in one file, or in a folder with a file for each.

An unchanged file is not written again, so that its date says when something really changed; in a folder, only
files with our ending are ours. It never decides what is to be trusted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from caucase.host.files import read_limited, write_atomic

CA_ENDING = ".ca.pem"
CRL_ENDING = ".crl.pem"


@dataclass(frozen=True, kw_only=True)
class PemFiles:
    """A path that the user gave. ``ending``: of the files that are ours, if it is a folder."""

    path: Path
    ending: str

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, or will become one: for want of an extension."""
        return self.path.is_dir() or not (self.path.exists() or self.path.suffix)

    def read_own(self, *, limit: int) -> list[bytes]:
        """The content of the file, or of our files in the folder; nothing where nothing is.

        OSError if one cannot be read, or is larger than ``limit`` bytes.
        """
        return [
            read_limited(path, limit) for path in self._files() if not self.is_folder or self._is_own(path)
        ]

    def read_all(self, *, limit: int) -> list[bytes]:
        """Like ``read_own``, with the other files of the folder, except those larger than ``limit``."""
        others = [path for path in self._files() if self.is_folder and not self._is_own(path)]
        return [
            *self.read_own(limit=limit),
            *(read_limited(path, limit) for path in others if path.stat().st_size <= limit),
        ]

    def holds(self, items: Mapping[str, bytes]) -> bool:
        """Whether these PEM texts, and no others, are here already. OSError."""
        if not self.is_folder:
            return _has(self.path, b"".join(items.values()))
        wanted = self._wanted(items)
        return all(_has(self.path / name, content) for name, content in wanted.items()) and not (
            self.path.is_dir() and self._outdated(wanted)
        )

    def replace(self, items: Mapping[str, bytes]) -> bool:
        """Hold these PEM texts, by hexadecimal key identifier, and no others; whether that changed anything.

        Each file is replaced at once or not at all; in a folder, new ones come before old ones go. OSError.
        """
        if not self.is_folder:
            return _write_changed(self.path, b"".join(items.values()))
        Path(os.path.realpath(self.path)).mkdir(exist_ok=True)
        wanted = self._wanted(items)
        changed = [_write_changed(self.path / name, content) for name, content in wanted.items()]
        outdated = self._outdated(wanted)
        for path in outdated:
            path.unlink()
        return any(changed) or bool(outdated)

    def _wanted(self, items: Mapping[str, bytes]) -> dict[str, bytes]:
        return {f"{name}{self.ending}": content for name, content in items.items()}

    def _outdated(self, wanted: Mapping[str, bytes]) -> list[Path]:
        """Files of ours in the folder that hold nothing wanted any more."""
        return [
            path
            for path in self.path.iterdir()
            if self._is_own(path) and path.name not in wanted and (path.is_symlink() or not path.is_dir())
        ]

    def _files(self) -> list[Path]:
        """Regular files only: a broken link is not there, and a named pipe would block."""
        candidates = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        return [path for path in candidates if path.is_file()]

    def _is_own(self, path: Path) -> bool:
        return path.name.endswith(self.ending)


def _write_changed(path: Path, content: bytes) -> bool:
    if _has(path, content):
        return False
    write_atomic(path, content)
    return True


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False
