"""Decides what is due. Pure: what is here, what is wanted and ``now`` go in, and nothing is read or asked.

A pass goes to the network only for a reason, and not again and again for the same one when the server has
nothing newer.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from caucase.client.updater.look import Here, ListDates, RequestState
from caucase.config.updater import UpdaterConfig
from caucase.core.x509 import not_after, not_before

# CA certificates and lists are compared with the server's at least so often: a revocation is known within a day.
CHECK_INTERVAL = timedelta(days=1)
# The soonest that something is looked for again which the server did not have.
LOOK_AGAIN = timedelta(minutes=15)
# A certificate is not due in the first third of its life, nor a list in the first half of it, whatever the
# threshold says: else one that lives shorter than the threshold would be due as soon as it is there.
_CERTIFICATE_SHARE = 2 / 3
_LIST_SHARE = 1 / 2
# The margin of what fails the unit, as a share of the threshold: half of the time for renewing has passed in vain.
_MARGIN_SHARE = 1 / 2

THE_CERTIFICATE = "the certificate"


class Task(enum.Enum):
    """What a pass may have to ask the server for. With any of them CA certificates and lists are fetched, too."""

    CHECK = "CA certificates and revocation lists"
    RENEW = "renewal"
    ASK = "request"
    FETCH = "certificate"


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """``what`` ends at ``end``; less than ``margin`` before that something is wrong."""

    what: str
    end: datetime
    due: datetime
    margin: timedelta

    def is_near(self, now: datetime) -> bool:
        return self.end - now <= self.margin


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``tasks``: what to do now, in this order. ``if_renewal_fails``: of these, what is left to do only if the server
    finds, too, that the certificate has expired. ``next_due``: when something is due again if nothing changes.
    ``deadlines``: what is here and ends.
    """

    tasks: tuple[Task, ...]
    if_renewal_fails: tuple[Task, ...]
    next_due: datetime
    deadlines: tuple[Deadline, ...]


def plan(here: Here, config: UpdaterConfig, now: datetime) -> Plan:
    """What is due at ``now``."""
    tasks = list(_certificate_tasks(here, config, now))
    check_due = _check_due(here, config, now)
    if check_due <= now:
        tasks.insert(0, Task.CHECK)
    deadlines = tuple(_deadlines(here, config))
    dues = [check_due, *(one.due for one in deadlines if one.due > now)]
    is_last_try = Task.RENEW in tasks and Task.ASK in tasks and not here.has_changed
    return Plan(
        tasks=tuple(tasks),
        if_renewal_fails=(Task.ASK,) if is_last_try else (),
        next_due=max(now, min(dues)),
        deadlines=deadlines,
    )


def renewal_due(certificate: x509.Certificate, threshold: timedelta) -> datetime:
    """When a certificate is renewed."""
    life = not_after(certificate) - not_before(certificate)
    return not_after(certificate) - min(threshold, life * _CERTIFICATE_SHARE)


def _certificate_tasks(here: Here, config: UpdaterConfig, now: datetime) -> Iterator[Task]:
    """The table of a holder's life: what it has, down; how far asking for another has come, across.

                    NONE            MADE        SENT
    nothing         ASK             ASK         FETCH
    good            -               -           -
    due             RENEW           RENEW       RENEW
    expired         RENEW, ASK      ASK         FETCH
    changed         (RENEW) ASK     (RENEW) ASK (RENEW) FETCH       (RENEW) as for good or due
    revoked         -               -           -                   a person has decided so
    """
    if config.crt is None or here.is_revoked:
        return
    certificate = here.certificate
    asking = Task.FETCH if here.request is RequestState.SENT else Task.ASK
    if certificate is None:
        yield asking
        return
    has_expired = now.replace(microsecond=0) > not_after(certificate)
    is_due = now >= renewal_due(certificate, config.threshold)
    # Also when it has expired: the clock that says so may be wrong, and the server knows.
    if is_due and not (has_expired and here.request is not RequestState.NONE):
        yield Task.RENEW
    if has_expired or here.has_changed:
        yield asking


def _check_due(here: Here, config: UpdaterConfig, now: datetime) -> datetime:
    """When CA certificates and lists are compared with the server's next; ``now`` or before for at once."""
    checked = here.memory.checked_at
    if checked is None or checked > now or not here.cas:  # never, or by a clock that was put back
        return now
    due = checked + CHECK_INTERVAL
    if here.without_list:
        due = checked + LOOK_AGAIN
    for dates in here.lists:
        wanted = _list_due(dates, config.crl_threshold)
        if wanted <= checked:
            # It was due then, and there was no newer one: ever more often towards its end.
            wanted = checked + max(LOOK_AGAIN, (dates.next_update - checked) / 4)
        due = min(due, wanted)
    return due


def _list_due(dates: ListDates, threshold: timedelta) -> datetime:
    return dates.next_update - min(threshold, (dates.next_update - dates.this_update) * _LIST_SHARE)


def _deadlines(here: Here, config: UpdaterConfig) -> Iterator[Deadline]:
    if here.certificate is not None:
        end, due = not_after(here.certificate), renewal_due(here.certificate, config.threshold)
        yield _deadline(THE_CERTIFICATE, end, due)
    for dates in here.lists:
        name = f"the revocation list of CA {dates.issuer.hex()}"
        yield _deadline(name, dates.next_update, _list_due(dates, config.crl_threshold))
    if here.cas:
        end = max(not_after(ca) for ca in here.cas)
        yield _deadline("the newest CA certificate", end, end - config.threshold)


def _deadline(what: str, end: datetime, due: datetime) -> Deadline:
    return Deadline(what=what, end=end, due=due, margin=(end - due) * _MARGIN_SHARE)
