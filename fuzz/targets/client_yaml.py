"""The settings of commands."""

from __future__ import annotations

from caucase.config.client_schema import SETTINGS
from caucase.config.load_client import load_client_config
from caucase.config.strict_yaml import SIZE_LIMIT
from fuzz.target import Target, of_file

TARGET = Target(
    opened=of_file("client.yaml", lambda path: load_client_config([path], data_folder=path.parent)),
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
