"""What each route of the API takes, gives and refuses: what the reference of the API is made from (docs/api.md).

A test asks a server for each of them, so nothing here can be wrong; no code needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from caucase.server.handlers import CA_CERTIFICATE, CERTIFICATE, CRL, CSR, HAL, JSON


@dataclass(frozen=True, kw_only=True)
class Contract:
    """``takes`` and ``gives``: the media types of body and answer, empty where there is none; ``sent`` and ``answer``:
    what is in them. ``status``: of success. ``refusals``: by status, besides those that any request may get.
    ``optional``: a body may be missing. ``title``: where the route's says too little.
    """

    title: str = ""
    takes: str = ""
    sent: str = ""
    optional: bool = False
    gives: str = ""
    answer: str = ""
    status: int = 200
    refusals: Mapping[int, str] = field(default_factory=dict)


_NO_NUMBER = "The id is no decimal number."
_NO_USER = "Without the certificate of a user, or with one that has ended or was revoked."
_NOT_PENDING = "No request with this id waits: there is none, or it was decided already."
_TOO_LARGE = "The body is larger than `limit_csr_size`."
_NO_LIST = "No valid CA of this context has this key identifier, or it is no decimal number."

HOME = Contract(
    title="Where everything is, as links.",
    gives=HAL,
    answer="Links and actions of what is here (draft-kelly-json-hal, with `_actions` for what is not a GET); paths "
    "with parameters are `templated`.",
)
LISTS = Contract(gives=CRL, answer="The lists in PEM, one after the other.")
LIST_PEM = Contract(gives=CRL, answer="The list in PEM.", refusals={404: _NO_LIST})
LIST_DER = Contract(gives=CRL, answer="The list in DER, as certificates name it.", refusals={404: _NO_LIST})
SUBMIT = Contract(
    takes=CSR,
    sent="The request in PEM. Any media type is accepted. Sent again it gets the same id.",
    status=201,
    answer="`Location` is the id of the request, which nobody can guess: whoever knows it can read the request and the "
    "certificate.",
    refusals={
        400: "The body is no request, its signature is wrong, or its key is too weak.",
        409: "In `/cau`: a user has this key already.",
        413: _TOO_LARGE,
        507: "Too many requests wait.",
    },
)
PENDING = Contract(
    gives=JSON,
    answer="A list of objects, the oldest first: `id`; `csr`, which is PEM; `received_at`, ISO 8601 in UTC; "
    "`requested_from`, the address.",
    refusals={401: _NO_USER},
)
REQUEST = Contract(
    gives=CSR,
    answer="The request in PEM, as it was sent.",
    refusals={400: _NO_NUMBER, 404: "There is no such request, or it was rejected."},
)
REJECT = Contract(status=204, refusals={400: _NO_NUMBER, 401: _NO_USER, 404: _NOT_PENDING})
CA = Contract(gives=CA_CERTIFICATE, answer="The oldest valid CA certificate, in PEM.")
CA_CHAIN = Contract(
    gives=JSON,
    answer="A list of signed messages, the oldest first, each signed with the key of `old_pem`: `old_pem`, `new_pem`.",
)
HTTPS_CA = Contract(
    gives=JSON, answer="A signed message, signed with the key of a CA certificate of `/cas`: `https_ca_pem`."
)
ISSUED = Contract(
    gives=JSON,
    answer="`certificates`, a list of objects, and `next`, what to give as `after` for the next page. Parameters and "
    "members: [record.md](record.md).",
    refusals={400: "A parameter is not known, given twice, or cannot have this value.", 401: _NO_USER},
)
RENEW = Contract(
    takes=JSON,
    sent="A signed message, signed with the key of the certificate: `crt_pem`, the certificate, and `renew_csr_pem`, a "
    "request with the key that the new one is for.",
    gives=CERTIFICATE,
    answer="The new certificate in PEM; the same one, if the same is sent again.",
    refusals={
        400: "The message cannot be read, is not signed with this key, or the certificate is not of this CA, has ended "
        "or was revoked.",
        409: "In `/cau`: a user has the new key already.",
        413: "The body is larger than `limit_body_size`.",
    },
)
REVOKE = Contract(
    takes=JSON,
    sent="A signed message, signed with the key of the certificate: `revoke_crt_pem`. A user may leave it unsigned "
    "(`digest` is null), and give `revoke_serial`, a number, instead.",
    status=204,
    refusals={
        400: "The message cannot be read, is not signed with this key, or the certificate is not of this CA.",
        401: f"Not signed. {_NO_USER}",
        409: "It is revoked already.",
        413: "The body is larger than `limit_body_size`.",
    },
)
FETCH = Contract(
    gives=CERTIFICATE,
    answer="The certificate in PEM.",
    refusals={400: _NO_NUMBER, 404: "Not signed yet, or there is no such request, or it was forgotten."},
)
SIGN = Contract(
    takes=CSR,
    sent="A request in PEM, to take subject and extensions from; without one they are as they were asked for.",
    optional=True,
    status=204,
    refusals={
        400: f"{_NO_NUMBER} Or the body is no such request, or has another media type.",
        401: _NO_USER,
        404: _NOT_PENDING,
        413: _TOO_LARGE,
    },
)
