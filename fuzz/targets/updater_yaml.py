"""The updater's configuration."""

from __future__ import annotations

from caucase.config.load_updater import load_updater_config
from caucase.config.strict_yaml import SIZE_LIMIT
from caucase.config.updater_schema import SETTINGS
from fuzz.target import Target, of_file

TARGET = Target(
    opened=of_file("www.yaml", lambda path: load_updater_config(path, directory=path.parent)),
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
