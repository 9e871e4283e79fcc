"""What is told to a person whose page cannot be shown."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from caucase.errors import CaucaseError
from caucase.server import problems
from caucase.server.call import Call
from caucase.server.pages.rendering import show


@dataclass(frozen=True, kw_only=True)
class Problem:
    """``sentence`` says what is wrong, ``hint`` what can be done, perhaps nothing."""

    status: int
    sentence: str
    hint: str


async def page(call: Call, error: CaucaseError) -> web.Response:
    """A page with the status that the error becomes; where the server is the problem, the sentence alone must do."""
    answer = problems.response_to(error)
    if answer.status >= 500:
        return answer
    problem = Problem(status=answer.status, sentence=error.message, hint=error.hint)
    page = await show(call, "problem.html", lambda: problem, status=answer.status)
    page.headers.update(problems.HEADERS.get(answer.status, {}))
    return page
