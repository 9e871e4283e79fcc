"""What an authority is told to do: the settings that matter to it, and what sets its two contexts apart."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import timedelta

from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.core.rollover import CA_PERIODS, HTTPS_CA_PERIODS

# A CRL lives for so many periods of its context.
CRL_PERIODS = 0.33


class ContextName(enum.StrEnum):
    """The authorities in one server: CAU for users, CAS for services, and the server's own HTTPS CA."""

    CAU = "cau"
    CAS = "cas"
    HTTPS = "https"


@dataclass(frozen=True, kw_only=True)
class ContextPolicy:
    """Settings of CAU or CAS. ``validity``: one period, the life of a normal certificate.
    ``max_pending_per_address``: 0 for no limit but ``max_pending``.
    """

    validity: timedelta = timedelta(days=93)
    max_pending: int = 50
    max_pending_per_address: int = 0
    auto_approve_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings of the whole authority. ``threshold``: how long before its end the HTTPS certificate is
    renewed. ``record_retention``: for how long after its end a certificate stays in the record.
    """

    netloc: NetLoc
    key_type: KeyType = field(default_factory=lambda: KeyType(algorithm="rsa", size="2048"))
    threshold: timedelta = timedelta(days=31)
    record_retention: timedelta = timedelta(days=365)
    lock_auto_approve_count: bool = False
    users: ContextPolicy = field(default_factory=ContextPolicy)
    services: ContextPolicy = field(default_factory=ContextPolicy)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What sets one context apart from the others; fixed, not configurable.

    ``title``: begins the CA's common name. ``ca_periods``: the life of a CA certificate. ``unique_keys``: one
    request per public key. ``backups``: holders can open backups. ``publishes_crl_url``: certificates say
    where the CRL is. ``kept_for`` and ``kept_after_read``: how long a signed request is kept, ``None`` for
    the certificate's whole life.
    """

    title: str
    ca_periods: int = CA_PERIODS
    unique_keys: bool = False
    backups: bool = False
    publishes_crl_url: bool = False
    kept_for: timedelta | None = None
    kept_after_read: timedelta | None = None


PROFILES = {
    ContextName.CAU: Profile(title="Caucase CAU", unique_keys=True, backups=True),
    ContextName.CAS: Profile(
        title="Caucase CAS",
        publishes_crl_url=True,
        kept_for=timedelta(days=1),
        kept_after_read=timedelta(days=0.05),
    ),
    ContextName.HTTPS: Profile(title="Caucased CA", ca_periods=HTTPS_CA_PERIODS),
}


def lock_name(context: ContextName) -> str:
    """The setting that holds the locked count of automatic signatures of CAU or CAS."""
    return f"{context}_auto_approve_count"
