"""Whether a database can be relied upon: it is whole, its keys are those of its certificates, its chain holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from caucase.authority.policy import ContextName
from caucase.authority.record import verify
from caucase.core import message
from caucase.core.spki import spki
from caucase.core.x509 import (
    fingerprint,
    load_certificate,
    load_certificate_der,
    load_private_key_der,
    public_key,
    subject_key_id,
)
from caucase.errors import CaucaseError, Malformed
from caucase.store import Database, Transaction, cas, damage, requests, revocations, settings
from caucase.store.cas import CaRow


@dataclass(frozen=True, kw_only=True)
class ContextContent:
    """What is there of one authority. ``list_number``: of the newest revocation list."""

    name: ContextName
    cas: int
    pending: int
    signed: int
    revoked: int
    list_number: int


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is there, and what is wrong, a sentence each."""

    contents: tuple[ContextContent, ...]
    problems: tuple[str, ...]


def examine(database: Database) -> Examination:
    """Read all of the database. StoreError if it cannot be read."""
    with database.read() as transaction:
        problems = [f"The database is damaged: {text}." for text in damage(transaction)]
        for name in ContextName:
            rows = cas.select_all(transaction, name)
            for row in rows:
                problems += _of_key(transaction, name, row)
            for old, new in pairwise(rows):
                problems += _of_link(name, old, new)
            problems += _of_numbers(transaction, name)
        problems += [state.problem for state in verify(transaction) if state.problem]
        contents = tuple(_content(transaction, name) for name in ContextName)
    return Examination(contents=contents, problems=tuple(problems))


def _content(transaction: Transaction, name: ContextName) -> ContextContent:
    return ContextContent(
        name=name,
        cas=len(cas.select_all(transaction, name)),
        pending=requests.count_pending(transaction, name),
        signed=requests.count_signed(transaction, name),
        revoked=revocations.count_revoked(transaction, name),
        list_number=settings.counter(transaction, name, settings.CRL_NUMBER),
    )


def _of_key(transaction: Transaction, name: ContextName, row: CaRow) -> Iterator[str]:
    shown = f"The {name.upper()} CA {row.key_id.hex()}"
    private = cas.private_key(transaction, name, row.key_id)
    try:
        certificate = load_certificate_der(row.certificate)
        if private is None or spki(load_private_key_der(private).public_key()) != spki(
            public_key(certificate)
        ):
            yield f"{shown} has another key than its certificate says."
        if subject_key_id(certificate) != row.key_id:
            yield f"{shown} has a certificate of another name."
    except CaucaseError as error:
        yield f"{shown} cannot be used: {error.message}"


def _of_link(name: ContextName, old: CaRow, new: CaRow) -> Iterator[str]:
    if new.link is None:
        # An imported CA that follows another one, which is how its holder wants it.
        return
    try:
        link = message.parse(new.link.encode("utf-8", "replace"))
        link.check(public_key(load_certificate_der(old.certificate)))
        named = load_certificate(link.text("new_pem").encode("utf-8", "replace"))
        if fingerprint(named) != fingerprint(load_certificate_der(new.certificate)):
            raise Malformed("it names another certificate.")
    except CaucaseError as error:
        yield (
            f"The {name.upper()} CA {old.key_id.hex()} does not vouch for {new.key_id.hex()}: {error.message}"
        )


def _of_numbers(transaction: Transaction, name: ContextName) -> Iterator[str]:
    newest = settings.counter(transaction, name, settings.CRL_NUMBER)
    for dates in revocations.select_lists(transaction, name):
        if dates.number > newest:
            yield f"The {name.upper()} list {dates.number} is newer than the last number, {newest}."
