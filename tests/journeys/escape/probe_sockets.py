"""Sockets that lead out."""

import glob
import os
import socket
import struct

from probe import BAIT, way


@way
def socket_families():
    strange = {
        "raw": (socket.AF_INET, socket.SOCK_RAW, 1), "raw6": (socket.AF_INET6, socket.SOCK_RAW, 58),
        "packet": (socket.AF_PACKET, socket.SOCK_RAW, 3), "packet datagram": (17, socket.SOCK_DGRAM, 3),
        "vsock": (40, socket.SOCK_STREAM, 0), "vsock datagram": (40, socket.SOCK_DGRAM, 0), "alg": (38, 5, 0),
        "bluetooth": (31, 3, 1), "can": (29, 3, 1), "tipc": (30, 1, 0), "key": (15, 3, 2), "xdp": (44, 3, 0),
        "rds": (21, 5, 0), "smc": (43, 1, 0), "qrtr": (42, 2, 0), "ax25": (3, 2, 0), "appletalk": (5, 2, 0),
        "x25": (9, 5, 0), "netlink audit": (16, 3, 9), "netlink netfilter": (16, 3, 12), "netlink uevent": (16, 3, 15),
        "netlink crypto": (16, 3, 21), "netlink xfrm": (16, 3, 6), "netlink generic": (16, 3, 16),
        "sctp": (2, 1, 132), "dccp": (2, 6, 33),
    }  # fmt: skip
    got = []
    for name, how in strange.items():
        try:
            socket.socket(*how).close()
            got.append(name)
        except (OSError, ValueError):
            pass
    return f"sockets: {', '.join(got)}" if got else None


@way
def netlink_changes():
    try:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    except OSError:
        return None
    with link:
        link.settimeout(2)
        down = struct.pack("BxHiII", 0, 0, 1, 0, 1)
        link.send(struct.pack("IHHII", 16 + len(down), 16, 5, 1, 0) + down)
        answer = link.recv(4096)
        return "the loopback device was changed" if struct.unpack_from("i", answer, 16)[0] == 0 else None


@way
def metadata_and_world():
    for address in ("169.254.169.254", "1.1.1.1", BAIT.get("gateway", "10.0.0.1")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for port in (80, 53):
                if talks(socket.AF_INET, kind, (address, port)):
                    return f"{address}:{port}"
    for address in ("fd00:ec2::254", "2606:4700:4700::1111", "fe80::1%1"):
        if talks(socket.AF_INET6, socket.SOCK_DGRAM, (address, 53)):
            return address


def talks(family_, kind, address):
    """Whether there is a way: even a datagram that goes nowhere needs a route."""
    try:
        with socket.socket(family_, kind) as one:
            one.settimeout(1)
            one.connect(address)
            if family_ != socket.AF_UNIX:  # whoever listens at a path is somebody of the host's: not to be disturbed
                one.send(b"x")
            return True
    except (OSError, UnicodeError):
        return False


@way
def host_sockets():
    for port in BAIT.get("tcp", []):
        if talks(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)):
            return f"127.0.0.1:{port}"
    for path in BAIT.get("unix", []):
        if talks(socket.AF_UNIX, socket.SOCK_STREAM, path):
            return path
    for path in [
        one for top in ("/run", "/tmp") for depth in ("*", "*/*", "*/*/*") for one in glob.glob(f"{top}/{depth}")
    ]:
        try:
            if os.stat(path).st_mode & 0o170000 == 0o140000 and talks(socket.AF_UNIX, socket.SOCK_STREAM, path):
                return path
        except OSError:
            pass


@way
def names():
    for name in ("example.com", "metadata.google.internal", "localhost.localdomain.example"):
        try:
            return f"{name} is {socket.getaddrinfo(name, 80)[0][4]}"
        except OSError:
            pass
