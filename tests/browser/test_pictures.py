"""The pictures in the documentation: each page in each width, shown in a text that says what it is, and small."""

from __future__ import annotations

import re
from pathlib import Path

from .pictures import WIDTHS
from .screenshots import PICTURES

DOCS = Path(__file__).parents[2] / "docs"
LIMIT = 1_000_000  # bytes of all pictures
_SHOWN = re.compile(r"!\[(.+)\]\(images/(.+)-1440\.png\)")
_LINKED = re.compile(r"\[.+?\]\(images/(.+?)\.png\)")


def test_every_picture_is_in_the_documentation() -> None:
    expected = {f"{name}-{width}" for name in PICTURES for width in WIDTHS}
    assert {path.stem for path in (DOCS / "images").glob("*.png")} == expected
    text = (DOCS / "console.md").read_text()
    assert {name for _, name in _SHOWN.findall(text)} == set(PICTURES)
    assert set(_LINKED.findall(text)) == expected


def test_pictures_are_small() -> None:
    files = list((DOCS / "images").glob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in files)
    assert sum(path.stat().st_size for path in files) < LIMIT
