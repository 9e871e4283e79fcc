"""What all requests share: the service they are about, the threads that do its work, and how busy they are.

It never outlives the event loop, and nothing of a single request is kept here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from caucase.authority import Authority, ContextName, Document
from caucase.clock import monotonic
from caucase.core.netloc import NetLoc
from caucase.server.cors import Consents, Origins
from caucase.server.limits import DEFAULT_LIMITS, Admission, Kind, Limits, Report, Throttle

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A configured server. Replaced as a whole on reload: a request sees one configuration from start to end.

    ``server_key``: the file with key and certificate of the HTTPS server. ``hal``: the description of a
    context (``None``: of the root), as seen over HTTP or, when true, HTTPS.
    """

    authority: Authority
    netloc: NetLoc
    server_key: Path
    origins: Origins
    consents: Consents
    hal: Mapping[tuple[ContextName | None, bool], Document]


def log_refusals(kind: Kind, count: int, address: str) -> None:
    """For a site without an audit log."""
    _logger.warning("Refused %d times: %s, for example to %s.", count, kind, address)


class Site:
    """``service`` is ``None`` without a usable configuration; ``problem`` then tells clients why.

    ``executor`` runs everything that may block. ``is_ending``: the process ends
    once the requests in flight are answered. ``admission``: the connections that there are. ``throttle``: hears
    of what is refused because it was too much.
    """

    def __init__(
        self, *, executor: Executor, report: Report = log_refusals, descriptors: int | None = None
    ) -> None:
        """``report``: what the throttle calls. ``descriptors``: how many files may be open."""
        self.executor = executor
        self.service: Service | None = None
        self.problem = "The server is starting."
        self.is_ending = False
        self.admission = Admission(DEFAULT_LIMITS, descriptors=descriptors)
        self.throttle = Throttle(report, monotonic=monotonic)
        self._in_flight = 0
        self._uploading = 0
        self._last = monotonic()

    @property
    def limits(self) -> Limits:
        """Those for new connections and new requests."""
        return self.admission.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.admission.limits = limits

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
