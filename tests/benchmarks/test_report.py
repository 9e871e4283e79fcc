"""Percentiles, verdicts, tables, and where results go in the document."""

from __future__ import annotations

import math

import pytest

from benchmarks import __main__ as everything
from benchmarks import report
from benchmarks.report import DOCUMENT, Verdict, number, percentile, table, with_results


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1.0, 4)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([3, 1, 4, 2], share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    assert math.isnan(percentile([], 0.5))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, "0.123"),
        (4.567, "4.57"),
        (9.996, "10.0"),
        (89.14, "89.1"),
        (99.96, "100"),
        (12345.4, "12,345"),
        (math.nan, "-"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("figure", "at_most", "passed", "text"),
    [
        (10.0, False, True, "PASS"),
        (9.0, False, False, "MISSED, 1.00 ms less than asked"),
        (10.0, True, True, "PASS"),
        (12.5, True, False, "MISSED, 2.50 ms more than asked"),
        (math.nan, False, False, "MISSED, nothing was measured"),
        (math.nan, True, False, "MISSED, nothing was measured"),
    ],
)
def test_verdicts(figure: float, at_most: bool, passed: bool, text: str) -> None:
    verdict = Verdict(name="one", figure=figure, target=10, unit="ms", at_most=at_most)
    assert (verdict.passed, verdict.text) == (passed, text)


def test_a_table_is_markdown_and_aligned() -> None:
    assert table(("what", "per s"), [("sign", "1,234"), ("fetch", "-")]) == (
        "| what  | per s |\n| ----- | ----: |\n| sign  | 1,234 |\n| fetch |     - |"
    )


def test_results_replace_those_before_and_nothing_else() -> None:
    document = "a\n<!-- results: x -->\nold\n<!-- end -->\nb\n<!-- results: y -->\nother\n<!-- end -->\n"
    once = with_results(document, "x", "new\\1\n")
    assert once == document.replace("old", "new\\1")
    assert with_results(once, "x", "new\\1") == once


def test_results_need_a_place() -> None:
    with pytest.raises(ValueError, match="no place for the results of x"):
        with_results("nothing", "x", "new")


def test_every_question_has_a_place_in_the_document() -> None:
    for name in everything.QUESTIONS:
        with_results(DOCUMENT.read_text(), name, "new")


@pytest.mark.parametrize(("figure", "status"), [(1.0, 0), (3.0, 1)])
def test_a_missed_target_is_an_exit_status(
    figure: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = [Verdict(name="time", figure=figure, target=2, unit="s", at_most=True)]
    assert report.publish("x", ["first"], judged, write=False) == status
    assert capsys.readouterr().out.startswith("first\n\n| what")


def test_one_missed_target_of_many_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def question(name: str, status: int) -> tuple[str, object]:
        return name, lambda flags: asked.append((name, flags)) or status

    questions = dict([question("one", 0), question("two", 1), question("three", 0)])
    monkeypatch.setattr(everything, "QUESTIONS", questions)
    assert everything.main(["--quick"]) == 1
    assert asked == [("one", ["--quick"]), ("two", ["--quick"]), ("three", ["--quick"])]
    assert capsys.readouterr().out.endswith("Missed targets: two\n")
    assert everything.main(["one", "three"]) == 0
