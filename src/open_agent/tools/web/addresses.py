"""Which addresses web tools may connect to: those of the public internet, and no others.

A page's address comes from a model that has read strangers' text. Whatever it resolves to is
checked here, and `fetching.py` connects to what was checked and to nothing else.
"""

import contextlib
import re
import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

THIS_SERVER = "this server itself"
THIS_MACHINE = "this machine"
PRIVATE_NETWORK = "a private network"
METADATA_SERVICE = "a link-local or metadata address"
NOT_PUBLIC = "not a public address"

# Written out, for what `is_global` says differs between releases of Python.
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),  # carriers' own, and Tailscale's
    IPv6Network("fc00::/7"),
)
METADATA = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("100.100.100.200/32"),  # Alibaba Cloud
    IPv4Network("168.63.129.16/32"),  # Azure
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::/32"),  # Google Cloud
    IPv6Network("fe80::/10"),
)
"""Link-local, and where clouds hand out credentials: not even where private ones are allowed."""
RESERVED = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"),  # relays into 6to4
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/3"),  # multicast, the future's, broadcast
    IPv6Network("2001::/23"),  # Teredo and other tunnels
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),
)
PUBLIC_V6 = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 write them."""

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class AddressGuard:
    """Says which addresses are refused.

    Args:
        allow_private: Whether this machine and its own network may be reached.
        own_ports: The ports that this server listens on now; on this machine they are always
            refused.
    """

    def __init__(
        self, *, allow_private: bool, own_ports: Callable[[], Collection[int]] = tuple
    ) -> None:
        self._allow_private = allow_private
        self._own_ports = own_ports

    def refusal(self, address: Address, port: int) -> str | None:
        """What is wrong with an address, as what it is; nothing if it may be connected to."""
        address = _meant(address)
        if port in self._own_ports() and _is_ours(address):
            return THIS_SERVER
        if _is_in(address, METADATA):
            return METADATA_SERVICE
        for networks, what in ((LOOPBACK, THIS_MACHINE), (PRIVATE, PRIVATE_NETWORK)):
            if _is_in(address, networks):
                return None if self._allow_private else what
        is_odd = isinstance(address, IPv6Address) and address not in PUBLIC_V6
        return NOT_PUBLIC if is_odd or _is_in(address, RESERVED) else None


def read_address(host: str) -> Address | None:
    """The address that a host of a URL is; nothing if it is a name.

    What ends in a number is an IPv4 address to browsers and resolvers, octal and hexadecimal
    too: `0x7f.1` is 127.0.0.1.

    Raises:
        ValueError: It looks like an address and is none.
    """
    host = host.rstrip(".")
    if ":" in host:
        return ip_address(host)
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        raise ValueError(f"{host!r} is not an IPv4 address") from None


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _is_in(address: Address, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _is_ours(address: Address) -> bool:
    """Whether the address is one of this machine: only those can be bound to."""
    if _is_in(address, LOOPBACK):
        return True
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False
