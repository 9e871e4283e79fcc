"""Carries out a plan: asks the server, decides by what is trusted here, and only then replaces files.

Each file is replaced at once, and what is needed for the next step is on disk before the server hears of it, so
a pass may end anywhere and the next one goes on from there. ``changing`` is told before and after each change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509

from caucase.client.api import Client, Mode
from caucase.client.authorities import check_issued, fetch_lists, fetch_trusted, trusted_items
from caucase.client.keyfiles import KeyPair, put_first_pair, replace_pair, save_certificate
from caucase.client.pemfiles import PemFiles
from caucase.client.renewal import check_key, renewed
from caucase.client.updater import request as requests
from caucase.client.updater.layout import Layout
from caucase.client.updater.look import own_certificate, own_pair
from caucase.client.updater.memory import Memory, SentRequest, read_memory, write_memory
from caucase.client.updater.plan import Plan, Task
from caucase.client.updater.request import KeyRequest
from caucase.config.updater import UpdaterConfig
from caucase.core.x509 import not_after
from caucase.errors import NotFound, ServerRefused, StillPending

# A server keeps a signed service certificate for a day. After that a request it does not know may well have been
# signed while this machine was off; before, it was rejected.
ASK_AGAIN = timedelta(days=1)
_BAD_REQUEST = 400

Changing = Callable[[], AbstractContextManager[None]]


def carry_out(
    plan: Plan,
    config: UpdaterConfig,
    clients: Mapping[Mode, Client],
    *,
    now: datetime,
    changing: Changing,
    done: list[str],
) -> None:
    """Do what is planned, and note it in ``done``, a sentence each.

    CaucaseError or OSError at the first thing that fails; what was done before stays. A refusal that concerns the
    certificate alone comes after everything else has been brought up to date.
    """
    work = _Pass(config, clients, now, changing, done)
    work.tidy()
    work.update_trusted()
    try:
        left = set(plan.tasks)
        if Task.RENEW in left and work.renew(may_have_expired=bool(plan.if_renewal_fails)):
            left -= set(plan.if_renewal_fails)
        if Task.ASK in left:
            work.ask()
        if Task.FETCH in left:
            work.fetch()
    except (ServerRefused, NotFound):
        work.update_lists()
        raise
    work.update_lists()


class _Pass:
    """One pass on its way."""

    def __init__(
        self,
        config: UpdaterConfig,
        clients: Mapping[Mode, Client],
        now: datetime,
        changing: Changing,
        done: list[str],
    ) -> None:
        self._done = done
        self._config = config
        self._layout = Layout.of(config)
        self._clients = clients
        self._client = clients[Mode(config.mode)]
        self._now = now
        self._changing = changing
        self._trusted: list[x509.Certificate] = []

    def tidy(self) -> None:
        """Remove a key and request that are of no use any more."""
        if requests.waiting(self._config, self._layout, own_certificate(self._config)) is None:
            requests.discard(self._layout)

    def update_trusted(self) -> None:
        """Learn what to trust; a refusal for one file of CA certificates leaves all of them as they were."""
        trusted = {
            files: fetch_trusted(self._clients[mode], files, self._now) for mode, files in self._layout.cas
        }
        for files, certificates in trusted.items():
            if self._replace(files, trusted_items(certificates)):
                self._done.append(f"{files.path}: CA certificates are new.")
        self._trusted = trusted[self._layout.own_ca]

    def update_lists(self) -> None:
        """Fetch the revocation lists; everything is current then."""
        files = self._layout.lists
        if self._replace(files, fetch_lists(self._client, files, self._trusted)):
            self._done.append(f"{files.path}: revocation lists are new.")
        self._remember(checked_at=self._now)

    def renew(self, *, may_have_expired: bool) -> bool:
        """Replace the pair by a renewed one; False if the server says, too, that it has expired."""
        pair = own_pair(self._config)
        assert pair is not None  # or it would not have been due
        key = requests.new_key(self._config, pair.certificate)
        try:
            certificate = renewed(self._client, pair, key, trusted=self._trusted)
        except ServerRefused as error:
            if may_have_expired and error.status == _BAD_REQUEST:
                return False
            raise
        with self._changing():
            replace_pair(pair, certificate, key)
        self._say_new("renewed", certificate)
        return True

    def ask(self) -> None:
        """Send a request, made first if there is none, and see whether it was signed at once."""
        config, certificate = self._config, own_certificate(self._config)
        request = requests.waiting(config, self._layout, certificate)
        if request is None:
            request = requests.make(config, self._layout, certificate)
        self._send(request)
        self.fetch()

    def fetch(self) -> None:
        """Take the certificate, if the request has been signed. NotFound if it was rejected."""
        pair, sent = own_pair(self._config), read_memory(self._layout.memory).request
        request = requests.waiting(self._config, self._layout, None if pair is None else pair.certificate)
        assert request is not None  # or the plan would have been to ask
        assert sent is not None
        try:
            certificate = self._client.get_crt(sent.csr_id)
        except StillPending:
            return
        except NotFound:
            # Sent by a clock that was put back since: nobody knows when that was.
            if timedelta(0) <= self._now - sent.sent_at < ASK_AGAIN:
                raise NotFound(
                    f"The server does not know request {sent.csr_id} any more: a user has rejected it, "
                    "or the server was restored from a backup.",
                    "Change what is asked for, or wait a day, after which it is asked for again; "
                    f"at once without {self._layout.memory}.",
                ) from None
            self._send(request)
            return
        check_issued(certificate, self._trusted)
        check_key(certificate, request.key)
        with self._changing():
            self._take(certificate, request, pair)
        self._remember(request=None, asked=requests.asked_digest(self._config.asked))
        requests.discard(self._layout)
        self._say_new("issued", certificate)

    def _send(self, request: KeyRequest) -> None:
        """Hand the request in and remember its id."""
        csr_id = self._client.put_csr(request.csr)
        sent = SentRequest(csr_id=csr_id, sent_at=self._now, digest=request.digest)
        self._remember(request=sent)
        self._done.append(f"A certificate was asked for; the request's id is {csr_id}.")

    def _take(self, certificate: x509.Certificate, request: KeyRequest, pair: KeyPair | None) -> None:
        """Put the certificate, and the key if that was made here, where they belong."""
        config = self._config
        assert config.crt is not None
        assert config.key is not None
        if pair is not None:
            replace_pair(pair, certificate, request.key)
        elif request.is_given:
            save_certificate(config.crt, certificate)
        else:
            put_first_pair(config.crt, config.key, certificate, request.key)

    def _replace(self, files: PemFiles, items: Mapping[str, bytes]) -> bool:
        if files.holds(items):
            return False
        with self._changing():
            files.replace(items)
        return True

    def _remember(self, **changes: object) -> None:
        path = self._layout.memory
        memory: Memory = replace(read_memory(path), **changes)  # type: ignore[arg-type]  # fields of Memory
        write_memory(path, memory)

    def _say_new(self, what: str, certificate: x509.Certificate) -> None:
        path, end = self._config.crt, not_after(certificate)
        self._done.append(f"{path}: the certificate was {what}; it ends on {end:%Y-%m-%d %H:%M} UTC.")
