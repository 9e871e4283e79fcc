"""Looks at an authority, and writes nothing: what there is, what is next, for whom.

It serves a running authority's own ``status`` as well as a command that must leave the database alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from caucase.authority.audit import AuditEvent
from caucase.authority.holders import holders
from caucase.authority.https import CredentialFile, HttpsIdentity
from caucase.authority.keyring import Keyring
from caucase.authority.lists import REFRESH_AHEAD
from caucase.authority.policy import CRL_PERIODS, ContextName, Policy
from caucase.authority.status import ContextStatus, ListStatus, Status, UserStatus
from caucase.clock import Clock
from caucase.core.netloc import NetLoc
from caucase.core.spki import key_id
from caucase.core.x509 import Serial, not_after, not_before
from caucase.errors import ConfigError, StoreError
from caucase.store import Database, Transaction, requests, revocations, settings
from caucase.store.revocations import PublishedList
from caucase.store.schema import from_seconds


def netloc_of(database: Database) -> NetLoc:
    """The netloc that the authority in this database was made for; StoreError if there is none yet."""
    with database.read() as transaction:
        netloc = settings.setting(transaction, settings.NETLOC)
    if netloc is None:
        raise StoreError(f"There is no authority in {database.path} yet.", "Start the server first.")
    return NetLoc.parse(netloc)


def check_netloc(first: str, netloc: str) -> None:
    """ConfigError unless the authority is still told the netloc it was made for."""
    if first != netloc:
        raise ConfigError(
            f"This CA was made for netloc {first}, and is now told {netloc}: the address is in its certificates.",
            f"Set netloc back to {first}, or start a new CA with an empty database.",
        )


def inspect(database: Database, policy: Policy, *, https_file: CredentialFile, clock: Clock) -> Status:
    """The status of the authority in a database that may be read-only; ConfigError for another netloc's."""
    check_netloc(str(netloc_of(database)), str(policy.netloc))
    keyrings = {
        name: Keyring(name, database, policy, clock=clock, audit=_nothing_happens) for name in ContextName
    }
    https = HttpsIdentity(
        keyrings[ContextName.HTTPS],
        keyrings[ContextName.CAS],
        policy,
        file=https_file,
        clock=clock,
        audit=_nothing_happens,
    )
    return status(database, keyrings, https, netloc=str(policy.netloc), now=clock())


def _nothing_happens(event: AuditEvent, **_fields: str | int | None) -> None:
    raise AssertionError(f"Only looking, but: {event}")


def contexts(
    database: Database, keyrings: Mapping[ContextName, Keyring], now: datetime
) -> tuple[ContextStatus, ...]:
    """What each context has at ``now``: however many users and certificates there are, a few rows."""
    with database.read() as transaction:
        return tuple(_context_status(transaction, keyring, now) for keyring in keyrings.values())


def status(
    database: Database,
    keyrings: Mapping[ContextName, Keyring],
    https: HttpsIdentity,
    *,
    netloc: str,
    now: datetime,
) -> Status:
    """What there is at ``now``, in one consistent view of the database."""
    with database.read() as transaction:
        contexts = tuple(_context_status(transaction, keyring, now) for keyring in keyrings.values())
        users = _users(transaction, now)
    due, end = https.dates() or (None, None)
    return Status(netloc=netloc, now=now, contexts=contexts, https_not_after=end, https_due=due, users=users)


def _context_status(transaction: Transaction, keyring: Keyring, now: datetime) -> ContextStatus:
    name = keyring.name
    cas, successor_due = keyring.status(transaction, now)
    valid = {ca.key_id for ca in keyring.snapshot(transaction).valid(now)}
    lists = [row for row in revocations.select_lists(transaction, name) if row.issuer in valid]
    return ContextStatus(
        name=name,
        cas=cas,
        successor_due=successor_due,
        lists=tuple(_list_status(row, CRL_PERIODS * keyring.period) for row in lists),
        pending=None if name is ContextName.HTTPS else requests.count_pending(transaction, name),
    )


def _list_status(row: PublishedList, life: timedelta) -> ListStatus:
    this_update = from_seconds(row.this_update)
    return ListStatus(
        issuer=row.issuer,
        number=row.number,
        this_update=this_update,
        next_update=from_seconds(row.next_update),
        refresh_due=this_update + REFRESH_AHEAD * life,
    )


def _users(transaction: Transaction, now: datetime) -> tuple[UserStatus, ...]:
    users = [
        UserStatus(
            subject=holder.subject,
            serial=Serial(holder.certificate.serial_number),
            key_id=key_id(holder.key),
            not_before=not_before(holder.certificate),
            not_after=not_after(holder.certificate),
        )
        for holder in holders(transaction, now)[0]
    ]
    return tuple(sorted(users, key=lambda user: (user.subject, user.not_after)))
