"""Whose program has connected, as the kernel has it. Linux only.

A loopback connection has both of its ends on this machine, and the kernel lists each with the
account that opened it.
"""

import ipaddress
import os
import socket
import struct
import sys
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED = "01"

Address = tuple[str, int]


def is_own_account(client: Address, server: Address) -> bool:
    """Whether the client's end of a loopback connection belongs to our own account. Blocks.

    An end that cannot be found, because it is closed already or because there is no Linux here, is
    nobody's.
    """
    return account_of(client, server) == os.geteuid()


def account_of(client: Address, server: Address) -> int | None:
    """The account that holds the client's end of a connection between two addresses here."""
    wanted = {(_written(client, version), _written(server, version)) for version in (4, 6)}
    for name in _TABLES:
        try:
            lines = Path(name).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, ValueError):
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _ESTABLISHED and (fields[1], fields[2]) in wanted:
                return int(fields[7])
    return None


def _written(address: Address, version: int) -> str:
    """An address as the kernel's tables write it: groups of four bytes, each in our own order."""
    host, port = address
    found = ipaddress.ip_address(host)
    mapped = getattr(found, "ipv4_mapped", None) or found
    if version == 4:
        packed = mapped.packed if mapped.version == 4 else b""
    elif mapped.version == 4:
        packed = socket.inet_pton(socket.AF_INET6, f"::ffff:{mapped}")
    else:
        packed = found.packed
    order = "<" if sys.byteorder == "little" else ">"
    groups = struct.unpack(f"{order}{len(packed) // 4}I", packed)
    return "".join(f"{group:08X}" for group in groups) + f":{port:04X}"
