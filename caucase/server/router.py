"""Finds the route of a request, with two look-ups; aiohttp's own router tries a regular expression for each route.

A parameter is the last part of a path, and nothing that is a fixed name in the same place, whatever the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from caucase.authority import ContextName

if TYPE_CHECKING:  # a route's handler is given a call, which has the match
    from caucase.server.routes import Route


@dataclass(frozen=True, kw_only=True)
class Match:
    """``route`` is ``None`` if there is none for the method; ``allowed``: the methods there are at the path, empty if
    there is nothing at all. ``parameter``: the last part of the path, decoded, where that is one.
    """

    route: Route | None = None
    context: ContextName | None = None
    parameter: str = ""
    allowed: frozenset[str] = frozenset()

    @property
    def allow(self) -> str:
        """The value of ``Allow`` (RFC 9110 section 10.2.1): OPTIONS is possible everywhere."""
        return ", ".join(sorted({*self.allowed, "OPTIONS"}))


_Methods: TypeAlias = "dict[str, tuple[Route, ContextName | None]]"

_NOTHING = Match()


@dataclass(frozen=True)
class _Parent:
    """What is below a path, as a parameter that ends with a suffix; the longest suffix first."""

    suffixes: list[tuple[str, _Methods]] = field(default_factory=list)

    def methods(self, suffix: str) -> _Methods:
        for known, methods in self.suffixes:
            if known == suffix:
                return methods
        methods = {}
        self.suffixes.append((suffix, methods))
        self.suffixes.sort(key=lambda pair: -len(pair[0]))
        return methods


class Router:
    """Routes by path and method. HEAD is possible wherever GET is."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, _Methods] = {}
        self._parents: dict[str, _Parent] = {}
        for route in routes:
            for context, path in route.paths():
                self._methods(path)[route.method] = route, context
                if route.method == "GET":
                    self._methods(path)["HEAD"] = route, context

    def match(self, method: str, raw_path: str) -> Match:
        """``raw_path``: as it was sent, without the query."""
        methods = self._fixed.get(raw_path)
        if methods is not None:
            return _match(methods, method, "")
        parent, _, last = raw_path.rpartition("/")
        below = self._parents.get(parent)
        if below is not None and last:
            for suffix, methods in below.suffixes:
                if last.endswith(suffix) and len(last) > len(suffix):
                    return _match(methods, method, unquote(last[: len(last) - len(suffix)]))
        return _NOTHING

    def _methods(self, path: str) -> _Methods:
        parent, _, last = path.rpartition("/")
        if not last.startswith("{"):
            return self._fixed.setdefault(path, {})
        return self._parents.setdefault(parent, _Parent()).methods(last.partition("}")[2])


def _match(methods: Mapping[str, tuple[Route, ContextName | None]], method: str, parameter: str) -> Match:
    found = methods.get(method)
    if found is None:
        return Match(allowed=frozenset(methods))
    route, context = found
    return Match(route=route, context=context, parameter=parameter)
