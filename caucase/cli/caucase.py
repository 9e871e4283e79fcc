"""caucase: requests, fetches, renews and revokes certificates; for users, signs and rejects.

The order of what one call does is fixed: trust first, then what everybody can do, then what users can do,
then the revocation lists (which so include what was just revoked), then the on-renew command.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime

from caucase import clock
from caucase.cli.caucase_actions import Session
from caucase.cli.caucase_options import PROGRAM, needs_user, parse
from caucase.cli.client_status import AuthorityFiles, ClientStatus, HeldCertificate, show
from caucase.cli.common import EX_OK, run
from caucase.client import CA_ENDING, CRL_ENDING, Mode, PemFiles, read_certificate, read_trusted
from caucase.client.authorities import read_lists
from caucase.core.trust import valid_only
from caucase.core.x509 import not_after
from caucase.errors import CaucaseError


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _execute(parse(argv)))


def _execute(options: Namespace) -> int:
    if options.status:
        show(_status(options, clock.now()), as_json=options.json)
        return EX_OK
    with ExitStack() as stack:
        session = Session(options, clock.now(), stack)
        try:
            session.update_authorities()
            _act(session, options)
            if needs_user(options):
                session.attempt(_act_as_user, session, options)
            session.attempt(session.update_lists, Mode.SERVICE)
            if options.update_user:
                session.attempt(session.update_lists, Mode.USER)
        except (CaucaseError, OSError) as error:
            session.report(error)
        # Also after a failure: a service must never go on with a certificate that was renewed without its
        # knowing.
        session.run_hook()
        return session.exit_code


def _status(options: Namespace, now: datetime) -> ClientStatus:
    authorities = [
        AuthorityFiles(
            name=mode.context.upper(),
            cas=valid_only(read_trusted(PemFiles(path=ca, ending=CA_ENDING)), now),
            lists=read_lists(PemFiles(path=crl, ending=CRL_ENDING)),
        )
        for mode, ca, crl in (
            (Mode.SERVICE, options.ca_crt, options.crl),
            (Mode.USER, options.user_ca_crt, options.user_crl),
        )
    ]
    held = []
    if options.user_key is not None:
        certificate = read_certificate(options.user_key)
        due = not_after(certificate) - options.threshold
        held.append(HeldCertificate(path=options.user_key, certificate=certificate, due=due))
    return ClientStatus(ca_url=options.ca_url, now=now, authorities=authorities, certificates=held)


def _act(session: Session, options: Namespace) -> None:
    """What everybody can do, in the order of caucase 0.9."""
    for path in options.send_csr:
        session.attempt(session.send_csr, path)
    for csr_id, path in options.get_csr:
        session.attempt(session.get_csr, csr_id, path)
    if options.show_csr:
        session.show_csr(options.show_csr)
    for csr_id, path in options.get_crt:
        session.attempt(session.get_crt, csr_id, path)
    for crt_path, key_path in options.revoke_crt:
        session.attempt(session.revoke_crt, crt_path, key_path)
    for crt_path, key_path in options.renew_crt:
        session.attempt(session.renew_crt, crt_path, key_path)


def _act_as_user(session: Session, options: Namespace) -> None:
    """What users can do, in the same order."""
    session.authenticate()
    for csr_id in options.sign_csr:
        session.attempt(session.sign_csr, csr_id)
    for csr_id, path in options.sign_csr_with:
        session.attempt(session.sign_csr_with, csr_id, path)
    for csr_id in options.reject_csr:
        session.attempt(session.reject_csr, csr_id)
    for path in options.revoke_other_crt:
        session.attempt(session.revoke_other_crt, path)
    for serial in options.revoke_serial:
        session.attempt(session.revoke_serial, serial)
    if options.list_csr:
        session.attempt(session.list_csr)
    if options.list_crt:
        session.attempt(session.list_crt)
