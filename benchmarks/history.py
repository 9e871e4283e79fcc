"""Whether what a server has done before makes it slower: the same work on an empty database and on big ones.

A million revoked serials, and a million certificates issued in the past. The servers work in turns, many short ones,
so that what disturbs the machine disturbs all of them. Authentication is a new TLS connection with a user's
certificate for each request, of which there is nothing to do but to say that nobody waits. A ratio is the median of
those of all turns, so that a disturbance of one of them does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import databases, load, report, work
from benchmarks.databases import EMPTY, ISSUED, MILLION, REVOKED
from benchmarks.load import http_request
from benchmarks.measure import Measured, measure, together
from benchmarks.report import Verdict, number, quotient
from benchmarks.servers import Server
from benchmarks.work import RSA, Certified

NAME = "history"

OPERATIONS = ("submit", "sign", "fetch", "renew", "revoke", "authenticate")
RATIO = 0.9
CLIENTS = 8

_KINDS = (EMPTY, REVOKED, ISSUED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    size, turns, count = (MILLION // 50, 2, 200) if options.quick else (MILLION, 8, 600)
    tables, judged = examine(size, turns, count)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(size: int, turns: int, count: int) -> tuple[list[str], list[Verdict]]:
    """On databases of that size, in so many turns of ``count`` requests an operation."""
    results: dict[str, dict[str, list[Measured]]] = {
        kind: {operation: [] for operation in OPERATIONS} for kind in _KINDS
    }
    work.requests(RSA, turns * count)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(databases.running(kind, size)) for kind in _KINDS}
        for turn in range(turns):
            # Who goes first has the coldest caches, so that is somebody else each time.
            for kind in [*_KINDS[turn % 3 :], *_KINDS[: turn % 3]]:
                for operation, measured in _turn(*servers[kind], range(turn * count, (turn + 1) * count)):
                    results[kind][operation].append(measured)
    rows, judged = [], []
    for operation in OPERATIONS:
        empty = results[EMPTY][operation]
        cells = [operation, number(median(one.rate for one in empty))]
        for kind in _KINDS[1:]:
            big = results[kind][operation]
            ratio = median(one.rate / beside.rate for one, beside in zip(big, empty, strict=True))
            # The kernel counts in hundredths of a second, which is coarse for one turn.
            cost = quotient(together(big).server_us, together(empty).server_us)
            cells += [number(median(one.rate for one in big)), number(ratio), number(cost)]
            judged.append(
                Verdict(name=f"{operation} with {size:,} {kind}, of an empty one", figure=ratio, target=RATIO)
            )
        rows.append([*cells, number(max(one.others_share for one in empty))])
    heads = [f"per s, {CLIENTS} clients", "empty"]
    for kind in _KINDS[1:]:
        heads += [f"{size:,} {kind}", "ratio", "of its cost"]
    table = report.table([*heads, "others % at most"], rows)
    return [table], judged


def _turn(server: Server, user: Path, numbers: range) -> list[tuple[str, Measured]]:
    """All operations on the certificate requests of these numbers."""
    found = []
    csrs = work.requests(RSA, numbers.stop)[numbers.start :]

    def measured(
        operation: str, requests: Sequence[bytes], *, by: Path | None = None, reconnect: bool = False
    ) -> load.Load:
        target = server.https(by) if by else server.http
        figures, sent = measure(server, target, requests, clients=CLIENTS, seconds=60.0, reconnect=reconnect)
        assert not figures.failures, (operation, figures.failures)
        found.append((operation, figures))
        return sent

    waiting = work.ids(measured("submit", work.submissions(csrs)))
    measured("sign", work.signatures(waiting), by=user)
    fetched = measured("fetch", work.fetches(waiting))
    certified = [
        Certified(number=number, pem=load.body_of(answer))
        for number, answer in zip(numbers, fetched.answers, strict=True)
    ]
    measured("renew", work.renewals(RSA, certified))
    measured("revoke", work.revocations(RSA, certified))
    nobody_waits = [http_request("GET", "/cau/csr")] * (len(numbers) // 2)
    measured("authenticate", nobody_waits, by=user, reconnect=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
