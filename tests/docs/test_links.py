"""Links between documents lead somewhere: to a file, and to a heading in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import markdown

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(text: str) -> str:
    """Without blocks."""
    return "\n".join(part for part in markdown.parts(text) if isinstance(part, str))


def anchors(text: str) -> set[str]:
    """What GitHub makes of headings: small letters, hyphens for spaces, nothing else but letters and digits."""
    found: dict[str, int] = {}
    result = set()
    for heading in re.findall(r"^#+ +(.*?) *$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = found[name] = found.get(name, -1) + 1
        result.add(f"{name}-{count}" if count else name)
    return result


def broken(document: str, text: str) -> Iterator[str]:
    for link in _LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (markdown.ROOT / document).parent / path
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in anchors(target.read_text() if path else text):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("document", [*markdown.DOCUMENTS, "CHANGELOG.md"])
def test_links(document: str) -> None:
    assert list(broken(document, markdown.read(document))) == []


def test_every_document_is_in_the_index() -> None:
    linked = set(_LINK.findall(markdown.read("docs/README.md")))
    assert {Path(name).name for name in markdown.DOCUMENTS if name.startswith("docs/")} - {
        "README.md"
    } <= linked


def test_every_picture_is_shown() -> None:
    text = "".join(map(markdown.read, markdown.DOCUMENTS))
    for picture in (markdown.ROOT / "docs" / "images").iterdir():
        assert f"images/{picture.name})" in text, picture.name


@pytest.mark.parametrize(
    "link", ["missing.md", "operating.md#no-such-heading", "#no-such-heading", "../docs/images/none.svg"]
)
def test_a_broken_link_is_seen(link: str) -> None:
    assert len(list(broken("docs/README.md", f"# Here\n\n[text]({link})\n"))) == 1


@pytest.mark.parametrize(
    "link", ["operating.md#deciding", "#here-and-there", "../README.md", "https://example.com/x"]
)
def test_a_good_link_is_none(link: str) -> None:
    assert list(broken("docs/README.md", f"# Here, *and* `there`\n\n[text]({link})\n")) == []
