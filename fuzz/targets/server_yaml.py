"""The server's configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase.appliance import policy_of
from caucase.config.load import load_server_config
from caucase.config.schema import OPTIONS
from caucase.config.strict_yaml import SIZE_LIMIT
from fuzz.judge import Run
from fuzz.target import Target


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    path = folder / "caucased.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        policy_of(load_server_config(path, {}))

    yield run


TARGET = Target(
    opened=_opened,
    limit=SIZE_LIMIT,
    words=(
        *(f"{key}: ".encode("ascii") for key in OPTIONS),
        b"- ",
        b"? ",
        b"&a ",
        b"*a ",
        b"!!str ",
        b"1h  ",
        b" 30 min\t ",
        b"%YAML 1.1\n---\n",
    ),
    frames=(
        (b"", b""),
        (b"cors_whitelist: [", b"]"),
        (b'netloc: "', b'"'),
        (b"netloc: ", b""),
        (b"threshold: ", b""),
        (b"idle_timeout: ", b"!"),
    ),
)
