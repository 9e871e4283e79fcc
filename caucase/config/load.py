"""Reads the server's YAML file, lays the command line's options over it, and reports all mistakes at once.

What is strict about it is in ``caucase.config.strict_yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from caucase.config import installed, values
from caucase.config.schema import OPTIONS, ServerConfig, contradictions
from caucase.config.strict_yaml import Reading, read_mapping
from caucase.errors import ConfigError


def load_server_config(path: Path | None, overrides: Mapping[str, str | Sequence[str]]) -> ServerConfig:
    """The configuration of ``path``, if any, under ``overrides`` (YAML key to text, or to a list of texts).

    Overrides are what ``caucase.config.flags.given`` returns. ConfigError has a line for each mistake,
    ``FILE:LINE: key: what`` or ``--flag: what``; also when the file cannot be read. The installed server's file is
    read as ``caucase.config.installed`` says.
    """
    reading = Reading()
    if path is not None:
        try:
            if (root := read_mapping(path)) is not None:
                reading.take_mapping(path, root, OPTIONS)
        except ConfigError as error:
            reading.mistakes.append(error.message)
    # However it is written: with another meaning of relative paths there would be a second, empty CA.
    if path is not None and installed.is_installed(path):
        _as_installed(reading)
    for key, value in overrides.items():
        option = OPTIONS[key]
        texts = [value] if isinstance(value, str) else value
        reading.take(option, option.flag, [(option.flag, text) for text in texts], option.from_flag)
    config = ServerConfig(**reading.values)
    reading.compare(contradictions(config))
    reading.raise_mistakes()
    return config


def _as_installed(reading: Reading) -> None:
    for key, text in installed.DEFAULTS.items():
        if key not in reading.places:
            reading.values[key] = OPTIONS[key].parse(text)
    for option in OPTIONS.values():
        path = reading.values.get(option.key, option.default)
        if option.parse is values.path and path is not None:
            reading.values[option.key] = installed.FOLDER / path
