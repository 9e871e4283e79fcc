"""``--refresh``: what a timer starts, so that nothing lapses."""

from __future__ import annotations

import argparse

from caucase.authority import AuditEvent
from caucase.cli.common import EX_OK
from caucase.cli.manage.action import Action
from caucase.config.schema import ServerConfig
from caucase.host.events import Audit
from caucase.host.progress import counting_seconds
from caucase.jobs.refresh import Outcome, refresh

_NAMES = (
    (AuditEvent.CA_CREATED, "CA certificate"),
    (AuditEvent.HTTPS_CERTIFICATE_ISSUED, "HTTPS certificate"),
    (AuditEvent.CRL_PUBLISHED, "revocation list"),
)


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--refresh",
        action="store_true",
        help="make what is due, beside a running server: CA successors, the server's HTTPS certificate, "
        "revocation lists; forget what is over",
    )


def _run(_options: argparse.Namespace, config: ServerConfig) -> int:
    # A server that nobody has configured yet is no failure of the timer: it says so itself, to who asks.
    with counting_seconds("Making what is due"):
        outcome = refresh(config, Audit())
    print(_sentence(outcome))
    return EX_OK


def _sentence(outcome: Outcome) -> str:
    if outcome.waits_for:
        return f"Nothing to look after yet: {outcome.waits_for}."
    made = [_count(outcome.made[event], name) for event, name in _NAMES if outcome.made[event]]
    return f"Made: {', '.join(made)}." if made else "Nothing was due."


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


ACTION = Action(key="refresh", add=_add, run=_run)
