"""Which addresses count as one."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.network import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_network(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_two_are_one_when_their_first_64_bits_are(
    one: ipaddress.IPv6Address, other: ipaddress.IPv6Address
) -> None:
    if one.ipv4_mapped is None and other.ipv4_mapped is None:
        same = int(one) >> 64 == int(other) >> 64
        assert (network_of(str(one)) == network_of(str(other))) == same
