"""What others notice while a million certificates, and a hundred thousand answers of each kind, are forgotten.

A timer's job does that beside the server (``caucased-manage --refresh``), here at once for what would come over years.
The slowest answer that somebody else gets meanwhile tells how long that one was blocked, at the most. The slowest of as
long a time in which nothing is forgotten is beside it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from benchmarks import databases, others, report, work
from benchmarks.databases import DATABASE, EMPTY, MILLION, NETLOC
from benchmarks.report import Verdict, number, percentile
from benchmarks.work import RSA
from caucase.store import Database

NAME = "pruning"

BLOCKED_MS = 50.0

_OVER_DAYS = -400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    size, longest = (MILLION // 50, 4.0) if options.quick else (MILLION, 20.0)
    tables, judged = examine(size, longest)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(size: int, longest: float) -> tuple[list[str], list[Verdict]]:
    """With so many certificates to be forgotten. Others are there for so many seconds, if it takes that long."""
    count = others.needed(longest)
    taken: list[float] = []
    with databases.running(EMPTY, 0) as (server, user):
        # Not before, for a server that starts forgets what is over before it answers.
        with Database(server.folder / DATABASE) as database:
            databases.age(database, size, days_left=_OVER_DAYS)
        certified = work.certify(server, RSA, user, 2 * count)

        def forget() -> None:
            began = time.perf_counter()
            databases.manage(server.folder, "--netloc", NETLOC, "--refresh")
            taken.append(time.perf_counter() - began)

        meanwhile = others.latencies_while(server, certified[:count], forget)
        without = others.latencies_while(server, certified[count:], lambda: time.sleep(min(taken)))
    rows = [
        (
            name,
            str(len(latencies)),
            *(number(1000 * percentile(latencies, share)) for share in (0.5, 0.99, 1.0)),
        )
        for name, latencies in (("meanwhile", meanwhile), ("afterwards", without))
    ]
    table = report.table(
        (f"forgetting {size:,} in {number(taken[0])} s", "answers", "p50 ms", "p99 ms", "slowest ms"), rows
    )
    verdict = Verdict(
        name="slowest answer while pruning",
        figure=1000 * max(meanwhile),
        target=BLOCKED_MS,
        unit="ms",
        at_most=True,
    )
    return [table], [verdict]


if __name__ == "__main__":
    sys.exit(main())
