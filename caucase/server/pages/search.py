"""What lists that are searched and have several pages share: the parts of their query, and going on until something is
found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from caucase.errors import Malformed
from caucase.server.call import Call

PAGE = 50  # lines: some screens of a telephone

_TEXT_LIMIT = 256
_NUMBER_MAX = 2**63 - 1
# Searches that one page makes until something is found: half a second of a thread at most.
_STRETCHES = 10


class _Page(Protocol):
    @property
    def next(self) -> int | None: ...


P = TypeVar("P", bound=_Page)


def searched(call: Call, name: str) -> str:
    """What is looked for, as the query says it, perhaps nothing; Malformed."""
    text = call.request.query.get(name, "").strip()
    if len(text) > _TEXT_LIMIT or not text.isprintable():
        raise Malformed(f"Look for at most {_TEXT_LIMIT} characters, each of which can be seen.")
    return text


def page_after(call: Call) -> int:
    """The number of the entry that the page before ended with, 0 for the first page; Malformed."""
    text = call.request.query.get("after", "")
    if not re.fullmatch(r"[0-9]{0,19}", text, re.ASCII) or int(text or 0) > _NUMBER_MAX:
        raise Malformed("There is no page after that.")
    return int(text or 0)


def first_with_something(after: int, page_after: Callable[[int], P], is_something: Callable[[P], bool]) -> P:
    """The next page, or of those that follow the first that is not empty: each ends after some thousand entries. Not
    for ever, whatever is looked for: the last one that was looked at then, which says what is next.
    """
    for _ in range(_STRETCHES):
        page = page_after(after)
        if is_something(page) or page.next is None:
            break
        after = page.next
    return page
