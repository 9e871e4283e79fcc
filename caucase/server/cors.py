"""Which requests of web pages of other origins are answered, and the cookie that remembers the user's word.

Decisions only: no HTTP here. The secrets never leave the file of ``consent_keys`` and this process.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from caucase.clock import Clock
from caucase.core.netloc import NetLoc
from caucase.server.consent_keys import LIFE, ConsentKeys

# With this prefix browsers take it from this very host over HTTPS alone, not from its neighbours (RFC 6265bis section
# 4.1.3.2).
COOKIE = "__Host-cors"
COOKIE_LIFE = LIFE

# RFC 6265 section 6.1: 4096 bytes with name and attributes.
_COOKIE_LIMIT = 3800
_NULL = "null"


class Access(enum.Enum):
    """What becomes of a request."""

    PLAIN = enum.auto()  # it is answered; no page of another origin is involved
    GRANTED = enum.auto()  # it is answered, and the page may read the answer
    REFUSED = enum.auto()
    ASK = enum.auto()  # the user has to be asked first


class Kind(enum.Enum):
    """What is asked for, as far as it matters here."""

    OPEN = enum.auto()  # descriptions and pre-flights
    API = enum.auto()  # what programs use, with consent also pages of other origins
    PAGE = enum.auto()  # pages for people, of which no page of another origin may know anything
    FORM = enum.auto()  # what a user has filled in on one of our own pages


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Web origins that need no consent. ``http`` and ``https`` are the server's own."""

    http: str
    https: str
    whitelist: frozenset[str]

    @classmethod
    def of(cls, netloc: NetLoc, whitelist: Iterable[str]) -> Origins:
        return cls(
            http=f"http://{netloc.authority}".lower(),
            https=f"https://{netloc.https_authority}".lower(),
            whitelist=frozenset(whitelist),
        )

    def decide(
        self, origin: str | None, kind: Kind, consent: Callable[[], bool | None], *, is_secure: bool
    ) -> Access:
        """``origin``: as the request names it. ``consent``: what the user said of it, ``None`` if nothing.
        ``is_secure``: it came over HTTPS.
        """
        if kind is Kind.FORM:
            # Only our own pages, which only HTTPS serves, may speak for the user.
            return Access.PLAIN if origin == self.https else Access.REFUSED
        if origin is None or (kind is Kind.PAGE and origin == self.https):
            return Access.PLAIN
        if kind is Kind.PAGE:
            return Access.REFUSED
        # Whoever is on the way can put a page into our plain HTTP: over HTTPS, where users are, it is a stranger's.
        own = (self.https,) if is_secure else (self.http, self.https)
        if kind is Kind.OPEN or origin in own or origin in self.whitelist:
            return Access.GRANTED
        if origin == _NULL:
            return Access.REFUSED
        match consent():
            case True:
                return Access.GRANTED
            case False:
                return Access.REFUSED
            case _:
                return Access.ASK


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What one user has answered, by origin, and ``until`` when that holds. ``tokens``: all that is genuine in the
    cookie, of other users too. ``is_stale``: some of the cookie is of no use.
    """

    answers: Mapping[str, bool] = field(default_factory=dict)
    until: Mapping[str, datetime] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    is_stale: bool = False

    def dump(self) -> str:
        """The cookie's value, without the oldest answers if there are too many; empty when there is none."""
        tokens = dict(self.tokens)
        while len(value := quote(json.dumps(tokens, separators=(",", ":")), safe="")) > _COOKIE_LIMIT:
            del tokens[next(iter(tokens))]
        return value if tokens else ""


class Consents:
    """Reads and makes consent cookies: maps of origin to signed token ``{allowed, origin, user}``. Thread-safe.

    ``user``: a text that is the user's own, ``None`` for nobody. Whoever can reach the server can be given such a
    cookie, and may be able to put it into another's browser: it must mean nothing there.
    """

    def __init__(self, keys: ConsentKeys, *, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def read(self, cookie: str | None, user: str | None) -> Consent:
        """What of the cookie is genuine and not too old. StoreError if the secrets cannot be read."""
        if not cookie:
            return Consent()
        try:
            stored = json.loads(unquote(cookie, errors="strict"))
        except (ValueError, RecursionError):
            stored = None
        if not isinstance(stored, dict):
            return Consent(is_stale=True)
        serializer = self._serializer(self._keys.valid())
        said = {origin: _said(serializer, origin, token) for origin, token in stored.items()}
        genuine = {origin: answer for origin, answer in said.items() if answer is not None}
        own = {origin: answer for origin, answer in genuine.items() if answer.user == _digest(user)}
        return Consent(
            answers={origin: answer.is_allowed for origin, answer in own.items()},
            until={origin: answer.given + COOKIE_LIFE for origin, answer in own.items()},
            tokens={origin: stored[origin] for origin in genuine},
            is_stale=len(genuine) < len(stored),
        )

    def remember(self, cookie: str | None, origin: str, *, user: str | None, allowed: bool) -> str:
        """The cookie with the user's answer for ``origin`` added. It may block. StoreError likewise."""
        answer = {"allowed": allowed, "origin": origin, "user": _digest(user)}
        token = self._serializer(self._keys.signing()).dumps(answer)
        text = token if isinstance(token, str) else token.decode("ascii")
        return Consent(tokens={**self._others(cookie, origin), origin: text}).dump()

    def forget(self, cookie: str | None, origin: str) -> str:
        """The cookie without what was answered for ``origin``. StoreError likewise."""
        return Consent(tokens=self._others(cookie, origin)).dump()

    def _others(self, cookie: str | None, origin: str) -> dict[str, str]:
        return {name: token for name, token in self.read(cookie, None).tokens.items() if name != origin}

    def _serializer(self, secrets: list[bytes]) -> URLSafeTimedSerializer:
        """The last secret signs, all of them verify."""
        return URLSafeTimedSerializer(
            secrets,
            salt="caucase.cors",
            signer=_Signer,
            signer_kwargs={"clock": self._clock, "key_derivation": "hmac", "digest_method": hashlib.sha256},
        )


class _Signer(TimestampSigner):
    """Takes the time from a clock."""

    def __init__(self, *args: Any, clock: Clock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock().timestamp())


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What a token says: ``user`` as ``_digest`` has it, ``given`` when."""

    is_allowed: bool
    user: str
    given: datetime


def _said(serializer: URLSafeTimedSerializer, origin: str, token: object) -> _Said | None:
    """What a token says of ``origin``; ``None`` if nothing."""
    if not isinstance(token, str):
        return None
    try:
        said, given = serializer.loads(token, max_age=int(COOKIE_LIFE.total_seconds()), return_timestamp=True)
    except BadData:
        return None
    # Those of before they named the user are good for nobody.
    if said["origin"] != origin or "user" not in said:
        return None
    return _Said(is_allowed=said["allowed"], user=said["user"], given=given)


def _digest(user: str | None) -> str:
    """Short, however long a subject is: a cookie has little room. Empty for nobody, and for nobody else."""
    return "" if user is None else hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]
