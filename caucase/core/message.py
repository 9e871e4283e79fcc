"""Signed messages: their canonical bytes, signing and checking (the project's protocol, "Signed messages").

A message proves that whoever sent it holds a key. Which key that has to be is the caller's decision.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from caucase.core.keys import PrivateKey, PublicKey, digested
from caucase.errors import Malformed, TooLarge

# The first is used to sign.
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
SIGNING_DIGEST = next(iter(DIGESTS))

# Bytes of a whole message: a certificate and a request of 64 KiB each, JSON within JSON, and room to spare.
MESSAGE_LIMIT = 256 * 1024

# Lists, objects and their members: what a megabyte of brackets becomes in memory is a hundred times as large. So many
# at least, and one for so many bytes of a longer text; in what is genuine there is one for forty.
_MEMBERS = 4096
_BYTES_PER_MEMBER = 16


@dataclass(frozen=True, kw_only=True)
class SignedMessage:
    """``payload``: JSON text, byte for byte as signed. A null message has neither ``digest`` nor
    ``signature``.
    """

    payload: str
    digest: str | None
    signature: bytes

    @property
    def is_null(self) -> bool:
        return self.digest is None

    @functools.cached_property
    def fields(self) -> dict[str, Any]:
        """The payload as an object; Malformed if it is not one."""
        return load_json_object(self.payload, "message payload")

    def text(self, name: str) -> str:
        """One field of the payload, which must be text; Malformed otherwise."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise Malformed(f"The message has no text field '{name}'.")
        return value

    def check(self, key: PublicKey) -> None:
        """Malformed unless ``key`` made the signature."""
        if self.digest is None:
            raise Malformed("The message is not signed.")
        signed, digest = _canonical(self.payload, self.digest), DIGESTS[self.digest]()
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(self.signature, signed)
            else:
                value, prehashed = digested((signed,), digest)
                if isinstance(key, rsa.RSAPublicKey):
                    key.verify(self.signature, value, _pss(digest), prehashed)
                else:
                    key.verify(self.signature, value, ec.ECDSA(prehashed))
        except InvalidSignature:
            raise Malformed("The message is not signed with the key it should be signed with.") from None

    def to_json(self) -> dict[str, str | None]:
        """The wire form, as an object."""
        if self.digest is None:
            return {"payload": self.payload, "digest": None}
        signature = base64.b64encode(self.signature).decode("ascii")
        return {"payload": self.payload, "digest": self.digest, "signature": signature}

    def dump(self) -> bytes:
        """The wire form, as bytes."""
        return json.dumps(self.to_json()).encode("utf-8")


def sign(payload: Mapping[str, Any], key: PrivateKey) -> SignedMessage:
    """A message signed with ``key``: RSASSA-PSS, ECDSA over the same bytes, or Ed25519 over them."""
    text, digest = json.dumps(payload), DIGESTS[SIGNING_DIGEST]()
    signed = _canonical(text, SIGNING_DIGEST)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, _pss(digest), digest)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(signed, ec.ECDSA(digest))
    else:
        signature = key.sign(signed)
    return SignedMessage(payload=text, digest=SIGNING_DIGEST, signature=signature)


def null(payload: Mapping[str, Any]) -> SignedMessage:
    """A message without signature, for one whose TLS client certificate speaks for it."""
    return SignedMessage(payload=json.dumps(payload), digest=None, signature=b"")


def parse(data: bytes) -> SignedMessage:
    """The wire form in bytes to a message, its signature not yet checked; Malformed, TooLarge."""
    if len(data) > MESSAGE_LIMIT:
        raise TooLarge(f"The message is larger than {MESSAGE_LIMIT} bytes.")
    return from_json(load_json_object(data, "message"))


def from_json(value: object) -> SignedMessage:
    """The wire form as an object to a message, its signature not yet checked; Malformed."""
    if not isinstance(value, dict):
        raise Malformed("A signed message is an object with payload, digest and signature.")
    payload, digest, signature = value.get("payload"), value.get("digest"), value.get("signature")
    if not isinstance(payload, str) or "digest" not in value:
        raise Malformed("A signed message is an object with payload, digest and signature.")
    if digest is None:
        return SignedMessage(payload=payload, digest=None, signature=b"")
    if not isinstance(digest, str) or digest not in DIGESTS:
        raise Malformed(f"The digest of a signed message is one of {', '.join(DIGESTS)}.")
    if not isinstance(signature, str):
        raise Malformed("A signed message has a signature in base64.")
    try:
        # The peer wraps its base64 into lines, as MIME does.
        raw = base64.b64decode("".join(signature.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("The signature of the message is not base64.") from None
    return SignedMessage(payload=payload, digest=digest, signature=raw)


def load_json_object(data: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object; Malformed, as ``load_json``."""
    value = load_json(data, what)
    if not isinstance(value, dict):
        raise Malformed(f"The {what} is not a JSON object.")
    return value


def load_json(data: bytes | str, what: str) -> Any:
    """JSON, or Malformed: also for duplicate names (RFC 8259 section 4), absurd nesting, and mostly brackets."""
    text = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if sum(map(text.count, (b"[", b"{", b","))) > _MEMBERS + len(text) // _BYTES_PER_MEMBER:
        raise Malformed(f"The {what} has too many parts.")
    try:
        return json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise Malformed(f"The {what} is not JSON.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(result := dict(pairs)) != len(pairs):
        raise ValueError("duplicate name")
    return result


def _canonical(payload: str, digest: str) -> bytes:
    try:
        return payload.encode("utf-8") + digest.encode("ascii") + b" "
    except UnicodeEncodeError:  # JSON can name half a surrogate pair
        raise Malformed("The message payload is not text.") from None


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH)
