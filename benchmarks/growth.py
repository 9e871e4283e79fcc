"""Whether memory grows with what was issued: 100,000 renewals, and what all processes have after each 10,000.

With EC keys, for what is kept is the same and there are more in a minute. A straight line through the figures after
the first 20,000, which fill caches, says how much the rest has added.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks import load, processes, report, work
from benchmarks.load import Load
from benchmarks.report import Verdict, number
from benchmarks.servers import OURS_EC, Server, running, temporary_folder
from benchmarks.work import EC, Certified

NAME = "growth"

GROWTH_MIB = 5.0
CLIENTS = 8
STEP, STEPS, WARM = 10_000, 10, 2

_CERTIFICATES = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    tables, judged = examine(STEP // 50 if options.quick else STEP)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(step: int) -> tuple[list[str], list[Verdict]]:
    """With so many renewals from one figure to the next."""
    sizes = []
    began = time.monotonic()
    with temporary_folder() as folder, running(OURS_EC, folder) as server:
        user = work.enrol(server, EC, folder)
        certified = work.certify(server, EC, user, _CERTIFICATES)
        for turn in range(STEPS):
            sent = _renew(server, certified, turn * step, step)
            assert not sent.failures, sent.failures
            sizes.append(processes.memory(server.pid))
    growth = grown([size.pss for size in sizes[WARM:]])
    table = report.table(
        ("after renewals", "PSS MiB", "RSS MiB"),
        [(f"{(turn + 1) * step:,}", number(size.pss), number(size.rss)) for turn, size in enumerate(sizes)],
    )
    verdict = Verdict(
        name=f"growth over the last {(STEPS - WARM) * step:,} renewals",
        figure=growth,
        target=GROWTH_MIB,
        unit="MiB",
        at_most=True,
    )
    taken = f"{number(time.monotonic() - began)} s in all."
    return [table, taken], [verdict]


def grown(sizes: Sequence[float]) -> float:
    """How much a straight line through sizes, taken at equal distances, rises from before the first to the last."""
    slope, _ = statistics.linear_regression(range(len(sizes)), sizes)
    return slope * len(sizes)


def _renew(server: Server, certified: Sequence[Certified], start: int, count: int) -> Load:
    """So many renewals that were never asked for before: each certificate, for one new request after the other."""
    csrs = work.requests(EC, (start + count) // len(certified) + 1, renewed=True)
    pairs = [
        (certified[each % len(certified)], csrs[each // len(certified)])
        for each in range(start, start + count)
    ]
    made = work.renewals(EC, [one for one, _ in pairs], [csr for _, csr in pairs])
    return load.run(server.http, made, clients=CLIENTS, seconds=3600)


if __name__ == "__main__":
    sys.exit(main())
