"""A page as a tree, read with Python's own parser, which is strict here: what is opened is closed, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

# Elements without content (HTML, section 13.1.2), and what SVG closes by itself is told apart by the parser.
_VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}


@dataclass
class Element:
    """One element. ``children``: elements and texts in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This one, and all in it."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """All of that kind in it; an underscore at the end of an attribute's name is none of its own."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self.walk()
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    @property
    def text(self) -> str:
        """All text in it, white space as one space."""
        return " ".join(self._text().split())

    def _text(self) -> str:
        return "".join(child if isinstance(child, str) else child._text() for child in self.children)

    def facts(self) -> dict[str, Element]:
        """Of a list of terms: what each of them says."""
        found = {}
        children = [child for child in self.children if isinstance(child, Element)]
        for term, said in itertools.pairwise(children):
            if (term.tag, said.tag) == ("dt", "dd"):
                found[term.text] = said
        return found

    def rows(self) -> list[dict[str, str]]:
        """Of a table: its rows, by the heads of the columns."""
        heads = [head.text for head in self.one("thead").all("th")]
        return [
            dict(zip(heads, (cell.text for cell in row.children if isinstance(cell, Element)), strict=True))
            for row in self.one("tbody").all("tr")
        ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self.path = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute of {tag} is there twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.path[-1].children.append(element)
        if tag not in _VOID:
            self.path.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.path.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.path[-1].tag == tag, f"</{tag}> ends {self.path[-1].tag}"
        self.path.pop()

    def handle_data(self, data: str) -> None:
        self.path[-1].children.append(data)


def parse(page: bytes) -> Element:
    """The whole document; an AssertionError if an element is not closed where it should be."""
    parser = _Parser()
    parser.feed(page.decode())
    parser.close()
    assert parser.path == [parser.root], f"{parser.path[-1].tag} is not closed"
    return parser.root
