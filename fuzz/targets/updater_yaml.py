"""The updater's configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase.config.load_updater import load_updater_config
from caucase.config.strict_yaml import SIZE_LIMIT
from caucase.config.updater_schema import SETTINGS
from fuzz.judge import Run
from fuzz.target import Target


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    path = folder / "www.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        load_updater_config(path, directory=folder)

    yield run


TARGET = Target(
    opened=_opened,
    limit=SIZE_LIMIT,
    words=(
        *(f"{key}: ".encode("ascii") for key in SETTINGS),
        b"- ",
        b"? ",
        b"&a ",
        b"*a ",
        b"DNS:",
        b"IP:",
        b"CN=",
    ),
    frames=((b"", b""), (b"subject: ", b""), (b"install: [", b"]"), (b"names: [", b"]"), (b"reload: ", b"")),
)
