"""What ``client.yaml`` says of the CA that a person works with, and where that file is. Nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FILE = Path("/etc/caucase/client.yaml")
_NAME = Path("caucase") / "client.yaml"


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """One CA: where it is, who one is there, and where what is known of it is kept.

    ``ca_url`` and ``user_key`` are ``None`` if no file names them. ``directory``: the folder to make where it is
    missing. ``ca_crt`` to ``user_crl``: files or folders, all absolute.
    """

    ca_url: str | None
    user_key: Path | None
    directory: Path
    ca_crt: Path
    user_ca_crt: Path
    crl: Path
    user_crl: Path


def files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The user's file and the system's, the more important one first, whether or not they exist."""
    base = _base(environment, "XDG_CONFIG_HOME", ".config")
    return (SYSTEM_FILE,) if base is None else (base / _NAME, SYSTEM_FILE)


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where CA certificates and revocation lists are kept if no file says where; for who has no home the current
    folder.
    """
    return (_base(environment, "XDG_DATA_HOME", ".local/share") or Path.cwd()) / "caucase"


def _base(environment: Mapping[str, str], variable: str, below_home: str) -> Path | None:
    # XDG Base Directory Specification: a relative one is invalid, and ignored.
    given = environment.get(variable, "")
    if given.startswith("/"):
        return Path(given)
    try:
        return Path.home() / below_home
    except RuntimeError:  # in a container, for example, whose users are numbers only
        return None
