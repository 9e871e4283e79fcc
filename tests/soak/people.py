"""Everybody outside: what they have and have seen, and what they ask of an authority next.

They outlive it: a server that is restored from a backup has forgotten, and they have not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cryptography import x509
from hypothesis import strategies as st

from caucase.authority import Authority, Principal
from caucase.core import message, profile
from caucase.core.keys import KeyType
from caucase.core.spki import key_id
from caucase.core.x509 import (
    authority_key_id,
    dump_der,
    load_certificate,
    load_crls,
    not_after,
    not_before,
    public_key,
)
from caucase.errors import NotAuthenticated
from tests.authority.world import ADDRESS, number, serials
from tests.server.material import make

from .model import Ca, Cert, Context, Model, Request
from .operation import Operation

KEYS = [KeyType.parse("ec:P-256").generate() for _ in range(4)]
NAMES = 2
CSRS = [[make(f"n{name}", key).csr_pem for name in range(NAMES)] for key in KEYS]
NAME_OF = {f"CN=n{name}": name for name in range(NAMES)}
CONTEXTS = st.sampled_from(["cau", "cas"])
KEY = st.integers(0, len(KEYS) - 1)
NAME = st.integers(0, NAMES - 1)


class People:
    """``held``: certificates that somebody has. ``ids``: of requests, once seen. ``before``: the model as it was when two
    things began at once.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        """``now``: the time in Unix seconds."""
        self.now = now
        self.held: list[Cert] = []
        self.ids: list[tuple[str, int]] = []
        self.before: Model | None = None
        self._serials: set[int] = set()
        self._lists: dict[tuple[Ca, int], bytes] = {}  # by number
        self._numbers = {"cau": 0, "cas": 0}  # the highest

    def draw(self, data: st.DataObject, model: Model) -> Operation:
        """What somebody asks next of the authority that ``model`` describes."""
        possible = [self._submit, self._approve, self._revoke_unknown]
        if self.ids:
            possible += [self._sign, self._reject, self._fetch, self._fetch_request]
        if self.held:
            possible += [self._renew, self._revoke_own, self._revoke_others]
        if model.cas.renewals or model.cau.renewals:
            possible.append(lambda data: self._renew_again(data, model))
        operation: Operation = data.draw(st.sampled_from(possible))(data)
        return operation

    def _submit(self, data: st.DataObject) -> Operation:
        key, which = data.draw(KEY), data.draw(NAME)

        def accept(got: int, wanted: Request) -> None:
            if wanted.id.number is None:
                wanted.id.number = got
                self.ids.append((name, got))
            assert wanted.id.number == got

        name = data.draw(CONTEXTS)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.submit, CSRS[key][which], address=ADDRESS),
            expected=lambda context, _: context.submit(key, which, self.now()),
            agree=lambda got, wanted: wanted.id.number in (None, got),
            accept=accept,
        )

    def _approve(self, data: st.DataObject) -> Operation:
        key, which = data.draw(KEY), data.draw(NAME)
        return Operation(
            name=data.draw(CONTEXTS),
            real=lambda context, _: partial(
                context.requests.approve, CSRS[key][which], by=Principal.local(0)
            ),
            expected=lambda context, _: context.approve(key, which, self.now()),
            agree=self._fits,
            accept=self._learn,
        )

    def _sign(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        user, template = self._draw_user(data), data.draw(st.one_of(st.none(), NAME))
        pem = None if template is None else CSRS[0][template]

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.sign(request_id, template, self.now())

        return Operation(
            name=name,
            real=lambda context, authority: partial(
                context.requests.sign,
                request_id,
                by=_authenticate(authority, user),
                address=ADDRESS,
                template_pem=pem,
            ),
            expected=expected,
        )

    def _reject(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        user = self._draw_user(data)

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.reject(request_id, self.now())

        return Operation(
            name=name,
            real=lambda context, authority: partial(
                context.requests.reject, request_id, by=_authenticate(authority, user), address=ADDRESS
            ),
            expected=expected,
        )

    def _fetch(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.certificate, request_id),
            expected=lambda context, _: context.fetch(request_id, self.now()),
            agree=self._fits,
            accept=self._learn,
        )

    def _fetch_request(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.request, request_id),
            expected=lambda context, _: context.request(request_id, self.now()),
            agree=lambda got, wanted: got == CSRS[wanted.key][wanted.name],
        )

    def _renew(self, data: st.DataObject) -> Operation:
        return self._renewal(data.draw(st.sampled_from(self.held)), data.draw(KEY), data.draw(NAME))

    def _renew_again(self, data: st.DataObject, model: Model) -> Operation:
        asked = [*model.cas.renewals, *model.cau.renewals]
        old, csr = data.draw(st.sampled_from(asked))
        return self._renewal(old, *divmod(csr, NAMES))

    def _renewal(self, old: Cert, key: int, which: int) -> Operation:
        payload = {"crt_pem": old.pem.decode(), "renew_csr_pem": CSRS[key][which].decode()}
        signed = message.sign(payload, KEYS[old.key])
        return Operation(
            name=old.context,
            real=lambda context, _: partial(context.renewals.renew, signed, address=ADDRESS),
            expected=lambda context, _: context.renew(old, key * NAMES + which, key, self.now()),
            agree=self._fits,
            accept=self._learn,
        )

    def _revoke_own(self, data: st.DataObject) -> Operation:
        cert = data.draw(st.sampled_from(self.held))
        signed = message.sign({"revoke_crt_pem": cert.pem.decode()}, KEYS[cert.key])
        return Operation(
            name=cert.context,
            real=lambda context, _: partial(context.revocations.revoke, signed, by=None, address=ADDRESS),
            expected=lambda context, _: context.revoke(cert, self.now()),
        )

    def _revoke_others(self, data: st.DataObject) -> Operation:
        cert, user = data.draw(st.sampled_from(self.held)), self._draw_user(data)
        serial, by_serial = cert.serial, data.draw(st.booleans())
        assert serial is not None
        named = {"revoke_serial": serial} if by_serial else {"revoke_crt_pem": cert.pem.decode()}

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            if by_serial:
                context.revoke_serial(serial, self.now())
            else:
                context.revoke(cert, self.now())

        return Operation(
            name=cert.context,
            real=lambda context, authority: partial(
                context.revocations.revoke,
                message.null(named),
                by=_authenticate(authority, user),
                address=ADDRESS,
            ),
            expected=expected,
        )

    def _revoke_unknown(self, data: st.DataObject) -> Operation:
        serial = data.draw(st.integers(1, 3))
        signed = message.null({"revoke_serial": serial})
        return Operation(
            name=data.draw(CONTEXTS),
            real=lambda context, _: partial(
                context.revocations.revoke, signed, by=Principal.local(0), address=ADDRESS
            ),
            expected=lambda context, _: context.revoke_serial(serial, self.now()),
        )

    def fetch_lists(self, name: str, fault: tuple[str, int] | None) -> Operation:
        """The model does not know which number was used, if a write failed on the way to it."""

        def expected(context: Context, _: Model) -> Context:
            context.make_lists(self.now())
            return context

        def agree(got: bytes, context: Context) -> bool:
            lists, valid = load_crls(got), context.valid(self.now())
            numbers = {number(crl) for crl in lists}
            return (
                (numbers == {context.number} or context.is_unsure or fault is not None)
                and min(numbers) >= self._numbers[name]
                and [authority_key_id(crl) for crl in lists] == [ca.key_id for ca in valid]
                and [serials(crl) for crl in lists] == [context.lists[ca][1] for ca in valid]
            )

        def accept(got: bytes, context: Context) -> None:
            for crl, ca in zip(load_crls(got), context.valid(self.now()), strict=True):
                der = self._lists.setdefault((ca, number(crl)), dump_der(crl))
                assert der == dump_der(crl), "a number for two lists"
                context.number = self._numbers[name] = max(self._numbers[name], number(crl))
            context.is_unsure = fault is not None

        return Operation(
            name=name,
            real=lambda context, _: partial(lambda: context.lists.newest().all.body),
            expected=expected,
            agree=agree,
            accept=accept,
        )

    # What they learn

    def _fits(self, pem: bytes, cert: Cert) -> bool:
        """Whether it is the certificate that there should be."""
        if cert.serial is not None:
            return pem == cert.pem
        made = load_certificate(pem)
        return (
            made.serial_number not in self._serials
            and authority_key_id(made) == cert.ca.key_id
            and key_id(public_key(made)) == key_id(KEYS[cert.key].public_key())
            and NAME_OF[made.subject.rfc4514_string()] == cert.name
            and int(not_before(made).timestamp()) == cert.start
            and int(not_after(made).timestamp()) == cert.end
            and profile.is_auto_signed(made) == cert.automatic
        )

    def _learn(self, pem: bytes, cert: Cert) -> None:
        """From now on its serial is known, and somebody has it."""
        if cert.serial is None:
            cert.serial, cert.pem = load_certificate(pem).serial_number, pem
            self._serials.add(cert.serial)
            self.held.append(cert)
        assert cert.pem == pem

    # Chances

    def _draw_id(self, data: st.DataObject) -> tuple[str, int]:
        drawn: tuple[str, int] = data.draw(st.sampled_from(self.ids[-8:]))
        return drawn

    def _draw_user(self, data: st.DataObject) -> Cert | None:
        """``None``: somebody on the server itself."""
        users: Sequence[Cert] = [cert for cert in self.held if cert.context == "cau"]
        drawn: Cert | None = data.draw(st.sampled_from([None, None, *users[-4:]]))
        return drawn

    def _check_user(self, model: Model, user: Cert | None) -> None:
        """Who somebody is was decided when the request came, ``before`` what others do meanwhile."""
        model = self.before or model
        if user is not None and not model.cau.is_good(user, self.now()):
            raise NotAuthenticated("")


def _authenticate(authority: Authority, user: Cert | None) -> Principal:
    if user is None:
        return Principal.local(0)
    return authority.authenticate(dump_der(x509.load_pem_x509_certificate(user.pem)), address=ADDRESS)
