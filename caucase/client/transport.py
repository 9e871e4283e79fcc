"""HTTP and HTTPS, over urllib3: one request, one answer, or one sentence about why there is none.

It knows nothing of the protocol. It never follows a redirect, never asks the environment for a proxy, never
reads more than the caller allows, and never repeats a request that could have had an effect.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from caucase import __version__
from caucase.core.netloc import NetLoc
from caucase.errors import (
    CaucaseError,
    Malformed,
    NotAuthenticated,
    ServerRefused,
    TooLarge,
    Unreachable,
    Untrusted,
)
from caucase.host.progress import counting_seconds, progress

CONNECT_SECONDS = 10.0
# Between two parts of an answer: signing waits for the disk, and a busy server for its turn.
READ_SECONDS = 60.0
# A server that systemd is just restarting answers at the second or third attempt.
RETRIES = 2
BACK_OFF_SECONDS = 0.3

ANSWER_LIMIT = (
    16 * 1024 * 1024
)  # bytes; the longest answer but a revocation list: 50 pending requests of 64 KiB
_ERROR_LIMIT = 4096  # of an error's body only a sentence is shown
_DETAIL_LIMIT = 300
_PART = 64 * 1024

# What to say for a status, when the server gives no reason; and what can be done about it.
_REFUSALS = {
    401: (
        "The server did not accept the user's certificate.",
        "Is it a user's certificate of this server, still valid and not revoked?",
    ),
    403: ("The server does not allow this.", "Ask whoever runs it, or what stands in front of it."),
    404: (
        "The server knows no such thing.",
        "Is the URL right, and the id? What was rejected or decided is gone.",
    ),
    408: ("The request did not reach the server in time.", "Is the network slow, or the server busy?"),
    409: (
        "This was done already: it is revoked, or there is a request with the same key.",
        "If a certificate is to be asked for, make a new key: caucase-rerequest does.",
    ),
    413: ("The server finds this too large.", "Ask for less: fewer names, for example."),
    429: ("The server has too many connections from this address.", "Try again a little later."),
    500: ("The server failed.", "Its journal says why: journalctl -u caucased."),
    503: ("The server is not ready.", "Its journal says why: journalctl -u caucased."),
    507: (
        "Too many requests are waiting for a decision.",
        "Have a user sign or reject some of them, then send this one again.",
    ),
}

# A connection that ended without an answer; also http.client's RemoteDisconnected is one of them.
_BROKEN_OFF = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)

_NO_REFUSAL = "Is it really caucased that answers there?"


@dataclass(frozen=True, kw_only=True)
class BaseUrl:
    """Where an authority answers. ``path``: the prefix of all its paths, empty or ``/like/this``."""

    netloc: NetLoc
    path: str
    https: bool = False

    @classmethod
    def parse(cls, text: str) -> BaseUrl:
        """Read ``http://host[:port][/prefix]``; Malformed says what is wrong with it."""
        try:
            parts = urlsplit(text)
            if "://" not in text:
                raise Malformed("it does not start with http://.", _URL_HINT)
            netloc = NetLoc.parse(parts.netloc)
        except (ValueError, Malformed) as error:
            reason = error.message if isinstance(error, CaucaseError) else "it cannot be read."
            raise Malformed(f"The CA's URL {text!r}: {reason}", _URL_HINT) from None
        if parts.scheme != "http":
            raise Malformed(f"The CA's URL {text!r} does not start with http://.", _URL_HINT)
        if parts.query or parts.fragment or not parts.path.isprintable() or " " in parts.path:
            raise Malformed(f"The CA's URL {text!r} has more than a host, a port and a path.", _URL_HINT)
        return cls(netloc=netloc, path=parts.path.rstrip("/"))

    def over_https(self) -> BaseUrl:
        """The same place over HTTPS: port 443 if that of HTTP is 80, else the next one."""
        return BaseUrl(netloc=self.netloc, path=self.path, https=True)

    @property
    def port(self) -> int:
        return self.netloc.https_port if self.https else self.netloc.http_port

    def __str__(self) -> str:
        if self.https:
            return f"https://{self.netloc.https_authority}{self.path}"
        return f"http://{self.netloc.authority}{self.path}"


