"""What a target is: a part of the program that bytes are given to, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz.judge import Run


@dataclass(frozen=True, kw_only=True)
class Target:
    """``opened``: the part, with a folder of its own, for as long as the context lasts. ``limit``: the size of its
    largest inputs, in bytes. ``words``: what its inputs consist of. ``frames``: beginnings and ends, between which
    something repeated gets far. ``is_der``: whether inputs are DER, behind a byte that says what of it.
    """

    opened: Callable[[Path], AbstractContextManager[Run]]
    limit: int
    words: tuple[bytes, ...] = ()
    frames: tuple[tuple[bytes, bytes], ...] = ((b"", b""),)
    is_der: bool = False


def of_file(name: str, read: Callable[[Path], object]) -> Callable[[Path], AbstractContextManager[Run]]:
    """``Target.opened`` of what reads a file: it has that name, and whatever is tried is in it."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Run]:
        path = folder / name

        def run(data: bytes) -> None:
            path.write_bytes(data)
            read(path)

        yield run

    return opened
