"""How much the server does, compared with the peer's: submit, sign, fetch, renew, revoke, through the public API.

Every server gets the same work in the same minute, in turns: requests are submitted, then signed by a user over HTTPS,
fetched (for the first time, which the server notes down; then by wrk again and again), renewed and revoked by their
holders. The generator shares the two cores with the server, so what it takes is printed, and what others took: in a
disturbed run figures mean less.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import load, processes, report, work, wrk
from benchmarks.measure import Measured, measure
from benchmarks.report import Verdict, number
from benchmarks.servers import OURS, OURS_EC, PEER, Program, Server, running, temporary_folder
from benchmarks.work import EC, RSA, Certified

NAME = "throughput"

OPERATIONS = ("submit", "sign", "fetch", "fetch again", "renew", "revoke")
# Fetching again is shown, not judged: the peer's figure that the target was set by was one of first fetches.
JUDGED = ("submit", "sign", "fetch", "renew", "revoke")
RATIO = 10.0
JUDGED_CLIENTS = (8, 32)
RATES = {("ours", "sign"): 2000.0, ("ours", "renew"): 2000.0}
RATES_EC = {("ours, EC", "sign"): 3000.0, ("ours, EC", "renew"): 4500.0}
SIGN_P99_MS = 60.0
GENERATOR_SHARE = 30.0
DISTURBED_SHARE = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long: ``rounds`` turns of ``seconds`` an operation, and at most ``requests`` in one, by clients.

    ``again``: seconds of fetching again, which does not come to an end by itself.
    """

    requests: dict[int, int]
    rounds: int
    seconds: float
    again: float


# A machine whose speed others change within seconds is the same for both only if turns are short, and many.
FULL = Plan(requests={1: 300, 8: 1350, 32: 1350}, rounds=6, seconds=1.0, again=1.0)
QUICK = Plan(requests={1: 200, 8: 1500, 32: 1500}, rounds=1, seconds=1.0, again=1.0)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A running server, and how its clients work with it: ``kind`` is that of their keys."""

    server: Server
    kind: str
    user: Path


@dataclass(kw_only=True)
class Results:
    """``figures`` by server, operation and clients; ``memory`` by server, after all work."""

    figures: dict[tuple[str, str, int], Measured] = field(default_factory=dict)
    memory: dict[str, processes.Memory] = field(default_factory=dict)

    def add(self, server: str, operation: str, clients: int, measured: Measured) -> None:
        """Another turn."""
        self.figures.setdefault((server, operation, clients), Measured()).add(measured)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison, or part of it."""
    parser = report.parser(__doc__)
    parser.add_argument("--only", choices=["ours", "peer", "ec"], action="append", help="these servers alone")
    parser.add_argument("--clients", type=int, action="append", help="so many clients alone")
    parser.add_argument("--rounds", type=int, help="so many turns")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    requests = {
        clients: count
        for clients, count in plan.requests.items()
        if not options.clients or clients in options.clients
    }
    plan = replace(plan, requests=requests, rounds=options.rounds or plan.rounds)
    contenders = {"ours": (OURS, RSA), "peer": (PEER, RSA), "ec": (OURS_EC, EC)}
    results = compare([contenders[name] for name in options.only or contenders], plan)
    return report.publish(NAME, tables(results), judged(results), write=options.write)


def compare(programs: Sequence[tuple[Program, str]], plan: Plan) -> Results:
    """Start the servers and let them work in turns."""
    results = Results()
    for kind in {kind for _, kind in programs}:
        for renewed in (False, True):  # made now, not between the turns
            work.requests(kind, plan.rounds * sum(plan.requests.values()), renewed=renewed)
    with ExitStack() as stack:
        contenders = []
        for program, kind in programs:
            folder = stack.enter_context(temporary_folder())
            server = stack.enter_context(running(program, folder))
            contenders.append(Contender(server=server, kind=kind, user=work.enrol(server, kind, folder)))
        start = 0
        for _ in range(plan.rounds):
            for clients, count in plan.requests.items():
                for contender in contenders:
                    _turn(contender, range(start, start + count), clients, plan, results)
                start += count
        for contender in contenders:
            results.memory[contender.server.name] = processes.memory(contender.server.pid)
    return results


