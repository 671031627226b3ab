"""Which addresses are public."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.tools.web.addresses import AddressGuard, read_address

GUARD = AddressGuard(allow_private=False)
PRIVATE_TOO = AddressGuard(allow_private=True)

PUBLIC = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "2606:4700::1111",
    "2a00:1450:4001::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
)  # fmt: skip
LOCAL = ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1")
NEIGHBOURS = (
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
    "fd12:3456::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::192.168.0.1",
)  # fmt: skip
NEVER = (
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254", "0.0.0.0", "0.1.2.3", "::", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::127.0.0.1",
    "2001::7f00:1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1",
    "fec0::1", "ff02::1", "ff0e::1", "100::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_opened(text: str) -> None:
    assert GUARD.refusal(ip_address(text), 80) is None


@pytest.mark.parametrize("text", LOCAL + NEIGHBOURS)
def test_private_addresses_may_be_opened_only_if_that_is_configured(text: str) -> None:
    assert GUARD.refusal(ip_address(text), 80)
    assert PRIVATE_TOO.refusal(ip_address(text), 80) is None


@pytest.mark.parametrize("text", NEVER)
def test_metadata_and_reserved_addresses_are_never_opened(text: str) -> None:
    assert GUARD.refusal(ip_address(text), 80)
    assert PRIVATE_TOO.refusal(ip_address(text), 80)


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_nothing_is_opened_that_python_does_not_call_global(
    address: IPv4Address | IPv6Address,
) -> None:
    if GUARD.refusal(address, 80) is None:
        meant = IPv4Address(int(address) & 0xFFFFFFFF) if address.version == 4 else address
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        assert (mapped or meant).is_global
        assert not address.is_multicast


def test_the_servers_own_port_is_never_opened_on_any_address_of_this_machine() -> None:
    guard = AddressGuard(allow_private=True, own_ports=lambda: {3000})
    for text in (*LOCAL, *addresses_of_this_machine()):
        assert guard.refusal(ip_address(text), 3000) == "this server itself"
        assert guard.refusal(ip_address(text), 3001) != "this server itself"
    assert guard.refusal(ip_address("192.168.213.77"), 3000) is None


def addresses_of_this_machine() -> list[str]:
    """The one that would be used to reach others, if there is one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.2", 0))
        return [str(probe.getsockname()[0])]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.0.0.0x1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("::ffff:7f00:1", "::ffff:7f00:1"),
        ("example.org", None),
        ("1.example", None),
        ("0x7f.example", None),
        ("localhost", None),
    ],
)
def test_an_address_is_recognised_however_it_is_written(host: str, address: str | None) -> None:
    found = read_address(host)
    assert (found and ip_address(found)) == (address and ip_address(address))


@pytest.mark.parametrize("host", ["256.1.1.1", "1.2.3.4.5", "0x", "4294967296", "::1::", "a.09"])
def test_what_only_looks_like_an_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="address"):
        read_address(host)
