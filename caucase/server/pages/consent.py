"""The question whether a web origin may use the user's rights, and the list of what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from caucase.server import consent
from caucase.server.call import Call
from caucase.server.cors import COOKIE_LIFE
from caucase.server.pages.rendering import show


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the user has said of ``origin``, and until when that holds."""

    origin: str
    is_allowed: bool
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Question:
    """``is_clear``: the origin's pages come without encryption. ``end``: of an answer that is given now. ``known``:
    what was answered before.
    """

    origin: str
    return_to: str
    is_clear: bool
    days: int
    end: datetime
    known: Answer | None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """``listed``: the origins that need no consent."""

    days: int
    answers: tuple[Answer, ...]
    listed: tuple[str, ...]


async def question(call: Call) -> web.Response:
    """Who asks is in the query; Malformed if it is not a web origin and an address there."""
    service = call.service
    query = call.request.query
    origin, return_to = consent.asked(query.getall("origin", []), query.getall("return", []))

    def look() -> Question:
        return Question(
            origin=origin,
            return_to=return_to,
            is_clear=origin.startswith("http:"),
            days=COOKIE_LIFE.days,
            end=service.clock() + COOKIE_LIFE,
            known=next((one for one in _answers(call) if one.origin == origin), None),
        )

    # Some browsers hold form-action against the redirection that answers the form, too. Its syntax has no IPv6
    # addresses (CSP level 3, section 2.3.1): for those it is the scheme alone.
    source = origin if "[" not in origin else origin.partition("//")[0]
    return await show(call, "consent.html", look, form_action=f"'self' {source}")


async def answers(call: Call) -> web.Response:
    """Everything that this browser's user has answered."""

    def look() -> Answers:
        return Answers(
            days=COOKIE_LIFE.days,
            answers=tuple(sorted(_answers(call), key=lambda one: one.origin)),
            listed=tuple(sorted(call.service.origins.whitelist)),
        )

    return await show(call, "consents.html", look)


def _answers(call: Call) -> list[Answer]:
    said = call.service.consents.read(consent.cookie_of(call.request), consent.user_of(call))
    return [
        Answer(origin=origin, is_allowed=is_allowed, until=said.until[origin])
        for origin, is_allowed in said.answers.items()
    ]
