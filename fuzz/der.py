"""Changes DER as a structure: what is in an element changes, and the lengths around it stay right.

A change of single bytes nearly always ends in a wrong length, at which every parser stops at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

_CONSTRUCTED = 0x20
_DEPTH = 24
# Values at which parsers differ or give up.
_CONTENTS = (
    b"",
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f" * 21,
    b"\xff" * 40,
    b"a\0b",
    b"\xc3\x28",
    b"99991231235959Z",
)


@dataclass
class _Element:
    """``content``, or the ``children`` that it consists of."""

    tag: int
    content: bytes = b""
    children: list[_Element] = field(default_factory=list)

    def dump(self) -> bytes:
        content = b"".join(child.dump() for child in self.children) if self.children else self.content
        length = len(content)
        if length < 0x80:
            return bytes((self.tag, length)) + content
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        return bytes((self.tag, 0x80 | len(octets))) + octets + content

    def all(self) -> list[_Element]:
        return [self, *(one for child in self.children for one in child.all())]


def changed(data: bytes, seed: int) -> bytes | None:
    """Something like it; ``None`` if it is not DER."""
    root = _parsed(data)
    if root is None or len(root) != 1:
        return None
    choose = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(choose.randint(1, 3)):
        _change(root[0], choose)
    return root[0].dump()


def _change(root: _Element, choose: random.Random) -> None:
    elements = root.all()
    one, other = choose.choice(elements), choose.choice(elements)
    match choose.randrange(7):
        case 0:
            one.tag = other.tag
        case 1:
            one.content, one.children = choose.choice(_CONTENTS), []
        case 2 if one.children:
            del one.children[choose.randrange(len(one.children))]
        case 3 if one.children:
            one.children.append(_parsed(choose.choice(one.children).dump())[0])  # type: ignore[index]
        case 4 if one.children:
            choose.shuffle(one.children)
        case 5:
            # A copy, so that nothing becomes a part of itself.
            [copy] = _parsed(other.dump()) or [_Element(tag=5)]
            one.tag, one.content, one.children = copy.tag, copy.content, copy.children
        case _ if not one.children:
            content = bytearray(one.content or b"\0")
            content[choose.randrange(len(content))] = choose.randrange(256)
            one.content = bytes(content)


def _parsed(data: bytes, depth: int = 0) -> Sequence[_Element] | None:
    """The elements that the bytes consist of, also those within an OCTET STRING or a BIT STRING; ``None`` if none."""
    found, position = [], 0
    while position < len(data):
        if position + 2 > len(data):
            return None
        tag, length = data[position], data[position + 1]
        position += 2
        if length >= 0x80:
            octets = data[position : position + (length & 0x7F)]
            position += length & 0x7F
            length = int.from_bytes(octets, "big")
        content = data[position : position + length]
        if len(content) != length:
            return None
        position += length
        children: Sequence[_Element] | None = None
        if depth < _DEPTH and length and (tag & _CONSTRUCTED or tag == 4):
            children = _parsed(content, depth + 1)
        found.append(_Element(tag=tag, content=content, children=list(children or [])))
    return found
