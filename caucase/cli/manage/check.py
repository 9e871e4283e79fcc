"""``--check``: whether all is as it should be, a line each. The keys of the JSON document stay."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from caucase import clock
from caucase.cli.common import EX_OK
from caucase.cli.manage.action import JSON, Action
from caucase.cli.terminal import Colour, has_colours, paint
from caucase.config.schema import ServerConfig
from caucase.errors import EX_ERROR
from caucase.host.events import escape
from caucase.host.progress import counting_seconds
from caucase.host.units import listening_ports
from caucase.jobs.check import Finding, Verdict, check


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--check",
        action="store_true",
        help="look at configuration, files, database and sockets, and say a line of each; changes nothing, and fails "
        "if something is wrong",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    findings = []
    colours = has_colours(sys.stdout)
    for finding in _awaited(check(config, options.config, clock=clock.now, listening=listening_ports)):
        findings.append(finding)
        if not options.json:  # as they come: some take a while
            print(_line(finding, colours=colours), flush=True)
    is_wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if options.json:
        print(json.dumps({"ok": not is_wrong, "findings": list(map(_document, findings))}, indent=2))
    return EX_ERROR if is_wrong else EX_OK


def _awaited(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Never counts seconds on a line on which something else is printed."""
    finding: Finding | None
    while True:
        with counting_seconds("Looking"):
            finding = next(findings, None)
        if finding is None:
            return
        yield finding


def _document(finding: Finding) -> dict[str, str]:
    return {"verdict": finding.verdict.name.lower(), "what": finding.what}


def _line(finding: Finding, *, colours: bool) -> str:
    line = escape(str(finding))
    return paint(line, _COLOURS.get(finding.verdict)) if colours else line


_COLOURS = {Verdict.WRONG: Colour.RED, Verdict.NOTE: Colour.YELLOW}

ACTION = Action(key="check", add=_add, run=_run, extras=JSON)
