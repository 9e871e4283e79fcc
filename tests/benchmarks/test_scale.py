"""The parts of the questions about big databases that can be tested without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cores, databases, growth, history, lists, others, pruning
from benchmarks.growth import grown
from caucase.store import Database


@pytest.mark.parametrize(
    ("sizes", "rise"), [([5.0, 5.0, 5.0], 0.0), ([1.0, 2.0, 3.0, 4.0], 4.0), ([3.0, 2.0, 1.0], -3.0)]
)
def test_growth_is_that_of_a_straight_line(sizes: list[float], rise: float) -> None:
    assert grown(sizes) == pytest.approx(rise)


def test_one_figure_out_of_line_is_no_trend() -> None:
    assert grown([50.0, 50.0, 50.0, 58.0, 50.0, 50.0, 50.0]) == pytest.approx(0.0)


def test_others_renew_with_half_of_their_requests() -> None:
    assert others.needed(10.0) == 501


@pytest.mark.parametrize(("is_over", "answers"), [(False, 0), (True, 3)])
def test_a_database_is_aged(tmp_path: Path, is_over: bool, answers: int) -> None:
    path = tmp_path / "caucase.sqlite"
    with Database(path) as database:
        databases.age(database, 25, is_over=is_over)
        with database.read() as transaction:
            counts = [
                transaction.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
                for table in ("record", "request", "renewal")
            ]
    assert counts == [25, answers, answers]


@pytest.mark.xdist_group("benchmarks")  # they would measure each other
def test_every_question_is_answered_for_small_databases() -> None:
    for (tables, judged), names in (
        (history.examine(50, 2, 40), 2 * len(history.OPERATIONS)),
        (lists.examine(50, 1, 1, 1.0), 6),
        (growth.examine(20), 1),
        (pruning.examine(50, 4.0), 1),
        (cores.examine(1, 80, 2.0), 1),
    ):
        assert tables
        assert len(judged) == names
        assert all(verdict.figure == verdict.figure for verdict in judged), judged  # a number
