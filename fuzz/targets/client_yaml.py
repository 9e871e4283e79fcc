"""The settings of commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase.config.client_schema import SETTINGS
from caucase.config.load_client import load_client_config
from caucase.config.strict_yaml import SIZE_LIMIT
from fuzz.judge import Run
from fuzz.target import Target


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    path = folder / "client.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        load_client_config([path], data_folder=folder)

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
        b"~/",
        b"http://[::1]:8009",
    ),
    frames=((b"", b""), (b"ca_url: ", b""), (b"directory: ~", b""), (b"ca_crt: [", b"]")),
)