_URL_HINT = (
    "Give the CA's HTTP address, for example http://ca.example.com:8009; that of HTTPS follows from it."
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A successful answer. ``location``: of what was created, empty when the server names none."""

    body: bytes
    location: str


class Transport:
    """Connections to one base URL. Use it as a context manager, or ``close`` it."""

    def __init__(self, url: BaseUrl, context: ssl.SSLContext | None = None, *, as_user: bool = False) -> None:
        """``context``: how to check the server, and who we are; needed for an HTTPS URL, and for no other. ``as_user``:
        whether it shows a certificate.
        """
        self.url = url
        self._as_user = as_user
        self.verified = context is not None and context.verify_mode == ssl.CERT_REQUIRED
        host = url.netloc.host
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._pool: urllib3.HTTPConnectionPool
        if context is None:
            self._pool = urllib3.HTTPConnectionPool(host, url.port, timeout=timeout)
        else:
            self._pool = urllib3.HTTPSConnectionPool(
                # Debian's urllib3 1.26 has a default of its own here, stronger than the context.
                *(host, url.port),
                timeout=timeout,
                ssl_context=context,
                cert_reqs=context.verify_mode.name,
            )

    def request(
        self, method: str, path: str, *, body: bytes = b"", content_type: str = "", limit: int = ANSWER_LIMIT
    ) -> Answer:
        """Send one request and return its 2xx answer.

        ``limit``: bytes of the answer's body. Raises Unreachable, Untrusted (the server's TLS certificate),
        NotAuthenticated (ours), ServerRefused (any other status), TooLarge.
        """
        headers = {"User-Agent": f"caucase/{__version__}"}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            with counting_seconds(f"Waiting for {self.url}"):
                response = self._open(method, path, body, headers)
            try:
                if not 200 <= response.status < 300:
                    _refused(response.status, response.read(_ERROR_LIMIT))
                content = self._read(response, limit)
                response.release_conn()
            finally:
                response.close()
        except HTTPError as error:
            self._no_answer(error)
        return Answer(body=content, location=response.headers.get("Location", ""))

    def _open(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> urllib3.response.BaseHTTPResponse:
        retries = urllib3.Retry(
            total=RETRIES,
            # If no connection came about any method can be tried again, if the answer was lost GET only.
            allowed_methods={"GET"},
            redirect=False,
            status=0,
            other=0,
            # With it a 503 would be an exception, and what the server says lost.
            respect_retry_after_header=False,
            backoff_factor=BACK_OFF_SECONDS,
        )
        with warnings.catch_warnings():
            if not self.verified:
                # Whoever made an unverified context has said so in words that fit.
                warnings.simplefilter("ignore", InsecureRequestWarning)
            return self._pool.urlopen(
                method,
                self.url.path + path,
                body=body or None,
                headers=headers,
                retries=retries,
                redirect=False,
                preload_content=False,
                decode_content=False,
                # A body shorter than announced is a lost answer, not an answer.
                enforce_content_length=True,
            )

    def _read(self, response: urllib3.response.BaseHTTPResponse, limit: int) -> bytes:
        content = bytearray()
        # What was announced, as far as urllib3 takes it for a length: there are numbers that int() refuses.
        with progress(f"Fetching from {self.url}", response.length_remaining or 0) as bar:
            # To its very end: only there urllib3 notices that it was shorter than announced.
            while part := response.read(_PART):
                content += part
                bar.add(len(part))
                if len(content) > limit:
                    raise TooLarge(
                        f"The answer of {self.url} is larger than {limit} bytes.",
                        _NO_REFUSAL,
                    )
        return bytes(content)

    def _no_answer(self, error: HTTPError) -> NoReturn:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise Untrusted(
                    f"The HTTPS certificate of {self.url} cannot be trusted: {cause.verify_message.rstrip('.')}.",
                    "Is that the address that the server is configured with? Something else may be answering there.",
                ) from None
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
                message, hint = _REFUSALS[401]
                raise NotAuthenticated(message, hint) from None
        if self._as_user and any(isinstance(cause, _BROKEN_OFF) for cause in causes):
            # What a refused handshake looks like where the alert is lost, as asyncio and a reset lose it. But the
            # server may as well have done what was asked, and have ended then: so it is not NotAuthenticated.
            raise Unreachable(
                f"No answer from {self.url}: it closed the connection, as it does if it does not accept the user's "
                "certificate.",
                _REFUSALS[401][1],
            ) from None
        reasons = (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror)
        reason = next(reasons, "")
        if not reason and any(isinstance(cause, BadStatusLine) for cause in causes):
            # Also that of a connection that was closed at once, as by whoever expects TLS there.
            raise Unreachable(
                f"No answer from {self.url}: what is there does not speak HTTP.",
                "Is that the port of HTTP, and not that of HTTPS?",
            )
        reason = reason or type(causes[-1]).__name__
        raise Unreachable(f"No answer from {self.url}: {reason}.", "Is caucased running there?")

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is inside it: urllib3 wraps the system's errors, two deep and in several ways."""
    yield error
    inner = getattr(error, "reason", None)
    candidates = [inner, *error.args, error.__cause__, error.__context__]
    for candidate in candidates:
        if isinstance(candidate, BaseException):
            yield from _causes(candidate)
            return


def _refused(status: int, body: bytes) -> NoReturn:
    lines = body.decode("utf-8", "replace").strip().splitlines()
    # Whatever a server says goes to a terminal: no control characters.
    detail = "".join(filter(str.isprintable, lines[0]))[:_DETAIL_LIMIT] if lines else ""
    if 300 <= status < 400:
        message, hint = f"The server answered {status}: it is elsewhere.", "Give the URL at which it is."
    else:
        message, hint = _REFUSALS.get(status, (f"The server answered {status}.", _NO_REFUSAL))
    if detail and not detail.startswith("<"):  # a page of some proxy is no sentence
        message = f"The server refused with {status}: {detail.rstrip('.')}."
    raise ServerRefused(message, hint, status=status, detail=detail)
