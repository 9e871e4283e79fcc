"""The CA that one works with if the command line names none: that of client.yaml (caucase-client.yaml(5))."""

from __future__ import annotations

import os

from caucase.config.client import ClientConfig, data_folder, files
from caucase.errors import CaucaseError, ConfigError


def client_config() -> ClientConfig:
    """What the user's and the system's client.yaml say; CaucaseError with a line for each mistake in them."""
    from caucase.config.load_client import load_client_config  # YAML only where it is asked for

    try:
        return load_client_config(files(os.environ), data_folder=data_folder(os.environ))
    except ConfigError as error:
        raise CaucaseError(
            error.message, "Correct the file, or name the CA on the command line: then it is not read."
        ) from None


def where() -> str:
    """The files in which a default can be, for a message."""
    return " or ".join(map(str, files(os.environ)))
