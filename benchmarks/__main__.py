"""Runs all benchmarks, or those that are named, one after the other; the exit status is 1 if a target was missed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from benchmarks import (
    backup,
    cores,
    costs,
    growth,
    history,
    lists,
    pruning,
    report,
    start,
    throughput,
    updater,
)

QUESTIONS: dict[str, Callable[[Sequence[str]], int]] = {
    module.NAME: module.main
    for module in (start, updater, throughput, cores, costs, history, lists, growth, pruning, backup)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask every question, whatever the answers before."""
    parser = report.parser(__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"these alone, of {', '.join(QUESTIONS)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.name) - set(QUESTIONS):
        parser.error(f"there is no {', '.join(sorted(unknown))}, only {', '.join(QUESTIONS)}")
    passed_on = [flag for flag in ("--quick", "--write") if getattr(options, flag[2:])]
    missed = []
    for name in options.name or QUESTIONS:
        began = time.monotonic()
        print(f"\n## {name}\n", flush=True)
        if QUESTIONS[name](passed_on) != 0:
            missed.append(name)
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    print(f"\nMissed targets: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
