"""What others notice while certificates, and answers to requests and renewals, are forgotten that are over.

A timer's job does that beside the server (``caucased-manage --refresh``). Of the million that the database is full of
it gets as far as it comes in some seconds. The slowest answer that somebody else gets meanwhile tells how long that one
was blocked, at the most; that of a time in which nothing is forgotten is beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import databases, others, report, work
from benchmarks.databases import DATABASE, MILLION, NETLOC, OVER
from benchmarks.report import Verdict, number, percentile
from benchmarks.servers import OURS_BIN
from benchmarks.work import RSA
from caucase.store import Database, record

NAME = "pruning"

BLOCKED_MS = 50.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    size, longest = (MILLION // 50, 4.0) if options.quick else (MILLION, 20.0)
    tables, judged = examine(size, longest)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(size: int, longest: float) -> tuple[list[str], list[Verdict]]:
    """With so many certificates to be forgotten, for so many seconds at most."""
    count = others.needed(longest)
    with databases.running(OVER, size) as (server, user):
        certified = work.certify(server, RSA, user, 2 * count)
        before = _forgotten(server.folder)
        meanwhile = others.latencies_while(server, certified[:count], lambda: _forget(server.folder, longest))
        forgotten = _forgotten(server.folder) - before
        without = others.latencies_while(server, certified[count:], lambda: time.sleep(longest))
    rows = [
        (
            name,
            str(len(latencies)),
            *(number(1000 * percentile(latencies, share)) for share in (0.5, 0.99, 1.0)),
        )
        for name, latencies in (("meanwhile", meanwhile), ("afterwards", without))
    ]
    table = report.table(
        (f"forgetting {forgotten:,} of {size:,}", "answers", "p50 ms", "p99 ms", "slowest ms"), rows
    )
    verdict = Verdict(
        name="slowest answer while pruning",
        figure=1000 * max(meanwhile),
        target=BLOCKED_MS,
        unit="ms",
        at_most=True,
    )
    return [table], [verdict]


def _forget(folder: Path, longest: float) -> None:
    command = [str(OURS_BIN / "caucased-manage"), "--db", DATABASE, "--netloc", NETLOC, "--refresh"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
        try:
            status = job.wait(longest)
        except subprocess.TimeoutExpired:
            job.terminate()  # what it has committed is forgotten, and the rest would be next time
        else:
            assert status == 0, "nothing can be forgotten"


def _forgotten(folder: Path) -> int:
    """How many entries of the services' record are not there any more."""
    with Database(folder / DATABASE, read_only=True) as database, database.read() as transaction:
        return record.chain(transaction, "cas").pruned.number


if __name__ == "__main__":
    sys.exit(main())
