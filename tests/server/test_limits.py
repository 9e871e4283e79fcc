"""The counting of connections and the telling of refusals, without any connection."""

from __future__ import annotations

import dataclasses
from http.client import HTTPResponse
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.config.load import load_server_config
from caucase.core.network import network_of
from caucase.errors import ConfigError
from caucase.server.limits import DEFAULT_LIMITS, RETRY_SECONDS, Admission, Kind, Limits, Refusal, Throttle
from caucase.server.peer import LOCAL

FEW = dataclasses.replace(DEFAULT_LIMITS, connections=5, connections_per_address=2)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", LOCAL)


def test_one_address_has_its_share() -> None:
    admission = Admission(FEW)
    assert [admission.admit("192.0.2.1") for _ in range(3)] == [None, None, Refusal.TOO_MANY_OF_ADDRESS]
    assert admission.admit("192.0.2.2") is None
    admission.release("192.0.2.1")
    assert admission.admit("192.0.2.1") is None


def test_an_ipv6_network_is_one_address() -> None:
    admission = Admission(FEW)
    assert admission.admit("2001:db8::1") is admission.admit("2001:db8::2") is None
    assert admission.admit("2001:db8::3") is Refusal.TOO_MANY_OF_ADDRESS
    assert admission.admit("2001:db8:0:1::1") is None


def test_a_unix_socket_has_no_share_but_counts() -> None:
    admission = Admission(FEW)
    assert [admission.admit(LOCAL) for _ in range(6)] == [None] * 5 + [Refusal.TOO_MANY]


def test_all_together() -> None:
    admission = Admission(FEW)
    for number in range(5):
        assert admission.admit(f"192.0.2.{number}") is None
    assert admission.admit("192.0.2.9") is Refusal.TOO_MANY
    assert admission.admit(LOCAL) is Refusal.TOO_MANY


def test_changed_limits_hold_for_the_next() -> None:
    admission = Admission(FEW)
    assert admission.admit("192.0.2.1") is admission.admit("192.0.2.1") is None
    admission.limits = dataclasses.replace(FEW, connections_per_address=3)
    assert admission.admit("192.0.2.1") is None
    admission.limits = dataclasses.replace(FEW, connections=1)
    assert admission.admit("192.0.2.2") is Refusal.TOO_MANY
    assert admission.count == 3


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(ADDRESSES)), max_size=60))
def test_any_coming_and_going(events: list[tuple[bool, str]]) -> None:
    admission, there = Admission(FEW), []
    for comes, address in events:
        if comes:
            of_network = [one for one in there if one != LOCAL and network_of(one) == network_of(address)]
            refusal = admission.admit(address)
            if len(there) == 5:
                assert refusal is Refusal.TOO_MANY
            elif len(of_network) == 2:
                assert refusal is Refusal.TOO_MANY_OF_ADDRESS
            else:
                assert refusal is None
                there.append(address)
        elif address in there:
            there.remove(address)
            admission.release(address)
        assert admission.count == len(there)
    for address in there:
        admission.release(address)
    # Nothing is remembered of those who have gone.
    assert admission._by_network == {}
    assert admission.count == 0


class Reply:
    """What HTTPResponse reads from."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self.data)


@pytest.mark.parametrize(("refusal", "status"), [(Refusal.TOO_MANY, 503), (Refusal.TOO_MANY_OF_ADDRESS, 429)])
def test_what_is_said_to_a_refused_connection(refusal: Refusal, status: int) -> None:
    response = HTTPResponse(Reply(refusal.answer))  # type: ignore[arg-type]  # all that it wants of a socket
    response.begin()
    assert response.status == status
    assert response.headers["Retry-After"] == str(RETRY_SECONDS)
    assert response.headers["Connection"] == "close"
    sentence = response.read().decode()
    assert sentence.endswith(".")
    # The length is right, and it fits into whatever the kernel has room for at the beginning.
    assert refusal.answer.endswith(sentence.encode())
    assert len(refusal.answer) < 512


# Telling


class Telling:
    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[tuple[Kind, int, str]] = []
        self.throttle = Throttle(lambda *one: self.told.append(one), monotonic=lambda: self.now)


def test_the_first_is_told_at_once() -> None:
    telling = Telling()
    telling.throttle.refused(Kind.CONNECTIONS, "192.0.2.1")
    assert telling.told == [(Kind.CONNECTIONS, 1, "192.0.2.1")]
    assert not telling.throttle.has_more


def test_then_once_a_minute_with_their_number() -> None:
    telling = Telling()
    for second in range(600):
        telling.now = 1000.0 + second
        for number in range(10):
            telling.throttle.refused(Kind.CONNECTIONS, f"192.0.2.{number}")
        telling.throttle.tick()
    assert len(telling.told) == 10
    assert telling.told[1] == (Kind.CONNECTIONS, 600, "192.0.2.0")
    telling.throttle.tick(all_of_it=True)
    assert sum(count for _, count, _ in telling.told) == 6000


def test_each_kind_for_itself() -> None:
    telling = Telling()
    for kind in Kind:
        telling.throttle.refused(kind, "192.0.2.1")
    assert [kind for kind, _, _ in telling.told] == list(Kind)


def test_the_last_are_told_without_another() -> None:
    telling = Telling()
    for _ in range(5):
        telling.throttle.refused(Kind.REQUESTS, "192.0.2.1")
    assert telling.throttle.has_more
    telling.throttle.tick()
    assert len(telling.told) == 1
    telling.now += 60
    telling.throttle.tick()
    assert telling.told[1:] == [(Kind.REQUESTS, 4, "192.0.2.1")]
    assert not telling.throttle.has_more


# Configuration


def test_every_limit_is_configured() -> None:
    config = load_server_config(
        None,
        {
            "limit_header_size": "2000", "limit_header_count": "10", "limit_url_length": "300",
            "limit_body_size": "100000", "limit_csr_size": "5000", "limit_header_time": "2s",
            "limit_body_time": "3s", "limit_idle_time": "4s", "limit_send_time": "5s", "limit_requests": "6",
            "limit_connections": "70", "limit_connections_per_address": "8",
        },
    )  # fmt: skip
    limits = Limits.of(config)
    assert (limits.head.size, limits.head.count, limits.head.url_length) == (2000, 10, 300)
    assert (limits.body_size, limits.csr_size) == (100000, 5000)
    assert (limits.header_time, limits.body_time, limits.idle_time, limits.send_time) == (2, 3, 4, 5)
    assert (limits.requests, limits.connections, limits.connections_per_address) == (6, 70, 8)
    assert Limits.of(config, capacity=50).connections == 50


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("limit_header_time", "0"),
        ("limit_body_time", "2h"),
        ("limit_header_size", "10"),
        ("limit_body_size", "262145"),
        ("limit_connections", "0"),
        ("limit_pending_per_address", "-1"),
    ],
)
def test_what_would_shut_everybody_out_or_nobody(key: str, text: str) -> None:
    with pytest.raises(ConfigError):
        load_server_config(None, {key: text})
