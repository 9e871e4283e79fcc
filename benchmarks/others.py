"""Others, who use the server at a moderate rate while something happens: they renew, and read the CA certificate."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence

from benchmarks import load, work
from benchmarks.load import http_request
from benchmarks.servers import Server
from benchmarks.work import RSA, Certified

RATE = 100.0
"""Requests a second, half of them renewals."""

_CLIENTS = 8
_CA_CERTIFICATE = "/cas/crt/ca.crt.pem"


def needed(seconds: float) -> int:
    """How many certificates they renew in that time."""
    return int(RATE / 2 * seconds) + 1


def latencies_while(
    server: Server, certified: Sequence[Certified], happens: Callable[[], object]
) -> array[float]:
    """Seconds of each answer, from the beginning to the end of what happens, which is done in another thread.

    Each of ``certified``, which have RSA keys, is renewed once at most: ``needed`` says how many that takes.
    """
    made: list[bytes] = []
    for renewal in work.renewals(RSA, certified):
        made += [renewal, http_request("GET", _CA_CERTIFICATE)]
    over = threading.Event()

    def then() -> None:
        try:
            happens()
        finally:
            over.set()

    thread = threading.Thread(target=then)
    thread.start()
    sent = load.run(server.http, made, clients=_CLIENTS, seconds=600.0, rate=RATE, until=over.is_set)
    thread.join()
    assert not sent.failures, sent.failures
    return sent.latencies
