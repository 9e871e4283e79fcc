"""One operation on one server for a few seconds: what came back, and what it cost everybody on the machine."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks import load, processes
from benchmarks.load import Load, Target
from benchmarks.report import percentile
from benchmarks.servers import Server

CORES = os.cpu_count() or 1


@dataclass(kw_only=True)
class Measured:
    """Figures of an operation, of several turns together.

    ``seconds`` are those in which requests were sent, ``done`` the good answers in them. ``answered`` are all good
    answers, and the processor seconds are of the ``wall`` seconds in all, with what was still under way at the end.
    """

    seconds: float = 0.0
    wall: float = 0.0
    done: int = 0
    answered: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: Counter[int] = field(default_factory=Counter)
    generator_cpu: float = 0.0
    server_cpu: float = 0.0
    machine_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def latency_ms(self, share: float) -> float:
        """A percentile of the latency, in milliseconds."""
        return 1000 * percentile(self.latencies, share)

    @property
    def server_us(self) -> float:
        """Processor time of the server per answer, in microseconds."""
        return 1e6 * self.server_cpu / self.answered if self.answered else 0.0

    @property
    def rate_alone(self) -> float:
        """Good answers a second if server and generator had all cores to themselves, and used them."""
        spent = self.server_cpu + self.generator_cpu
        return CORES * self.answered / spent if spent else 0.0

    @property
    def generator_share(self) -> float:
        """What the generator took of the machine, in percent of all cores."""
        return 100 * self.generator_cpu / (self.wall * CORES) if self.wall else 0.0

    @property
    def others_share(self) -> float:
        """What anybody else took of the machine: the figures of a disturbed run mean less."""
        others = self.machine_cpu - self.generator_cpu - self.server_cpu
        return max(0.0, 100 * others / (self.wall * CORES)) if self.wall else 0.0

    def add(self, other: Measured) -> None:
        """The figures of another turn too."""
        self.seconds += other.seconds
        self.wall += other.wall
        self.done += other.done
        self.answered += other.answered
        self.latencies.extend(other.latencies)
        self.failures += other.failures
        self.generator_cpu += other.generator_cpu
        self.server_cpu += other.server_cpu
        self.machine_cpu += other.machine_cpu


def together(turns: Iterable[Measured]) -> Measured:
    """The figures of several turns as those of one."""
    result = Measured()
    for turn in turns:
        result.add(turn)
    return result


def measure(
    server: Server,
    target: Target,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    reconnect: bool = False,
) -> tuple[Measured, Load]:
    """Send ``requests``, as ``load.run`` does, with what it took; the answers are kept."""
    meter = Meter(server)
    sent = load.run(target, requests, clients=clients, seconds=seconds, keep=True, reconnect=reconnect)
    measured = Measured(
        seconds=sent.seconds,
        done=sent.done,
        answered=len(sent.latencies),
        latencies=sent.latencies,
        failures=sent.failures,
        generator_cpu=sent.cpu_seconds,
    )
    meter.stop(measured)
    return measured, sent


class Meter:
    """What the server and the whole machine take from now on until ``stop``."""

    def __init__(self, server: Server) -> None:
        self._pid = server.pid
        self._server = processes.cpu_seconds(server.pid)
        self._machine = processes.machine_busy_seconds()
        self._start = os.times().elapsed

    def stop(self, measured: Measured) -> None:
        """Put it down."""
        measured.wall = os.times().elapsed - self._start
        measured.server_cpu = processes.cpu_seconds(self._pid) - self._server
        measured.machine_cpu = processes.machine_busy_seconds() - self._machine
