"""What all requests share: the service they are about, the threads that do its work, and how busy they are.

It never outlives the event loop, and nothing of a single request is kept here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from caucase.authority import Authority, ContextName, Document
from caucase.clock import Clock, monotonic
from caucase.core.netloc import NetLoc
from caucase.server.committing import Committer
from caucase.server.cors import Consents, Origins
from caucase.server.limits import DEFAULT_LIMITS, Report, Throttle


@dataclass(frozen=True, kw_only=True)
class Service:
    """A configured server. Replaced as a whole on reload: a request sees one configuration from start to end.

    ``server_key``: the file with key and certificate of the HTTPS server. ``hal``: the description of a
    context (``None``: of the root), as seen over HTTP or, when true, HTTPS.
    """

    authority: Authority
    clock: Clock
    committer: Committer
    netloc: NetLoc
    server_key: Path
    origins: Origins
    consents: Consents
    hal: Mapping[tuple[ContextName | None, bool], Document]


class Site:
    """``service`` is ``None`` without a usable configuration; ``problem`` then tells clients why.

    ``executor`` runs everything that may block. ``is_ending``: the process ends
    once the requests in flight are answered. ``limits``: those for new connections and requests. ``throttle``: hears
    of what is refused because it was too much, and calls ``report``.
    """

    def __init__(self, *, executor: Executor, report: Report) -> None:
        self.executor = executor
        self.service: Service | None = None
        self.problem = "The server is starting."
        self.is_ending = False
        self.limits = DEFAULT_LIMITS
        self.throttle = Throttle(report, monotonic=monotonic)
        self._in_flight = 0
        self._uploading = 0
        self._last = monotonic()

    @property
    def is_overloaded(self) -> bool:
        """Whether more requests are in work than may be. Whoever waits for a body does no work."""
        return self._in_flight - self._uploading > self.limits.requests

    @property
    def in_flight(self) -> int:
        """How many requests are being answered, those whose answer is still being sent not included."""
        return self._in_flight

    @property
    def idle_seconds(self) -> float:
        """Since when there has been no request."""
        return 0.0 if self._in_flight else monotonic() - self._last

    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """Count a request that waits for its client."""
        self._uploading += 1
        try:
            yield
        finally:
            self._uploading -= 1

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request while it lasts."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._last = monotonic()
