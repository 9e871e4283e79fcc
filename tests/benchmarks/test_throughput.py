"""The comparison itself, so short that its figures mean nothing: every operation works on both servers."""

from __future__ import annotations

import pytest

from benchmarks import throughput
from benchmarks.servers import OURS, PEER
from benchmarks.throughput import OPERATIONS, Plan
from benchmarks.work import RSA


@pytest.mark.xdist_group("benchmarks")  # they would measure each other
def test_both_servers_do_all_of_the_work() -> None:
    plan = Plan(requests={2: 6}, rounds=1, seconds=10.0, again=1.0)
    results = throughput.compare([(OURS, RSA), (PEER, RSA)], plan)
    for server in ("ours", "peer"):
        for operation in OPERATIONS:
            measured = results.figures[server, operation, 2]
            assert not measured.failures, (server, operation)
            assert measured.rate > 0, (server, operation)
            assert operation == "fetch again" or measured.answered == 6, (server, operation)
        assert results.memory[server].pss > 10
    text = "\n".join(throughput.tables(results))
    assert "| sign        |       2 |" in text
    assert [verdict.name for verdict in throughput.judged(results)] == ["share of the generator"]
