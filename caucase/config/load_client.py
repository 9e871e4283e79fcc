"""Reads ``client.yaml``, the user's and the system's, and reports all mistakes.

A file that names a CA (``ca_url``) hides the less important one: what belongs to one CA is never used for another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caucase.config.client import ClientConfig
from caucase.config.client_schema import SETTINGS
from caucase.config.strict_yaml import Reading, read_mapping


def load_client_config(files: Sequence[Path], *, data_folder: Path) -> ClientConfig:
    """What those of ``files`` say that exist, the most important first. ``data_folder``: stands for ``directory`` where
    they do not name one.

    ConfigError has a line for each mistake, ``FILE:LINE: key: what``; also when a file cannot be read.
    """
    values: dict[str, Any] = {}
    for path in files:
        # Not that of a service, whose home is closed; a link that leads nowhere is, and says so when it is read.
        if not os.path.lexists(path):
            continue
        reading = Reading()
        if (root := read_mapping(path)) is not None:
            reading.take_mapping(path, root, SETTINGS)
        reading.raise_mistakes()
        values = reading.values | values
        if "ca_url" in reading.values:
            break
    directory = values.get("directory", data_folder)

    def within(key: str) -> Path:
        setting = SETTINGS[key]
        kept: Path = directory / values.get(key, setting.parse(setting.default or ""))
        return kept

    return ClientConfig(
        ca_url=values.get("ca_url"),
        user_key=values.get("user_key"),
        directory=directory,
        ca_crt=within("ca_crt"),
        user_ca_crt=within("user_ca_crt"),
        crl=within("crl"),
        user_crl=within("user_crl"),
    )
