"""Makes the pictures of the documentation: pages in windows of three widths, as small PNG files.

``make screenshots``, or ``.venv/bin/python -m tests.browser.screenshots FOLDER``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from . import authority
from .chromium import Profile, chromium
from .pages import pages
from .pictures import WIDTHS, picture, window_of

NETLOC = "ca.example.com"
PICTURES = (
    "overview", "trust", "requests", "request", "changes", "issued", "certificate", "revoke",
    "record", "consent", "consents", "problem-certificate",
)  # fmt: skip
# Colours are few, so these are enough, and a picture is a few KiB.
_SMALLER = ("pngquant", "--speed", "1", "--strip", "--nofs", "16", "-")


def make_screenshots(folder: Path) -> None:
    """Write ``NAME-WIDTH.png`` for each page into ``folder``, over what is there."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for part in ("authority", "user", "stranger"):
            (work / part).mkdir()
        with authority.running(work / "authority", NETLOC) as ca:
            trusted = {"hosts": ca.hosts, "authorities": [ca.https_ca_pem]}
            profiles = {
                True: Profile(**trusted, user=ca.user_pkcs12, shown_to=[ca.origin]),
                False: Profile(**trusted),
            }
            shown = pages(ca)
            for for_user, part in ((True, "user"), (False, "stranger")):
                with chromium(work / part, profiles[for_user]) as browser:
                    for name in PICTURES:
                        if shown[name].for_user is for_user:
                            for width in WIDTHS:
                                with window_of(browser, width):
                                    shown[name].open(browser, ca)
                                    (folder / f"{name}-{width}.png").write_bytes(_small(picture(browser)))


def _small(png: bytes) -> bytes:
    return subprocess.run(_SMALLER, input=png, capture_output=True, check=True).stdout


if __name__ == "__main__":
    make_screenshots(Path(sys.argv[1]))
