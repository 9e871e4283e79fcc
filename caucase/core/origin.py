"""Which address a former server had, as far as its certificates tell; nobody has written it down elsewhere."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from cryptography import x509

from caucase.core import profile
from caucase.core.extensions import value_of
from caucase.core.netloc import NetLoc
from caucase.core.x509 import not_before
from caucase.errors import ConfigError


def check_origin(
    netloc: NetLoc,
    *,
    service_title: str,
    service_certificates: Sequence[x509.Certificate],
    service_cas: Sequence[x509.Certificate],
    https_cas: Sequence[x509.Certificate],
) -> None:
    """ConfigError if ``netloc`` is not where these certificates say that the service is.

    What the newest service certificate says of its revocation list decides, because it is what relying
    parties go by; without such a certificate it is the name of the newest service CA, if ``service_title``
    begins it. The newest HTTPS CA must be allowed to speak for the host: it makes the server's certificate.
    """
    said = _published_at(service_certificates)
    if said is not None and said.lower() != netloc.authority.lower():
        raise _mismatch(netloc, said, "its service certificates name")
    if said is None and service_cas:
        named = _common_name(max(service_cas, key=not_before))
        beginning = f"{service_title} at "
        if named.startswith(beginning) and named != _common_name(profile.ca_subject(service_title, netloc)):
            raise _mismatch(netloc, named.removeprefix(beginning), "its service CA is named for")
    host = _constrained_to(https_cas)
    if host is not None and host.lower() != netloc.host.lower():
        raise _mismatch(netloc, host, "its HTTPS CA may only speak for")


def _mismatch(netloc: NetLoc, said: str, how: str) -> ConfigError:
    return ConfigError(
        f"netloc is {netloc}, and this is the CA of another address: {how} {said}.",
        "Set netloc to the former server's: the address is in certificates that are in use.",
    )


def _published_at(certificates: Sequence[x509.Certificate]) -> str | None:
    """Host and port of the newest certificate's first distribution point."""
    for certificate in sorted(certificates, key=not_before, reverse=True):
        for point in value_of(certificate.extensions, x509.CRLDistributionPoints) or ():
            for name in point.full_name or ():
                if isinstance(name, x509.UniformResourceIdentifier):
                    with contextlib.suppress(ValueError):  # a URL of nowhere
                        return urlsplit(name.value).netloc.removesuffix(":80")
    return None


def _common_name(named: x509.Certificate | x509.Name) -> str:
    name = named.subject if isinstance(named, x509.Certificate) else named
    values = [str(attribute.value) for attribute in name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return values[0] if values else ""


def _constrained_to(https_cas: Sequence[x509.Certificate]) -> str | None:
    """The one host that the newest HTTPS CA may speak for."""
    if not https_cas:
        return None
    newest = max(https_cas, key=not_before)
    constraints = value_of(newest.extensions, x509.NameConstraints)
    for name in (constraints and constraints.permitted_subtrees) or ():
        if isinstance(name, x509.DNSName):
            return name.value
        if isinstance(name, x509.IPAddress) and isinstance(
            name.value, ipaddress.IPv4Network | ipaddress.IPv6Network
        ):
            return str(name.value.network_address)
    return None
