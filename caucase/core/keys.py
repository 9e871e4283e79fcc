"""Key types: which keys may be made and certified, and which hash goes with each. It never stores a key."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from caucase.errors import Malformed, NotAcceptable

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
SignatureHash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

# NIST SP 800-57 part 1, section 5.6.1: 2048 bits are the least for 112 bits of security; beyond 8192 a
# signature check costs the server more than the request is worth.
RSA_MIN_BITS = 2048
RSA_MAX_BITS = 8192
RSA_EXPONENT = 65537

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
USUAL_KEY_TYPES = ("rsa:2048", "rsa:3072", "rsa:4096", *(f"ec:{name}" for name in _CURVES), "ed25519")
"""What to choose from; an RSA key may have other lengths, too."""
_CURVE_BY_NAME = {curve().name: name for name, curve in _CURVES.items()}
# FIPS 186-5 section 6.1.1: a hash at least as strong as the curve.
_CURVE_HASHES: dict[str, type[SignatureHash]] = {
    "P-256": hashes.SHA256,
    "P-384": hashes.SHA384,
    "P-521": hashes.SHA512,
}


@dataclass(frozen=True, kw_only=True)
class KeyType:
    """A kind of key, written ``rsa:BITS``, ``ec:CURVE`` or ``ed25519``. ``size``: bits or curve name or
    empty.
    """

    algorithm: str
    size: str = ""

    @classmethod
    def parse(cls, text: str) -> KeyType:
        """Read ``rsa:2048``, ``ec:P-256``, ``ed25519``; Malformed lists what is possible."""
        algorithm, _, size = text.partition(":")
        if algorithm == "rsa" and size.isascii() and size.isdigit() and len(size) < 6:
            if not RSA_MIN_BITS <= int(size) <= RSA_MAX_BITS:
                raise Malformed(f"key type {text!r}: an RSA key has {RSA_MIN_BITS} to {RSA_MAX_BITS} bits.")
            return cls(algorithm=algorithm, size=size)
        if (algorithm == "ec" and size in _CURVES) or text == "ed25519":
            return cls(algorithm=algorithm, size=size)
        raise Malformed(
            f"key type {text!r} is not known.",
            f"Give {', '.join(USUAL_KEY_TYPES[:-1])} or {USUAL_KEY_TYPES[-1]}.",
        )

    def generate(self) -> PrivateKey:
        """A fresh private key of this type."""
        if self.algorithm == "rsa":
            return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=int(self.size))
        if self.algorithm == "ec":
            return ec.generate_private_key(_CURVES[self.size]())
        return ed25519.Ed25519PrivateKey.generate()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.size}" if self.size else self.algorithm


def key_type(key: Any) -> KeyType:
    """The type of a public or private key; NotAcceptable if it is of a kind this project does not handle."""
    match _algorithm(type(key)):  # type: ignore[arg-type]  # mypy doubts that a class can be hashed
        case "rsa":
            return KeyType(algorithm="rsa", size=str(key.key_size))
        case "ec":
            if name := _CURVE_BY_NAME.get(key.curve.name):
                return KeyType(algorithm="ec", size=name)
            raise NotAcceptable(f"The curve {key.curve.name} is not supported.", f"Use {', '.join(_CURVES)}.")
        case "ed25519":
            return KeyType(algorithm="ed25519")
        case _:
            raise NotAcceptable(
                "This kind of key is not supported.", "Use RSA, EC (P-256, P-384, P-521) or Ed25519."
            )


_ALGORITHMS: dict[str, tuple[type, ...]] = {
    "rsa": (rsa.RSAPublicKey, rsa.RSAPrivateKey),
    "ec": (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey),
    "ed25519": (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
}


@functools.lru_cache(maxsize=32)
def _algorithm(kind: type) -> str | None:
    """Of a class of keys. Remembered, for those of the library are abstract: to ask whether a key is of one takes as
    long as ten calls.
    """
    return next((name for name, kinds in _ALGORITHMS.items() if issubclass(kind, kinds)), None)


def check_strength(key: object) -> KeyType:
    """The key's type if such a key may be certified; NotAcceptable says why not."""
    kind = key_type(key)
    if kind.algorithm == "rsa" and not RSA_MIN_BITS <= int(kind.size) <= RSA_MAX_BITS:
        raise NotAcceptable(
            f"An RSA key of {kind.size} bits is refused: {RSA_MIN_BITS} to {RSA_MAX_BITS} are accepted."
        )
    if isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e < RSA_EXPONENT:
        # NIST SP 800-56B section 6.2: small exponents are fragile.
        raise NotAcceptable(f"An RSA public exponent below {RSA_EXPONENT} is refused.")
    return kind


def digested(pieces: Sequence[bytes], algorithm: hashes.HashAlgorithm) -> tuple[bytes, Prehashed]:
    """The digest of what is signed or checked, and what says that it is one: hashlib takes a tenth of the time that
    ``cryptography`` 38 needs to hash a few hundred bytes.
    """
    digest = hashlib.new(algorithm.name)
    for piece in pieces:
        digest.update(piece)
    return digest.digest(), Prehashed(algorithm)


def signature_hash(key: PrivateKey | PublicKey) -> SignatureHash | None:
    """The hash with which this key signs certificates and lists; ``None`` for Ed25519, which has its own."""
    kind = key_type(key)
    if kind.algorithm == "ec":
        return _CURVE_HASHES[kind.size]()
    return hashes.SHA256() if kind.algorithm == "rsa" else None
