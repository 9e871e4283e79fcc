"""HAL documents (draft-kelly-json-hal, with ``_actions``) that describe the routes, made from their table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from caucase.authority import ContextName, Document
from caucase.core.netloc import NetLoc
from caucase.server.routes import ROUTES, Route


def documents(netloc: NetLoc, since: datetime) -> dict[tuple[ContextName | None, bool], Document]:
    """The description of the root (``None``) and of each context, as seen over HTTP and, when true, HTTPS."""
    return {
        (context, secure): Document.of(json.dumps(_describe(context, secure, netloc)).encode("ascii"), since)
        for context in (None, ContextName.CAU, ContextName.CAS)
        for secure in (False, True)
    }


def _describe(context: ContextName | None, secure: bool, netloc: NetLoc) -> dict[str, Any]:
    links: dict[str, Any] = {"self": {"href": "/" if context is None else f"/{context}"}}
    if context is not None:
        links["home"] = {"href": "/"}
    actions: dict[str, Any] = {}
    for route, path in _described_at(context):
        # Over HTTP nobody can be authenticated.
        base = f"https://{netloc.https_authority}" if route.auth and not secure else ""
        entry: dict[str, Any] = {"title": route.title, "href": base + path.replace("{", "{+")}
        if "{" in path:
            entry["templated"] = True
        if route.method == "GET":
            links[route.name] = entry
        else:
            actions[route.name] = {**entry, "method": route.method}
    return {"_links": links, **({"_actions": actions} if actions else {})}


def _described_at(context: ContextName | None) -> Iterator[tuple[Route, str]]:
    """The root describes where the contexts are, a context what is below it."""
    for route in ROUTES:
        for where, path in route.paths():
            is_context = route.path == ""
            if route.name and (is_context if context is None else where is context and not is_context):
                yield route, path
