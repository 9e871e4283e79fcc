"""caucase: requests, fetches, renews and revokes certificates; for users, signs and rejects.

The order of what one call does is fixed: trust first, then what everybody can do, then what users can do,
then the revocation lists (which so include what was just revoked), then the on-renew command.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack

from caucase import clock
from caucase.cli.caucase_actions import Session
from caucase.cli.caucase_options import PROGRAM, needs_user, parse, parser
from caucase.cli.common import run
from caucase.client import Mode
from caucase.errors import CaucaseError

# The parser as in the module of every command: completion and the manual's test look for it there.
__all__ = ["main", "parser"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _execute(parse(argv)))


def _execute(options: Namespace) -> int:
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


def _act(session: Session, options: Namespace) -> None:
    """What everybody can do, in the order of caucase 0.9."""
    for path in options.send_csr:
        session.attempt(session.send_csr, path)
    for csr_id, path in options.get_csr:
        session.attempt(session.get_csr, csr_id, path)
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
