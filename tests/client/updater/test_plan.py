"""What is due: every cell of the table of a holder's life, and when CA certificates and lists are compared again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from caucase.client.updater import Here, ListDates, RequestState, Task, plan
from caucase.client.updater.memory import Memory
from caucase.client.updater.plan import CHECK_INTERVAL, LOOK_AGAIN, renewal_due
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.x509 import not_after, subject_key_id

from ...conftest import Keys
from .conftest import MakeConfig

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
PERIOD = timedelta(days=93)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def ca(keys: Keys) -> Signer:
    return _ca(keys)


def _ca(keys: Keys, number: int = 0) -> Signer:
    return issue_ca(
        keys("ec:P-256", number),
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")]),
        extensions=[],
        validity=Validity.starting(NOW - DAY, 4 * PERIOD),
        serial=random_serial(),
    )


def certificate(ca: Signer, *, left: timedelta, life: timedelta = PERIOD) -> x509.Certificate:
    """One that ends ``left`` after NOW."""
    return issue(
        ca,
        key=ca.key.public_key(),
        subject=ca.certificate.subject,
        extensions=[],
        validity=Validity(not_before=NOW + left - life, not_after=NOW + left),
        serial=random_serial(),
    )


def dates(ca: Signer, *, left: timedelta = 30 * DAY, life: timedelta = 30 * DAY) -> ListDates:
    end = NOW + left
    return ListDates(issuer=subject_key_id(ca.certificate), this_update=end - life, next_update=end)


def here(
    ca: Signer,
    *,
    left: timedelta | None = 90 * DAY,
    life: timedelta = PERIOD,
    request: RequestState = RequestState.NONE,
    has_changed: bool = False,
    is_revoked: bool = False,
    checked: timedelta | None = timedelta(0),
    lists: tuple[ListDates, ...] | None = None,
) -> Here:
    return Here(
        cas=(ca.certificate,),
        lists=(dates(ca),) if lists is None else lists,
        certificate=None if left is None else certificate(ca, left=left, life=life),
        is_revoked=is_revoked,
        has_changed=has_changed,
        request=request,
        memory=Memory(checked_at=None if checked is None else NOW - checked),
    )


NOTHING, GOOD, DUE, EXPIRED = None, 90 * DAY, 31 * DAY, -SECOND
ASK, FETCH, RENEW, CHECK = Task.ASK, Task.FETCH, Task.RENEW, Task.CHECK
NONE, MADE, SENT = RequestState

TABLE = [
    # what there is, has changed, revoked: with no request, with one made, with one sent
    (NOTHING, False, False, (ASK,), (ASK,), (FETCH,)),
    (GOOD, False, False, (), (), ()),
    (DUE, False, False, (RENEW,), (RENEW,), (RENEW,)),
    (EXPIRED, False, False, (RENEW, ASK), (ASK,), (FETCH,)),
    (GOOD, True, False, (ASK,), (ASK,), (FETCH,)),
    (DUE, True, False, (RENEW, ASK), (RENEW, ASK), (RENEW, FETCH)),
    (EXPIRED, True, False, (RENEW, ASK), (ASK,), (FETCH,)),
    (GOOD, False, True, (), (), ()),
    (DUE, False, True, (), (), ()),
    (EXPIRED, False, True, (), (), ()),
    (GOOD, True, True, (), (), ()),
    (DUE, True, True, (), (), ()),
    (EXPIRED, True, True, (), (), ()),
]


@pytest.mark.parametrize(
    ("left", "has_changed", "is_revoked", "request_state", "expected"),
    [
        (left, has_changed, is_revoked, state, expected)
        for left, has_changed, is_revoked, *cells in TABLE
        for state, expected in zip((NONE, MADE, SENT), cells, strict=True)
    ],
)
def test_every_cell(
    ca: Signer,
    make_config: MakeConfig,
    left: timedelta | None,
    has_changed: bool,
    is_revoked: bool,
    request_state: RequestState,
    expected: tuple[Task, ...],
) -> None:
    state = here(ca, left=left, has_changed=has_changed, is_revoked=is_revoked, request=request_state)
    planned = plan(state, make_config(), NOW)
    assert planned.tasks == expected
    # Only a renewal of what seems to have expired is given a second chance, and never if another one is wanted.
    second_chance = left == EXPIRED and expected == (RENEW, ASK) and not has_changed
    assert planned.if_renewal_fails == ((ASK,) if second_chance else ())


def test_an_anonymous_service_has_no_certificate_to_care_for(ca: Signer, make_config: MakeConfig) -> None:
    config = make_config(asked=None, key=None, crt=None)
    assert plan(here(ca, left=None), config, NOW).tasks == ()
    assert plan(here(ca, left=None, checked=DAY), config, NOW).tasks == (CHECK,)


@pytest.mark.parametrize(("moment", "is_due"), [(-SECOND, False), (timedelta(0), True), (SECOND, True)])
def test_the_threshold_to_the_second(
    ca: Signer, make_config: MakeConfig, moment: timedelta, is_due: bool
) -> None:
    state = here(ca, left=31 * DAY)
    assert (RENEW in plan(state, make_config(), NOW + moment).tasks) is is_due


@pytest.mark.parametrize(("moment", "is_expired"), [(timedelta(0), False), (SECOND, True)])
def test_the_end_to_the_second(
    ca: Signer, make_config: MakeConfig, moment: timedelta, is_expired: bool
) -> None:
    state = here(ca, left=timedelta(0))
    assert (ASK in plan(state, make_config(), NOW + moment).tasks) is is_expired


def test_a_short_life_is_not_due_at_once(ca: Signer) -> None:
    one = certificate(ca, left=30 * DAY, life=30 * DAY)
    assert renewal_due(one, 31 * DAY) == not_after(one) - 20 * DAY
    assert renewal_due(one, 5 * DAY) == not_after(one) - 5 * DAY


@pytest.mark.parametrize(
    ("checked", "due"),
    [
        (None, True),
        (timedelta(0), False),
        (CHECK_INTERVAL - SECOND, False),
        (CHECK_INTERVAL, True),
        (21 * DAY, True),  # suspended for three weeks
        (-SECOND, True),  # by a clock that has been put back since
    ],
)
def test_a_check_once_a_day(
    ca: Signer, make_config: MakeConfig, checked: timedelta | None, due: bool
) -> None:
    assert (CHECK in plan(here(ca, checked=checked), make_config(), NOW).tasks) is due


@pytest.mark.parametrize(
    ("left", "checked", "due"),
    [
        # Its refresh is due 7 days before its end; here it has become so since the last check.
        (7 * DAY, LOOK_AGAIN, True),
        (7 * DAY + SECOND, LOOK_AGAIN, False),
        # It was due at the last check already, and the server had no newer one: not again and again...
        (6 * DAY, LOOK_AGAIN, False),
        (4 * DAY, DAY - SECOND, False),
        (4 * DAY, DAY, True),
        # ...but ever more often.
        (timedelta(hours=3), timedelta(minutes=59), False),
        (timedelta(hours=3), timedelta(minutes=60), True),
        (-DAY, LOOK_AGAIN - SECOND, False),
        (-DAY, LOOK_AGAIN, True),
    ],
)
def test_a_list_near_its_end(
    ca: Signer, make_config: MakeConfig, left: timedelta, checked: timedelta, due: bool
) -> None:
    state = here(ca, lists=(dates(ca, left=left),), checked=checked)
    assert (CHECK in plan(state, make_config(), NOW).tasks) is due


def test_a_short_list_is_refreshed_at_half_its_life(ca: Signer, make_config: MakeConfig) -> None:
    life = timedelta(hours=8)
    fresh = here(ca, lists=(dates(ca, left=life, life=life),))
    assert plan(fresh, make_config(), NOW).tasks == ()
    assert plan(fresh, make_config(), NOW).next_due == NOW + life / 2
    assert plan(fresh, make_config(), NOW + life / 2).tasks == (CHECK,)


def test_a_ca_without_a_list(keys: Keys, ca: Signer, make_config: MakeConfig) -> None:
    of_another = (dates(_ca(keys, 1)),)
    assert plan(here(ca, lists=of_another), make_config(), NOW).tasks == ()
    assert plan(here(ca, lists=of_another, checked=LOOK_AGAIN), make_config(), NOW).tasks == (CHECK,)


def test_nothing_to_trust_yet(ca: Signer, make_config: MakeConfig) -> None:
    empty = Here(
        cas=(),
        lists=(),
        certificate=None,
        is_revoked=False,
        has_changed=False,
        request=NONE,
        memory=Memory(checked_at=NOW),
    )
    assert plan(empty, make_config(), NOW).tasks == (CHECK, ASK)


def test_what_is_next(ca: Signer, make_config: MakeConfig) -> None:
    assert plan(here(ca), make_config(), NOW).next_due == NOW + CHECK_INTERVAL
    soon = here(ca, left=31 * DAY + timedelta(hours=1))
    assert plan(soon, make_config(), NOW).next_due == NOW + timedelta(hours=1)


@pytest.mark.parametrize(("left", "near"), [(16 * DAY, []), (15 * DAY, ["the certificate"])])
def test_the_margin_is_half_of_the_threshold(
    ca: Signer, make_config: MakeConfig, left: timedelta, near: list[str]
) -> None:
    planned = plan(here(ca, left=left), make_config(), NOW)
    assert [deadline.what for deadline in planned.deadlines if deadline.is_near(NOW)] == near


def test_a_list_and_a_ca_have_their_margins(ca: Signer, make_config: MakeConfig) -> None:
    state = here(ca, lists=(dates(ca, left=3 * DAY),))
    near = [deadline.what for deadline in plan(state, make_config(), NOW).deadlines if deadline.is_near(NOW)]
    assert near == [f"the revocation list of CA {subject_key_id(ca.certificate).hex()}"]
    at_its_end = not_after(ca.certificate) - 15 * DAY
    near = [
        one.what for one in plan(here(ca), make_config(), at_its_end).deadlines if one.is_near(at_its_end)
    ]
    assert "the newest CA certificate" in near
