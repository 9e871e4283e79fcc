"""What a long revocation list costs: with a million revoked, one more, and everybody reads the new list.

Of a revocation: how long until the new list is there, and what others notice, who use the server at a
moderate rate. Of memory: of all processes, while 8 readers fetch the list 50 times each. Of reading what has not
changed: conditional requests, by wrk. Of the start: from the first connection to the first byte, with that database.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import databases, load, others, processes, report, start, work, wrk
from benchmarks.databases import MILLION, REVOKED
from benchmarks.load import ADDRESS
from benchmarks.report import Verdict, number, percentile
from benchmarks.servers import Server
from benchmarks.work import RSA, Certified

NAME = "lists"

NEW_LIST_S = 1.0
OTHERS_P99_MS = 100.0
MEMORY_MIB = 250.0
UNCHANGED_RATE = 8000.0
COLD_START_MS = 400.0

READERS, READINGS = 8, 50

_LIST = "/cas/crl"
_CA = "/cas/crt/ca.crt.pem"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge."""
    options = report.parser(__doc__).parse_args(arguments)
    size, revocations, starts, seconds = (MILLION // 50, 2, 3, 1.0) if options.quick else (MILLION, 6, 9, 3.0)
    tables, judged = examine(size, revocations, starts, seconds)
    return report.publish(NAME, tables, judged, write=options.write)


def examine(size: int, revocations: int, starts: int, seconds: float) -> tuple[list[str], list[Verdict]]:
    """With a list of that size, so many revocations and cold starts, and so long of conditional requests."""
    with databases.running(REVOKED, size) as (server, user):
        first = _read_list(server)
        # A time that is far too long for the lists, and one for as many quiet moments.
        counts = (revocations, others.needed(4.0 * revocations), others.needed(revocations))
        certified = work.certify(server, RSA, user, sum(counts))
        ends = list(itertools.accumulate(counts))
        renewed: list[float] = []
        busy = others.latencies_while(
            server,
            certified[ends[0] : ends[1]],
            lambda: renewed.extend(_one_more(server, one) for one in certified[: ends[0]]),
        )
        quiet = others.latencies_while(server, certified[ends[1] :], lambda: time.sleep(revocations))
        before = processes.memory(server.pid)
        most = _memory_while_read(server)
        unchanged = {path: _unchanged(server, path, seconds) for path in (_LIST, _CA)}
        body = int(load.header_of(_head(server, _LIST), "Content-Length"))
    with databases.copied(REVOKED, size) as place:
        colds = _cold_starts(place, starts)
    rows = [
        (f"the list of {size:,}", f"{number(body / 2**20)} MiB"),
        ("made for the first time", f"{number(first)} s"),
        ("after one more revocation, median", f"{number(statistics.median(renewed))} s"),
        ("others meanwhile, p99", f"{number(1000 * percentile(busy, 0.99))} ms"),
        ("others at other times, p99", f"{number(1000 * percentile(quiet, 0.99))} ms"),
        ("memory before the readers, PSS", f"{number(before.pss)} MiB"),
        (f"memory with {READERS} readers, PSS, RSS", f"{number(most.pss)} MiB, {number(most.rss)} MiB"),
    ]
    judged = [
        Verdict(
            name="one more revocation, then the new list, slowest",
            figure=max(renewed),
            target=NEW_LIST_S,
            unit="s",
            at_most=True,
        ),
        Verdict(
            name="other requests meanwhile, p99",
            figure=1000 * percentile(busy, 0.99),
            target=OTHERS_P99_MS,
            unit="ms",
            at_most=True,
        ),
        Verdict(
            name=f"memory while {READERS} read it {READINGS} times",
            figure=most.pss,
            target=MEMORY_MIB,
            unit="MiB",
            at_most=True,
        ),
        *(
            Verdict(name=f"unchanged, {path}", figure=rate, target=UNCHANGED_RATE, unit="/s")
            for path, rate in unchanged.items()
        ),
        Verdict(
            name="start, first connection to first byte",
            figure=statistics.median(colds),
            target=COLD_START_MS,
            unit="ms",
            at_most=True,
        ),
    ]
    return [report.table(("what", "figure"), rows)], judged


def _one_more(server: Server, certified: Certified) -> float:
    """Seconds from a revocation to the last byte of the list that has it."""
    (request,) = work.revocations(RSA, [certified])
    before = load.header_of(_head(server, _LIST), "ETag")
    began = time.perf_counter()
    sent = load.run(server.http, [request], clients=1, seconds=60.0)
    assert not sent.failures, sent.failures
    _read_list(server)
    taken = time.perf_counter() - began
    assert load.header_of(_head(server, _LIST), "ETag") != before, "the list is the old one"
    return taken


def _read_list(server: Server) -> float:
    """Seconds until somebody has all of it."""
    began = time.perf_counter()
    _curl(server, 1).wait()
    return time.perf_counter() - began


def _memory_while_read(server: Server) -> processes.Memory:
    """The most that the server has in memory while the list is read."""
    readers = [_curl(server, READINGS) for _ in range(READERS)]
    most = processes.memory(server.pid)
    while any(reader.poll() is None for reader in readers):
        most = max(most, processes.memory(server.pid), key=lambda memory: memory.pss)
        time.sleep(0.05)
    assert not any(reader.returncode for reader in readers)
    return most


def _curl(server: Server, times: int) -> subprocess.Popen[bytes]:
    """Somebody who reads the list so many times and forgets it."""
    command = ["curl", "--silent", "--fail", "--max-time", "600"]
    for _ in range(times):
        command += ["-o", "/dev/null", f"http://{ADDRESS}:{server.port}{_LIST}"]
    return subprocess.Popen(command)


def _head(server: Server, path: str) -> bytes:
    command = ["curl", "--silent", "--fail", "--dump-header", "-", "-o", "/dev/null"]
    return subprocess.run(
        [*command, f"http://{ADDRESS}:{server.port}{path}"], stdout=subprocess.PIPE, check=True
    ).stdout


def _unchanged(server: Server, path: str, seconds: float) -> float:
    """Answers a second that something has not changed."""
    known = load.header_of(_head(server, path), "ETag")
    measured = wrk.measure(server, [path], clients=8, seconds=seconds, headers={"If-None-Match": known})
    assert not measured.failures, measured.failures
    return measured.rate


def _cold_starts(place: Path, count: int) -> list[float]:
    """Milliseconds from the first connection to the first byte; the first start, for the file cache, left out."""
    config = start.configuration(place)
    return [start.measure(config)[0] for _ in range(count + 1)][1:]


if __name__ == "__main__":
    sys.exit(main())
