"""Every key of ``client.yaml``, once: its name, its parser, its default, its help.

Loading and documentation are made from ``SETTINGS``. Nothing is read here. All keys are about one CA: how a command
works is for its options to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caucase.config.parser import Parser, matching, parser
from caucase.config.setting import Setting
from caucase.config.updater_values import ca_url
from caucase.config.values import path


@parser("a file name that starts with / or with ~/", matching(r"[/~][^\x00]*"))
def own_path(text: str) -> Path:
    """A file name that means the same wherever a command is started: from the root on, or from a home directory."""
    if not (found := path(text)).is_absolute():
        raise ValueError(
            f"{text!r} would be another file in each folder; start it with / or with ~/ for the home directory"
        )
    return found


def _setting(
    key: str,
    parse: Parser[Any],
    default: str | None,
    help: str,  # noqa: A002 - as in caucase.config.schema
    *,
    metavar: str,
) -> Setting:
    return Setting(key=key, parse=parse, default=default, help=help, metavar=metavar, many=False)


SETTINGS: Mapping[str, Setting] = {
    setting.key: setting
    for setting in (
        _setting("ca_url", ca_url, None, "The CA's HTTP address.", metavar="URL"),
        _setting(
            "user_key",
            own_path,
            None,
            "Key and certificate of a user, in one file, for what only users can do.",
            metavar="FILE",
        ),
        _setting(
            "directory",
            own_path,
            "~/.local/share/caucase",
            "The folder in which CA certificates and revocation lists are kept; it is made when missing, closed to "
            "others. XDG_DATA_HOME stands for ~/.local/share if it is set. Relative names below are within it.",
            metavar="FOLDER",
        ),
        _setting("ca_crt", path, "cas.crt.pem", "CA certificates of services.", metavar="PATH"),
        _setting("user_ca_crt", path, "cau.crt.pem", "CA certificates of users.", metavar="PATH"),
        _setting("crl", path, "cas.crl.pem", "Revocation lists of services.", metavar="PATH"),
        _setting("user_crl", path, "cau.crl.pem", "Revocation lists of users.", metavar="PATH"),
    )
}
"""Every key of the file, in the order of documentation."""
