"""What the options of the command ``caucase`` do, one function each, and how their failures add up.

A failure of one action is told and does not keep the others from being done; a server that cannot be reached
does.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import ParamSpec

from cryptography import x509

from caucase.cli import csr, issued
from caucase.cli.caucase_options import PROGRAM
from caucase.cli.common import EX_OK, complain, run_hook
from caucase.client import (
    CA_ENDING,
    CRL_ENDING,
    Client,
    IssuedCertificate,
    Mode,
    PemFiles,
    check_issued,
    fetch_trusted,
    is_due,
    load_pair,
    read_certificate,
    read_request,
    renew_in_place,
    save_certificate,
    save_request,
    successor_key,
    update_lists,
    write_trusted,
)
from caucase.client.listing import expiring
from caucase.client.pending import Pending
from caucase.core.profile import is_auto_signed
from caucase.core.x509 import Serial, not_after, public_key
from caucase.errors import EX_ERROR, CaucaseError, Exposed, StillPending, Unreachable
from caucase.host.secrecy import check_key

_Arguments = ParamSpec("_Arguments")


class Session:
    """One call of the command: the clients, what is trusted, what was renewed, and the exit code so far."""

    def __init__(self, options: Namespace, now: datetime, stack: ExitStack) -> None:
        self._options = options
        self._now = now
        self._stack = stack
        self._mode = Mode(options.mode)
        if options.folder is not None:
            # Whoever can write there chooses the CAs that are trusted.
            options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clients = {mode: stack.enter_context(Client(options.ca_url, mode=mode)) for mode in Mode}
        self._client = self._clients[self._mode]
        self._user = self._client  # anonymous, until ``authenticate``
        self._trusted: dict[Mode, list[x509.Certificate]] = {}
        # Where everything else is that a call keeps current.
        folder = options.ca_crt.absolute().parent
        self._pending = Pending(folder=folder, name=f".{options.ca_crt.name}.on-renew")
        self.exit_code = EX_OK

    def attempt(
        self, action: Callable[_Arguments, None], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> None:
        """Do something whose failure is told and counted; Unreachable ends it all."""
        subject = next((str(argument) for argument in args if isinstance(argument, str | Path | int)), "")
        try:
            action(*args, **kwargs)
        except Unreachable:
            raise
        except StillPending as error:
            self.exit_code = self.exit_code or error.exit_code
        except (CaucaseError, OSError) as error:
            self.report(error, subject)

    def report(self, error: CaucaseError | OSError, subject: str = "") -> None:
        """Tell a failure and count it: it outweighs pending. ``subject``: file, id or serial."""
        complain(PROGRAM if not subject or subject in str(error) else f"{PROGRAM}: {subject}", error)
        self.exit_code = EX_ERROR

    # The files of the authorities.

    def update_authorities(self) -> None:
        """Learn what to trust; a refusal for either authority leaves the files of both as they were."""
        files = {Mode.SERVICE: PemFiles(path=self._options.ca_crt, ending=CA_ENDING)}
        if self._options.update_user or self._mode is Mode.USER:
            files[Mode.USER] = PemFiles(path=self._options.user_ca_crt, ending=CA_ENDING)
        trusted = {mode: fetch_trusted(self._clients[mode], path, self._now) for mode, path in files.items()}
        for mode, path in files.items():
            self._note(write_trusted(path, trusted[mode]))
        self._trusted = trusted

    def update_lists(self, mode: Mode) -> None:
        path = self._options.crl if mode is Mode.SERVICE else self._options.user_crl
        files = PemFiles(path=path, ending=CRL_ENDING)
        self._note(update_lists(self._clients[mode], files, self._trusted[mode]))

    # For everybody.

    def send_csr(self, path: Path) -> None:
        print(self._client.put_csr(read_request(path)), path)

    def get_csr(self, csr_id: str, path: Path) -> None:
        save_request(path, self._client.get_csr(csr_id))

    def show_csr(self, csr_ids: Sequence[str]) -> None:
        """All that they say, of those that are there."""
        shown: list[csr.ShownRequest] = []

        def fetch(csr_id: str) -> None:
            shown.append(csr.ShownRequest.read(csr_id, self._client.get_csr_pem(csr_id), self._mode))

        for csr_id in csr_ids:
            self.attempt(fetch, csr_id)
        if self._options.json:
            csr.show_json(shown, self._mode)
        else:
            csr.show_details(shown, self._mode, stream=sys.stdout)

    def get_crt(self, csr_id: str, path: Path) -> None:
        try:
            certificate = self._client.get_crt(csr_id)
        except StillPending:
            print(csr_id, "CSR still pending")
            raise
        check_issued(certificate, self._trusted[self._mode])
        save_certificate(path, certificate)
        how = "automatically" if is_auto_signed(certificate) else "manually"
        print(f"{csr_id} was (originally) {how} approved")

    def revoke_crt(self, crt_path: Path, key_path: Path) -> None:
        pair = load_pair(crt_path, key_path)
        self._client.revoke(pair.certificate, pair.key)

    def renew_crt(self, crt_path: Path, key_path: Path) -> None:
        pair = load_pair(crt_path, key_path)
        if not is_due(pair.certificate, self._now, self._options.threshold):
            print(crt_path, "did not reach renew threshold, not renewing")
            return
        key = successor_key(public_key(pair.certificate), rsa_bits=self._options.key_len)
        renew_in_place(self._client, pair, key, trusted=self._trusted[self._mode])
        self._note(True)

    # For users.

    def authenticate(self) -> None:
        """Become the user of ``--user-key``; before anything that only users can do."""
        try:
            check_key(self._options.user_key)
        except Exposed as error:
            _warn(str(error))  # not refused: the decision cannot wait, and who could read it has read it
        self._user = self._stack.enter_context(
            self._client.over_https(
                user_key=self._options.user_key,
                trusted=self._trusted[Mode.SERVICE],
                now=self._now,
                require_https_ca=self._options.require_https_ca,
            )
        )
        if not self._user.verified:
            _warn("the server does not publish its HTTPS CA and is not verified.")
        self._remind()

    def _remind(self) -> None:
        """Nobody else tells a user that the own certificate ends; later on only somebody else can make a new one."""
        path = self._options.user_key
        certificate = read_certificate(path)
        end = not_after(certificate)
        if end < self._now:
            _warn(
                f"{path}: this certificate ended on {end:%Y-%m-%d}. "
                "Another user signs a new one, or on the server caucased-manage --sign-user-csr."
            )
        elif is_due(certificate, self._now, self._options.threshold):
            file = shlex.quote(str(path))
            _warn(
                f"{path}: this certificate ends on {end:%Y-%m-%d}. "
                f"Renew it: {PROGRAM} --mode user --renew-crt {file} {file}"
            )

    def sign_csr(self, csr_id: str) -> None:
        self._user.sign(csr_id)

    def sign_csr_with(self, csr_id: str, path: Path) -> None:
        self._user.sign_with(csr_id, read_request(path))

    def reject_csr(self, csr_id: str) -> None:
        self._user.reject(csr_id)

    def revoke_other_crt(self, path: Path) -> None:
        self._user.revoke_as_user(read_certificate(path))

    def revoke_serial(self, serial: Serial) -> None:
        self._user.revoke_serial(serial)

    def list_csr(self) -> None:
        shown = [
            csr.ShownRequest.read(
                request.csr_id,
                request.pem,
                self._mode,
                received_at=request.received_at,
                requested_from=request.requested_from,
            )
            for request in self._user.pending()
        ]
        if self._options.json:
            csr.show_json(shown, self._mode)
        else:
            csr.show_list(shown, self._mode, now=self._now, stream=sys.stdout)

    def list_crt(self) -> None:
        found: Iterable[IssuedCertificate] = self._user.issued(text=self._options.name)
        if self._options.expiring is not None:
            found = expiring(found, now=self._now, until=self._now + self._options.expiring)
        if self._options.json:
            issued.show_json(found)
        else:
            issued.show(found, now=self._now, soon=self._options.threshold, stream=sys.stdout)

    def _note(self, changed: bool) -> None:
        """The on-renew command, if there is one, has to know of a change."""
        if changed and self._options.on_renew is not None:
            self._pending.mark()

    def run_hook(self) -> None:
        """Run the on-renew command if anything was renewed since it last succeeded. HookFailed, OSError."""
        if self._options.on_renew is not None and (tokens := self._pending.tokens()):
            run_hook(self._options.on_renew)
            self._pending.clear(tokens)


def _warn(sentence: str) -> None:
    print(f"{PROGRAM}: warning: {sentence}", file=sys.stderr)