def _turn(contender: Contender, numbers: range, clients: int, plan: Plan, results: Results) -> None:
    """All operations, on the certificate requests of these numbers."""
    server, kind = contender.server, contender.kind
    csrs = work.requests(kind, numbers.stop)
    name = server.name

    def measured(operation: str, requests: Sequence[bytes], *, user: bool = False) -> load.Load:
        target = server.https(contender.user) if user else server.http
        figures, sent = measure(server, target, requests, clients=clients, seconds=plan.seconds)
        results.add(name, operation, clients, figures)
        return sent

    submitted = measured("submit", work.submissions(csrs[numbers.start :]))
    waiting = [(number, one) for number, one in zip(numbers, work.ids(submitted), strict=False) if one]
    signed = measured("sign", work.signatures([one for _, one in waiting]), user=True)
    there = [pair for pair, status in zip(waiting, signed.statuses, strict=False) if status == 204]
    fetched = measured("fetch", work.fetches([one for _, one in there]))
    certified = [
        Certified(number=number, pem=load.body_of(answer))
        for (number, _), status, answer in zip(there, fetched.statuses, fetched.answers, strict=False)
        if status == 200
    ]
    again = wrk.measure(
        server, [f"/cas/crt/{one}" for _, one in there[: len(certified)]], clients=clients, seconds=plan.again
    )
    results.add(name, "fetch again", clients, again)
    measured("renew", work.renewals(kind, certified))
    measured("revoke", work.revocations(kind, certified))


def tables(results: Results) -> list[str]:
    """What was measured, in Markdown."""
    servers = [server for server in ("ours", "peer", "ours, EC") if server in results.memory]
    found = [_comparison(results), *(_details(results, server) for server in servers), _memory(results)]
    others = max(one.others_share for one in results.figures.values())
    if others > DISTURBED_SHARE:
        found.append(f"Disturbed: others took up to {number(others)} % of the machine.")
    return found


def _comparison(results: Results) -> str:
    """Rates beside each other."""
    rows = []
    for operation in OPERATIONS:
        for clients in sorted({clients for _, _, clients in results.figures}):
            ours, peer, ec = (
                results.figures.get((server, operation, clients)) for server in ("ours", "peer", "ours, EC")
            )
            ratio = f"{number(ours.rate / peer.rate)} x" if ours and peer and peer.rate else "-"
            rates = [number(one.rate) if one else "-" for one in (ours, peer)]
            rows.append((operation, str(clients), *rates, ratio, number(ec.rate) if ec else "-"))
    return report.table(("operation", "clients", "ours/s", "peer/s", "ratio", "ours with EC/s"), rows)


def _details(results: Results, server: str) -> str:
    """What is behind the rates of one server."""
    rows = []
    for operation in OPERATIONS:
        for (name, of, clients), one in sorted(results.figures.items(), key=lambda item: item[0][2]):
            if (name, of) == (server, operation):
                failures = ", ".join(
                    f"{count} x {status or 'lost'}" for status, count in one.failures.items()
                )
                rows.append(
                    (
                        operation,
                        str(clients),
                        number(one.rate),
                        number(one.latency_ms(0.5)),
                        number(one.latency_ms(0.99)),
                        number(one.server_us),
                        number(one.rate_alone),
                        number(one.generator_share),
                        number(one.others_share),
                        failures or "none",
                    )
                )
    heads = (
        f"{server}:",
        "clients",
        "per s",
        "p50 ms",
        "p99 ms",
        "server us each",
        "alone/s",
        "generator %",
        "others %",
        "failures",
    )
    return report.table(heads, rows)


def _memory(results: Results) -> str:
    rows = [(server, number(one.pss), number(one.rss)) for server, one in results.memory.items()]
    return report.table(("memory after all work, MiB:", "PSS", "RSS"), rows)


def judged(results: Results) -> list[Verdict]:
    """The targets that can be judged by what was measured."""
    found = []
    for (server, operation, clients), one in results.figures.items():
        at = f"{operation}, {clients} clients"
        peer = results.figures.get(("peer", operation, clients))
        if clients in JUDGED_CLIENTS and operation in JUDGED:
            if server == "ours" and peer and peer.rate:
                found.append(
                    Verdict(name=f"{at}: times the peer", figure=one.rate / peer.rate, target=RATIO, unit="x")
                )
            if target := (RATES | RATES_EC).get((server, operation)):
                found.append(Verdict(name=f"{server}: {at}", figure=one.rate, target=target, unit="/s"))
        if (server, operation, clients) == ("ours", "sign", 32):
            figure = one.latency_ms(0.99)
            found.append(
                Verdict(name=f"{at}: p99", figure=figure, target=SIGN_P99_MS, unit="ms", at_most=True)
            )
    busiest = max(one.generator_share for one in results.figures.values())
    found.append(
        Verdict(name="share of the generator", figure=busiest, target=GENERATOR_SHARE, unit="%", at_most=True)
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
