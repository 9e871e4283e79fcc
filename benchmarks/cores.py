"""Whether a second core is used: signing, with everything on one core and with everything on two.

"Everything" is the generator too: it shares the cores with the server in both cases and costs the same for each
answer, so that the ratio is that of two machines. Its share of the cores it had is printed. Two servers, in turns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks import report, work
from benchmarks.measure import Measured, measure
from benchmarks.report import Verdict, number
from benchmarks.servers import OURS, running, temporary_folder
from benchmarks.work import RSA

NAME = "cores"

SCALING = 1.6
CLIENTS = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    turns, count, seconds = (1, 500, 1.0) if options.quick else (3, 3000, 3.0)
    tables, judged = examine(turns, count, seconds)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(turns: int, count: int, seconds: float) -> tuple[list[str], list[Verdict]]:
    """In so many turns of ``count`` requests, or of that time."""
    everything = os.sched_getaffinity(0)
    sets = [set(sorted(everything)[:cores]) for cores in (1, 2)]
    results = [Measured(), Measured()]
    csrs = work.requests(RSA, turns * count)
    with ExitStack() as stack:
        servers = []
        for cores in sets:
            folder = stack.enter_context(temporary_folder())
            prefix = ("taskset", "-c", ",".join(map(str, sorted(cores))))
            server = stack.enter_context(running(OURS, folder, prefix=prefix))
            servers.append((server, work.enrol(server, RSA, folder)))
        for turn in range(turns):
            for (server, user), cores, result in zip(servers, sets, results, strict=True):
                waiting = work.submit(server, "cas", csrs[turn * count : (turn + 1) * count])
                os.sched_setaffinity(0, cores)
                try:
                    measured, _ = measure(
                        server,
                        server.https(user),
                        work.signatures(waiting),
                        clients=CLIENTS,
                        seconds=seconds,
                    )
                finally:
                    os.sched_setaffinity(0, everything)
                result.add(measured)
    one, two = results
    rows = [
        (
            str(len(cores)),
            number(result.rate),
            number(result.server_us),
            number(100 * result.generator_cpu / (result.wall * len(cores))),
        )
        for cores, result in zip(sets, results, strict=True)
    ]
    table = report.table(
        (f"cores, {CLIENTS} clients", "signed/s", "server us each", "generator % of them"), rows
    )
    verdict = Verdict(
        name="sign: two cores against one", figure=two.rate / one.rate, target=SCALING, unit="x"
    )
    return [table], [verdict]


if __name__ == "__main__":
    sys.exit(main())
