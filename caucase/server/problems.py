"""Which status an error becomes, in one table, and how it is told to a client: one sentence, nothing else."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiohttp import web

from caucase import errors
from caucase.errors import CaucaseError

_logger = logging.getLogger(__name__)

# Seconds: about as long as a restart or a reload takes.
RETRY_AFTER = "10"

# The most derived class that is listed counts; any other error is a defect, hence a bare 500.
STATUS: Mapping[type[CaucaseError], int] = {
    errors.Malformed: 400,
    errors.NotAcceptable: 400,
    errors.CertificateInvalid: 400,
    errors.NotAuthenticated: 401,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.NotConfigured: 503,
    errors.Overloaded: 503,
    errors.StoreError: 503,
    errors.QueueFull: 507,
}

HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "transport"},
    503: {"Retry-After": RETRY_AFTER},
}

# What aiohttp finds wrong by itself.
_SENTENCES = {
    400: "The request is not well-formed HTTP.",
    404: "There is nothing at this path.",
    405: "This method is not possible here.",
    408: "The request did not come in time.",
    414: "The URL is too long.",
    431: "There are too many headers, or they are too large.",
    501: "The server does not know this way of transfer.",
    505: "The server speaks HTTP/1.1.",
}


def plain(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that is a sentence for a person."""
    return web.Response(status=status, text=sentence, headers={**HEADERS.get(status, {}), **(headers or {})})


def bare(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that tells no more than its status."""
    return plain(status, _SENTENCES.get(status, "The server failed to answer."), headers)


def response_to(error: Exception) -> web.Response:
    """The answer to a request that raised ``error``. What only the operator should read is logged instead."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if isinstance(error, errors.StoreError):
        _logger.error("%s", error)
        return plain(status, "The server cannot get at its data at the moment.")
    if not isinstance(error, CaucaseError) or status == 500:
        _logger.error("A request failed.", exc_info=error)
        return bare(500)
    return plain(status, str(error))
