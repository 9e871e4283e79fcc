"""The server's configuration."""

from __future__ import annotations

from caucase.appliance import policy_of
from caucase.config.load import load_server_config
from caucase.config.schema import OPTIONS
from caucase.config.strict_yaml import SIZE_LIMIT
from fuzz.target import Target, of_file

TARGET = Target(
    opened=of_file("caucased.yaml", lambda path: policy_of(load_server_config(path, {}))),
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
