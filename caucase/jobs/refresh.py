"""Makes in one pass what is due: CA successors, the HTTPS certificate, revocation lists; forgets what is over,
and tells how far the record reaches.

A timer starts it beside a running server, which serves what was made from its next use on. It never makes
what comes first, the CAs of a new authority: that is the server's, once somebody has said what it is called.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from caucase.appliance import Appliance
from caucase.authority import AuditEvent, AuditSink
from caucase.config.schema import ServerConfig


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``made``: how many things of each kind. ``waits_for``: why there was nothing to look after yet, or empty."""

    made: Counter[AuditEvent] = field(default_factory=Counter)
    waits_for: str = ""


def refresh(config: ServerConfig, audit: AuditSink) -> Outcome:
    """One pass. Each thing made is told to ``audit``. ConfigError, StoreError; OSError for the key file."""
    if config.netloc is None:
        return Outcome(waits_for="netloc is not set")
    if not config.db.exists():
        return Outcome(waits_for=f"there is no database {config.db}")
    outcome = Outcome()

    def counted(event: AuditEvent, **fields: str | int | None) -> None:
        outcome.made[event] += 1
        audit(event, **fields)

    with Appliance(counted) as appliance:
        authority = appliance.configure(config)
        authority.prune()
        authority.report_record()
    return outcome
